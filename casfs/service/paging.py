"""Listings to their end, whatever a marker of the service means."""

import logging
from collections.abc import Callable, Iterator
from typing import Any

from casfs.errors import WrongAnswerError
from casfs.service import fields

log = logging.getLogger(__name__)

_FRUITLESS_PAGES = 100
"""Pages in a row without anything new after which a listing is taken to be endless."""


def every_item(
    what: str, key: str, page: Callable[[str | None], tuple[list[Any], str | None]]
) -> Iterator[dict[str, Any]]:
    """Yield the items of all pages of a listing, each once.

    Whether a marker names the last item of its page or the first of the next is documented for no
    dialect beyond doubt: an item that was seen is dropped. A listing ends with a page without a
    marker, or with one that came before; a page may well be empty and have a successor.

    Args:
        what: names the listing in messages.
        key: the field that names an item.
        page: marker, or None for the first page -> its items, and the marker of the next or None.

    Raises:
        WrongAnswerError: page after page brings nothing, and no end.
    """
    seen: set[str] = set()
    markers: set[str | None] = {None}
    marker: str | None = None
    fruitless = 0
    while True:
        items, marker = page(marker)
        news = 0
        for item in items:
            name = fields.text(item.get(key)) if isinstance(item, dict) else None
            if name is None:
                log.warning("%s: an entry without %s is left out", what, key)
            elif name not in seen:
                seen.add(name)
                news += 1
                yield item
        if marker in markers:
            return
        markers.add(marker)
        fruitless = 0 if news else fruitless + 1
        if fruitless == _FRUITLESS_PAGES:
            raise WrongAnswerError(
                f"{what}: {fruitless} pages without anything new, and no end; check --endpoint"
            )
