"""Page-aligned memory for blocks, used again as soon as nobody looks at it any more.

Blocks are received, hashed, written to disk and handed to the kernel from one and the same place,
without a copy. Pages that were used before cost nothing, new ones must be cleared by the kernel;
and the disk takes blocks straight from memory only where they begin on a page.
"""

import collections
import contextlib
import ctypes
import mmap

from casfs.blocks.block_tuning import TUNING
from casfs.ranges import BLOCK_SIZE

_Place = tuple[mmap.mmap, int]


class _Slot(ctypes.c_char * BLOCK_SIZE):  # type: ignore[misc]
    """The memory of one block. Every view of it keeps it alive; then its place is free again."""

    place: _Place
    free: "collections.deque[_Place]"

    def __del__(self) -> None:
        self.free.append(self.place)


class Buffers:
    """Buffers for the blocks of one client; grows to what is in use at the same time."""

    def __init__(self) -> None:
        # Appending to and popping from a deque needs no lock.
        self._free: collections.deque[_Place] = collections.deque()

    def take(self, length: int) -> memoryview:
        """Return writable memory for a block; a whole block's begins on a page.

        Args:
            length: bytes, at most `BLOCK_SIZE`.
        """
        if length < BLOCK_SIZE:
            # A short block may be tiny, and must not occupy the memory of a whole one.
            return memoryview(bytearray(length))
        try:
            region, start = self._free.pop()
        except IndexError:
            region, start = self._grow()
        slot = _Slot.from_buffer(region, start)
        slot.place = (region, start)
        slot.free = self._free
        return memoryview(slot).cast("B")

    def _grow(self) -> _Place:
        private = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
        region = mmap.mmap(-1, TUNING.region_blocks * BLOCK_SIZE, private)
        # Not every kernel has large pages; without, each block costs 256 page faults once.
        with contextlib.suppress(OSError):
            region.madvise(mmap.MADV_HUGEPAGE)
        self._free.extend((region, block * BLOCK_SIZE) for block in range(1, TUNING.region_blocks))
        return region, 0
