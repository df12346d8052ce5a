"""Listings to their end, whatever a marker of the service means, and within bounds."""

import logging
import time
from collections.abc import Callable, Iterator
from typing import Any

import requests

from casfs.deadline import Deadline
from casfs.errors import WrongAnswerError
from casfs.service import fields
from casfs.service.json_pages import Page, read_page
from casfs.service.service_tuning import TUNING
from casfs.service.transport import Transport

log = logging.getLogger(__name__)

MOST_LISTED = min(TUNING.most_entries, TUNING.most_bytes >> 10)
"""Jobs of a vault that a listing is sure to show, at 1 KiB each (a page of a thousand has 1 MB)."""


def listed(
    transport: Transport,
    call: str,
    path: str,
    keys: tuple[str, str],
    limit: int,
    deadline: Deadline,
) -> Iterator[dict[str, Any]]:
    """Yield the items of a listing, each once.

    Each page has a deadline as long as that of the first. A listing that makes progress has none as
    a whole, since one of Amazon Glacier has 50 jobs a page: each item that is new earns its share
    of a full page's deadline. So only pages that bring little have one together.

    Args:
        transport: asks the service.
        call: names the call in messages.
        path: of the listing.
        keys: the field of a page with the items, and that of an item with its name.
        limit: items that a page may have.
        deadline: of the first page.

    Raises:
        WrongAnswerError: as `every_item`.
        CasfsError: as `Transport.get`.
    """
    key, name = keys
    begun, earned = time.monotonic(), deadline.seconds * TUNING.listing_deadlines

    def page(marker: str | None) -> Page:
        parameters, ending = {"limit": str(limit)}, deadline
        if marker is not None:
            parameters["marker"] = marker
            left = begun + earned - time.monotonic()
            ending = Deadline(max(0.0, min(deadline.seconds, left)))

        def read(answer: requests.Response) -> Page:
            transport.clock.note(answer.headers)
            return read_page(answer, key)

        return transport.get(call, path, read, ending, parameters=parameters)

    for item in every_item(f"{call} {path}", name, page):
        earned += deadline.seconds / limit
        yield item


def every_item(what: str, key: str, page: Callable[[str | None], Page]) -> Iterator[dict[str, Any]]:
    """Yield the items of all pages of a listing, each once.

    Whether a marker names the last item of its page or the first of the next is documented for no
    dialect beyond doubt: an item that was seen is dropped. A listing ends with a page without a
    marker, or with one that came before; a page may well be empty and have a successor.

    Args:
        what: names the listing in messages.
        key: the field that names an item.
        page: marker, or None for the first page -> the page.

    Raises:
        WrongAnswerError: page after page brings nothing, or too much, and no end; or a page has
            entries, and no name in any of them.
    """
    # Of names that may be long only the hashes, which no service can foresee.
    seen: set[int] = set()
    markers: set[int] = set()
    marker: str | None = None
    fruitless = entries = unnamed = size = 0
    while True:
        found = page(marker)
        size += found.size
        news = read = nameless = 0
        for item in found.items:
            read += 1
            name = fields.text(item.get(key)) if isinstance(item, dict) else None
            if name is None:
                nameless += 1
            elif (hashed := hash(name)) not in seen:
                seen.add(hashed)
                news += 1
                yield item
        entries, unnamed = entries + read, unnamed + nameless
        if read and read == nameless:
            raise WrongAnswerError(f"{what}: {read} entries, and no {key}; check --endpoint")
        marker = found.marker
        if marker is None or hash(marker) in markers:
            break
        markers.add(hash(marker))
        fruitless = 0 if news else fruitless + 1
        if fruitless == TUNING.fruitless_pages:
            raise WrongAnswerError(
                f"{what}: {fruitless} pages without anything new, and no end; check --endpoint"
            )
        if entries > TUNING.most_entries or size > TUNING.most_bytes:
            raise WrongAnswerError(
                f"{what}: {entries} entries of {size >> 20} MiB, and no end; check --endpoint"
            )
    if unnamed:
        log.warning("%s: %d entries without %s are left out", what, unnamed, key)
