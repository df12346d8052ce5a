"""Index arithmetic of blocks, runs and subtrees: pure, no I/O.

A block is a numbered 1 MiB piece of an output; a run is a `range(a, b)` of consecutive blocks; a
subtree is a run whose tree hash is a node of the archive's hash tree. For an archive of N leaves
these are exactly the runs [i * 2^k, min((i + 1) * 2^k, N)) (Amazon Glacier Developer Guide,
"Tree-hash aligned"; Tencent CAS documentation, "Checksums").
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from casfs.treehash import LEAF_SIZE

BLOCK_SIZE = LEAF_SIZE
"""Bytes of every block but the last: a block is a leaf, so one hash serves both."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Where the blocks of an output are, in the output and in the archive's hash tree.

    Attributes:
        size: bytes of the output.
        first_leaf: the leaf of the archive that is block 0, or None if blocks are not leaves
            (an inventory, or a retrieval range that does not start on a leaf).
        archive_leaves: leaves of the whole archive; meaningless if `first_leaf` is None.
    """

    size: int
    first_leaf: int | None = 0
    archive_leaves: int = 0

    @property
    def blocks(self) -> int:
        """Number of blocks."""
        return -(-self.size // BLOCK_SIZE)

    def length(self, block: int) -> int:
        """Return the length of a block in bytes."""
        return min(BLOCK_SIZE, self.size - block * BLOCK_SIZE)

    def span(self, run: range) -> tuple[int, int]:
        """Return the offsets of the first byte of a run and of the byte after its last."""
        return run.start * BLOCK_SIZE, min(run.stop * BLOCK_SIZE, self.size)

    def touched(self, offset: int, size: int) -> range:
        """Return the blocks that hold `size` bytes from `offset`, clipped at the output's end."""
        end = min(offset + size, self.size)
        if offset >= end:
            return range(0)
        return range(offset // BLOCK_SIZE, -(-end // BLOCK_SIZE))

    def split(self, run: range, limit: int) -> Iterator[range]:
        """Split a run into subtrees of at most `limit` blocks, each the largest that fits.

        Runs are blocks of the output, while alignment is relative to the archive: 3-8 of an archive
        of 20 leaves is 3 | 4-7 | 8. If blocks are not leaves, split at multiples of the limit.
        """
        leaf = self.first_leaf
        start = run.start
        while start < run.stop:
            if leaf is None:
                stop = min(run.stop, (start // limit + 1) * limit)
            else:
                left = range(start + leaf, run.stop + leaf)
                stop = _largest_subtree(left, limit, self.archive_leaves) - leaf
            yield range(start, stop)
            start = stop


def _largest_subtree(run: range, limit: int, leaves: int) -> int:
    """Return the end of the largest subtree that starts where `run` starts and lies inside it."""
    best, width = run.start + 1, 1
    while run.start % (2 * width) == 0 and 2 * width <= limit:
        width *= 2
        stop = min(run.start + width, leaves)
        if stop > run.stop:
            break
        best = stop
        if stop == leaves:
            break
    return best


def runs(blocks: Iterable[int]) -> Iterator[range]:
    """Group ascending block numbers into runs."""
    start = stop = None
    for block in blocks:
        if start is None or stop is None:
            start = block
        elif block != stop:
            yield range(start, stop)
            start = block
        stop = block + 1
    if start is not None and stop is not None:
        yield range(start, stop)
