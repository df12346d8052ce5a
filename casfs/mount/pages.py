"""Which bytes the kernel's pages of a file are of: it may keep them only while they stay true."""

import threading
from collections.abc import Hashable

from cachetools import LRUCache

from casfs.ranges import BLOCK_SIZE

_BYTES = 16 << 20
"""Bytes that all editions may take together. A file that is forgotten costs its pages, and nothing
else."""
_EDITION_BYTES = 4096
_BLOCK_BYTES = 33
"""Bytes that an edition takes, at most, and each block of it besides: it holds what is known of its
leaves."""


class Pages:
    """The editions of files whose pages the kernel may have.

    Lock order: its one lock is innermost.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open: dict[str, list[Hashable]] = {}
        self._known: LRUCache[str, tuple[Hashable, int]] = LRUCache(_BYTES, lambda item: item[1])

    def opened(self, path: str, edition: Hashable, size: int) -> bool:
        """Note that a file of `size` bytes is opened.

        Returns:
            whether all that the kernel may have of it is of this edition; else it must drop it.
        """
        with self._lock:
            open_now = self._open.setdefault(path, [])
            open_now.append(edition)
            if any(other != edition for other in open_now):
                # Who still reads another edition may bring its pages after they were dropped.
                self._known.pop(path, None)
                return False
            known, _ = self._known.get(path, (None, 0))
            cost = _EDITION_BYTES + _BLOCK_BYTES * (size // BLOCK_SIZE + 1)
            self._known[path] = (edition, min(cost, _BYTES))
            return known == edition

    def closed(self, path: str, edition: Hashable) -> None:
        """Note that a file is closed that was opened."""
        with self._lock:
            open_now = self._open[path]
            open_now.remove(edition)
            if not open_now:
                del self._open[path]
