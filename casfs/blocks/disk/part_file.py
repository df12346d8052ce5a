"""The bytes of a file that is being restored, written and read past the page cache if possible.

What is read past the page cache is what the disk has: the kernel writes what is dirty first. So
such blocks need not be synced to be read back, and nothing is copied on the way. The last block of
a file, which may end anywhere, goes through the page cache, and so do small files.
"""

import contextlib
import ctypes
import errno
import os
from collections.abc import Callable

from casfs.ranges import BLOCK_SIZE, Layout

_KEEP_SIZE = 1
"""FALLOC_FL_KEEP_SIZE of fallocate(2)."""
_SPARE = 64 << 20
"""Bytes of the disk that are left when space is allocated ahead."""
_fallocate = getattr(ctypes.CDLL(None, use_errno=True), "fallocate64", None)
"""None where the C library has none; `os.posix_fallocate` would write to every page instead."""


class PartFile:
    """A file that is open for reading and writing; closed when nobody uses it.

    Args:
        descriptor: of the file, which this closes.
        layout: of what is written to it.

    Attributes:
        descriptor: of the file, through the page cache.
        is_direct: whole blocks are read past the page cache.
    """

    def __init__(self, descriptor: int, layout: Layout) -> None:
        self.descriptor = descriptor
        self._layout = layout
        self._past_cache: int | None = None
        if layout.blocks > 1:
            # Through /proc it is this very file, whatever has its name by now.
            with contextlib.suppress(OSError):
                flags = os.O_RDWR | os.O_DIRECT | os.O_CLOEXEC
                self._past_cache = os.open(f"/proc/self/fd/{descriptor}", flags)
            self._allocate()
        self.is_direct = self._past_cache is not None

    def __del__(self) -> None:
        os.close(self.descriptor)
        if self._past_cache is not None:
            os.close(self._past_cache)

    def write(self, block: int, data: memoryview) -> None:
        """Write a block to its place.

        Raises:
            OSError: it cannot be written.
        """
        self._move(os.pwrite, block, data)

    def read(self, block: int, data: memoryview) -> bool:
        """Fill memory with a block, wherever it is; return False if the file is shorter.

        Raises:
            OSError: it cannot be read.
        """
        return self._move(lambda file, view, at: os.preadv(file, [view], at), block, data)

    def sync(self, run: range, sync: Callable[[int], None]) -> None:
        """Bring the file to disk, and have the page cache forget a run of blocks.

        Raises:
            OSError: the disk fails.
        """
        first, stop = self._layout.span(run)
        sync(self.descriptor)
        os.posix_fadvise(self.descriptor, first, stop - first, os.POSIX_FADV_DONTNEED)

    def _move(
        self, move: Callable[[int, memoryview, int], int], block: int, data: memoryview
    ) -> bool:
        """Write or read a block; return False where the file ends before it does."""
        done, start = 0, block * BLOCK_SIZE
        whole = self.is_direct and len(data) == BLOCK_SIZE
        file = self._past_cache if whole and self._past_cache is not None else self.descriptor
        while done < len(data):
            try:
                moved = move(file, data[done:], start + done)
            except OSError as error:
                if error.errno != errno.EINVAL or file == self.descriptor:
                    raise
                # Memory, or a file system that refuses only now, does not suit.
                self.is_direct = False
                file = self.descriptor
                continue
            if not moved:
                return False
            done += moved
        return True

    def _allocate(self) -> None:
        """Allocate the space of the whole file ahead: its blocks come in any order.

        Space is not taken where too little would be left, or the file system knows no such thing.
        """
        disk = os.fstatvfs(self.descriptor)
        if _fallocate is None or disk.f_bavail * disk.f_frsize < self._layout.size + _SPARE:
            return
        whole = ctypes.c_int64(self._layout.size)
        _fallocate(self.descriptor, _KEEP_SIZE, ctypes.c_int64(0), whole)
