"""The blocks in memory, and which of them leave first when there is no room."""

from collections.abc import Hashable

from cachetools import FIFOCache

from casfs.blocks.block_tuning import TUNING
from casfs.ranges import BLOCK_SIZE

Key = tuple[Hashable, int]
"""Key of an open output and number of a block."""


class ResidentBlocks(FIFOCache[Key, memoryview]):
    """Blocks in memory. Those that were read to their end leave first, then those that came first.

    A block that leaves before it is read must be read from disk and hashed again. One that was
    read is in the kernel's page cache, so nobody is likely to ask for it here. But the kernel may
    ask for the parts of a block in any order, so the last few that were read stay.

    Args:
        size: bytes that it holds at most; at least one block.
    """

    def __init__(self, size: int) -> None:
        super().__init__(max(size, BLOCK_SIZE), _size_in_memory)
        self._read: dict[Key, None] = {}
        self._stay = int(self.maxsize) // BLOCK_SIZE // TUNING.stay

    def note_read(self, key: Key) -> None:
        """Note that a block was read to its end, if it is here."""
        if key in self:
            self._read[key] = None

    def popitem(self) -> tuple[Key, memoryview]:
        """Remove the block that is to leave first, and return it with its key."""
        if len(self._read) <= self._stay:
            return super().popitem()
        key = next(iter(self._read))
        return key, self.pop(key)

    def __delitem__(self, key: Key) -> None:
        """Remove a block."""
        super().__delitem__(key)
        self._read.pop(key, None)


def _size_in_memory(data: memoryview) -> int:
    return min(len(data) + TUNING.end_bytes, BLOCK_SIZE)
