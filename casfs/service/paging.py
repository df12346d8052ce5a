"""Listings to their end, whatever a marker of the service means."""

import logging
from collections.abc import Callable, Iterator
from typing import Any

from casfs.service import fields

log = logging.getLogger(__name__)


def every_item(
    what: str, key: str, page: Callable[[str | None], tuple[list[Any], str | None]]
) -> Iterator[dict[str, Any]]:
    """Yield the items of all pages of a listing, each once.

    Whether a marker names the last item of its page or the first of the next is documented for no
    dialect beyond doubt: an item that was seen is dropped, and a page that brings nothing new ends
    the listing.

    Args:
        what: names the listing in messages.
        key: the field that names an item.
        page: marker, or None for the first page -> its items, and the marker of the next or None.
    """
    seen: set[str] = set()
    marker: str | None = None
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
        if marker is None or not news:
            return
