"""What the kernel caches: attributes that it was sent, and pages of files; it goes by paths.

A name may come to mean another archive at any time. Everyone who has a path open shares the
kernel's size and pages of it, so a path means one archive while it is open; and if the kernel has
another size than a file has now, it is made to look the file up before it opens it. A program that
has no path to look up, as with a file handle of NFS, gets ESTALE then, and only then.
"""

import errno
import os
import threading
from collections import Counter
from collections.abc import Hashable
from typing import NamedTuple

from cachetools import LRUCache

from casfs.client import ArchiveFile, Directory, Node, SmallFile
from casfs.mount.mount_tuning import TUNING
from casfs.ranges import BLOCK_SIZE

_VERSION_BYTES = 4096
_BLOCK_BYTES = 33
"""Bytes that a version takes at most, plus those for each block: it holds the known leaves."""
_UNSHARED = (Directory, SmallFile)
"""What each open gets as it is at that moment."""


class FileStatus(NamedTuple):
    """What the kernel wants to know of a node; size in bytes, mtime in nanoseconds since 1970.

    A listing may leave the size unknown (None); the kernel asks for it when somebody needs it.
    """

    mode: int
    inode: int
    size: int | None
    mtime: int


class StaleError(OSError):
    """The kernel has outdated attributes of a file: it must look the file up and try again.

    It does so by itself on this errno, once, if there is a path to look up.
    """

    def __init__(self) -> None:
        super().__init__(errno.ESTALE, os.strerror(errno.ESTALE))


class SentAttributes:
    """The attributes sent to the kernel of files whose attributes may change.

    Lock order: its one lock is innermost.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open: dict[str, tuple[Node, int]] = {}
        """Archives, and small files whose content the kernel caches."""
        self._opens: Counter[str] = Counter()
        self._last: LRUCache[str, tuple[int | None, int]] = LRUCache(TUNING.remembered_files)

    def open_at(self, path: str) -> Node | None:
        """Return what a path means while it is open, whatever it means now; None if it is not."""
        with self._lock:
            node, _ = self._open.get(path, (None, 0))
        return node

    def note(self, node: Node) -> Node:
        """Note that attributes are sent; return whose: those of what is open at its path."""
        with self._lock:
            node = self._meant(node)
            self._last[node.path] = (node.size, node.mtime)
        return node

    def is_outdated(self, node: Node) -> bool:
        """Return whether the kernel was sent other attributes of a node last."""
        with self._lock:
            return self._last.get(node.path) not in (None, (node.size, node.mtime))

    def opened_small(self, node: SmallFile) -> tuple[SmallFile, bool]:
        """Note that a small file is opened, whose content stays as it is.

        Returns:
            the file, and whether the kernel may cache its content, which programs can then map: it
            has the size that the kernel was sent, and is the same for everyone with such a file.
        """
        with self._lock:
            known, count = self._open.get(node.path, (None, 0))
            size, _ = self._last.get(node.path, (None, 0))
            if isinstance(known, SmallFile):
                if known.content() != node.content():
                    return node, False
                node = known
            elif size != node.size:
                return node, False
            self._open[node.path] = (node, count + 1)
        return node, True

    def opened(self, node: Node) -> tuple[Node, bool]:
        """Note that a file is opened.

        Returns:
            which file: the archive already open at its path, if any; and whether it is not
            remembered which attributes the kernel has, so that it must drop them. While the file
            is open, the kernel has the right ones: to drop its pages would wait for their readers.

        Raises:
            StaleError: the kernel was sent other attributes last.
        """
        if not _is_shared(node):
            return node, False
        with self._lock:
            node = self._meant(node)
            last = self._last.get(node.path)
            if last is not None and last != (node.size, node.mtime):
                raise StaleError
            is_forgotten = last is None and node.path not in self._opens
            self._opens[node.path] += 1
            self._last[node.path] = (node.size, node.mtime)
            if isinstance(node, ArchiveFile):
                _, count = self._open.get(node.path, (node, 0))
                self._open[node.path] = (node, count + 1)
        return node, is_forgotten

    def closed(self, node: Node) -> None:
        """Note that a file that `opened` or `opened_small` returned is closed."""
        with self._lock:
            if _is_shared(node):
                self._opens[node.path] -= 1
                if not self._opens[node.path]:
                    del self._opens[node.path]
            known, count = self._open.get(node.path, (None, 0))
            # A small file that the kernel does not cache may be open beside one that it does.
            if known is not node:
                return
            if count > 1:
                self._open[node.path] = (node, count - 1)
            else:
                del self._open[node.path]

    def _meant(self, node: Node) -> Node:
        """Return what is open at a node's path, else the node."""
        return self._open.get(node.path, (node, 0))[0]


def _is_shared(node: Node) -> bool:
    """Return whether everyone who has a file open shares what the kernel caches of it."""
    return not isinstance(node, _UNSHARED)


class CachedPages:
    """The versions of files whose pages the kernel may have.

    Lock order: its one lock is innermost.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open: dict[str, list[Hashable]] = {}
        self._known: LRUCache[str, tuple[Hashable, int]] = LRUCache(
            TUNING.versions_bytes, lambda item: item[1]
        )

    def opened(self, path: str, version: Hashable, size: int) -> bool:
        """Note that a file of `size` bytes is opened.

        Returns:
            whether all pages that the kernel may have are of this version; else it must drop them.
        """
        with self._lock:
            open_now = self._open.setdefault(path, [])
            open_now.append(version)
            if any(other != version for other in open_now):
                # A reader of another version may bring its pages back after they were dropped.
                self._known.pop(path, None)
                return False
            known, _ = self._known.get(path, (None, 0))
            cost = _VERSION_BYTES + _BLOCK_BYTES * (size // BLOCK_SIZE + 1)
            self._known[path] = (version, min(cost, TUNING.versions_bytes))
            return known == version

    def closed(self, path: str, version: Hashable) -> None:
        """Note that an opened file is closed."""
        with self._lock:
            open_now = self._open[path]
            open_now.remove(version)
            if not open_now:
                del self._open[path]
