"""Open directories: the entries of each as they were when somebody began to read it."""

import contextlib
import itertools
from collections.abc import Callable
from dataclasses import dataclass

from casfs.client import Client, Node
from casfs.errors import CasfsError
from casfs.mount.kernel_cache import FileStatus, SentAttributes

Emit = Callable[[str, FileStatus | None, int], bool]
"""Takes an entry's name, status, and the offset after it; returns False to stop."""


@dataclass
class _OpenDirectory:
    """An open directory: its entries, and whether somebody has begun to read them."""

    path: str
    nodes: list[Node]
    is_read: bool = False


class OpenDirectories:
    """The directories that programs have open.

    Args:
        client: lists them.
        sent: notes the attributes that come with a listing.
        status: returns the status of an entry.
    """

    def __init__(
        self, client: Client, sent: SentAttributes, status: Callable[[Node], FileStatus]
    ) -> None:
        self._client = client
        self._sent = sent
        self._status = status
        self._open: dict[int, _OpenDirectory] = {}
        self._handles = itertools.count(1)

    def open(self, path: str, invalidate: Callable[[str], object] | None) -> int:
        """List a directory; return a handle.

        Args:
            path: of the directory.
            invalidate: makes the kernel drop what it has of a path; None if the library cannot.
        """
        directory = _OpenDirectory(path, self._client.list(path))
        handle = next(self._handles)
        self._open[handle] = directory
        if invalidate is not None:
            self._drop_time(path, invalidate)
        return handle

    def _drop_time(self, path: str, invalidate: Callable[[str], object]) -> None:
        """Make the kernel ask for the time of a directory, and of those above, if it changed.

        Listing a directory may find what is newer than everything that was known in it.
        """
        # It may be gone meanwhile, and its time is not what was asked for.
        with contextlib.suppress(CasfsError):
            if self._sent.is_outdated(self._client.stat(path)):
                while path != "/":
                    invalidate(path)
                    path = path.rpartition("/")[0] or "/"
                invalidate(path)

    def close(self, handle: int) -> None:
        """Close a directory."""
        del self._open[handle]

    def read(self, handle: int, emit: Emit, start: int, plus: bool) -> None:
        """Emit entries until `emit` has enough.

        Whoever begins again, as with rewinddir(3), gets the entries of that moment.

        Args:
            handle: the open directory.
            emit: takes an entry.
            start: the offset to begin at: 0, or one that was emitted.
            plus: whether the kernel caches the status of an entry, if its size is known.
        """
        directory = self._open[handle]
        if start == 0 and directory.is_read:
            directory.nodes = self._client.list(directory.path)
        directory.is_read = True
        nodes = directory.nodes
        for place, name in enumerate((".", "..")[start:], start):
            if not emit(name, None, place + 1):
                return
        for place in range(max(start, 2), len(nodes) + 2):
            node = nodes[place - 2]
            if plus and node.size is not None:
                node = self._sent.note(node)
            name = node.path[node.path.rfind("/") + 1 :]
            if not emit(name, self._status(node), place + 1):
                return
