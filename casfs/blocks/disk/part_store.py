"""The blocks of one output in one file, each at its place, until that file gets its name.

The bytes are not synced before the end, and the leaves never: after a crash, a block counts only if
it hashes to its leaf, as in the cache.
"""

import logging
import os
from pathlib import Path

from casfs.blocks.buffers import Buffers
from casfs.blocks.disk.block_store import BlockStore, Stored
from casfs.blocks.disk.held import Held
from casfs.blocks.disk.leaf_index import LeafIndex
from casfs.blocks.disk.part_file import PartFile
from casfs.blocks.disk.part_place import PartPlace
from casfs.blocks.verify import Trust, Verifier
from casfs.metrics import Metrics
from casfs.ranges import BLOCK_SIZE, Layout
from casfs.reasons import reason

log = logging.getLogger(__name__)

_FOUND, _FETCHED, _COPIED = 1, 2, 3


class _NoReaders:
    """Nobody removes the file of a restore for want of room, so nobody needs to be told."""

    def begin(self) -> None:
        """Do nothing."""

    def end(self) -> None:
        """Do nothing."""


class PartStore(BlockStore):
    """The blocks of one output in one file.

    Args:
        place: where the file and its leaves are.
        layout: places and sizes of the blocks.
        verifier: hashes and compares blocks.
        memory: buffers for what is read.
        metrics: counts what was found rotten.
        cached: the same output in the cache; what must wait to be verified waits there.

    Attributes:
        place: where the file and its leaves are.
        cached: the same output in the cache.
        file: the file; it stays open as long as this object is used.

    Raises:
        DestinationError: somebody else has put something in its place.
        OSError: the file cannot be made.
    """

    def __init__(
        self,
        place: PartPlace,
        layout: Layout,
        verifier: Verifier,
        memory: Buffers,
        metrics: Metrics,
        cached: BlockStore,
    ) -> None:
        self.place = place
        self.cached = cached
        self.staging = cached.staging
        self.use = _NoReaders()
        self._layout = layout
        self._verifier = verifier
        self._memory = memory
        self._metrics = metrics
        self.file = PartFile(place.open_data(), layout)
        self.leaves = LeafIndex(place.leaves, layout, verifier, place)
        self._there = bytearray(layout.blocks)
        """1 for each block that is there."""
        self._origins = bytearray(layout.blocks)
        """Whether a block was `_FOUND` when this was opened, or was `_FETCHED`, or `_COPIED` from
        the cache, since then; also where it could not be written, or is to be written again."""
        self._take_stock()

    def holds(self, block: int) -> bool:
        """Return whether a block seems to be there, without reading it."""
        return bool(self._there[block]) and self.leaves.trust(block) is not Trust.UNKNOWN

    def missing(self) -> int:
        """Return how many bytes are not there yet."""
        lengths = (self._layout.length(n) for n, there in enumerate(self._there) if not there)
        return sum(lengths)

    def fetched(self) -> int:
        """Return how many bytes came from the service since this was opened."""
        return self._bytes_of(_FETCHED)

    def copied(self) -> int:
        """Return how many bytes were copied from the cache since this was opened."""
        return self._bytes_of(_COPIED)

    def load(self, block: int) -> Stored | None:
        """Return a block whose bytes hash to its leaf, and what is known of it, else None."""
        leaf = self.leaves.leaf(block)
        if leaf is None or not self._there[block]:
            return None
        data = self._memory.take(self._layout.length(block))
        try:
            whole = self.file.read(block, data)
        except OSError as error:
            log.warning("cannot read %s, fetching it again: %s", self.place.shown, reason(error))
            return None
        if whole and self._verifier.is_block(data, leaf):
            trust = self.leaves.confirm(block, leaf)
            return Stored(data, leaf, trust) if trust else None
        self._metrics.rotten_blocks.inc()
        log.warning("block %d of %s is corrupt, fetching it again", block, self.place.shown)
        self.remove(block)
        return None

    def write(self, block: int, data: memoryview, generation: int | None = None) -> None:
        """Write a block that came from the service to its place; see `BlockStore.write`."""
        if generation not in (None, self.leaves.generation):
            return
        self._put(block, data, _FETCHED)

    def share(self, block: int, data: memoryview, path: Path) -> None:
        """Write a block that came from the cache to its place."""
        del path
        self._put(block, data, _COPIED)

    def write_again(self, block: int, data: memoryview) -> None:
        """Write a block that is not there, though it was brought: it counts as what it was.

        Raises:
            OSError: as `write`.
        """
        self._put(block, data, self._origins[block] or _FETCHED)

    def stage_somewhere(self, data: memoryview) -> Path | Held:
        """Store bytes of which nobody knows yet whether they are right: in the cache directory."""
        return self.cached.stage_somewhere(data)

    def read_staged(self, block: int, staged: Path | Held) -> memoryview | None:
        """Return the bytes of a staged block, None if they are not as many as the block's."""
        return self.cached.read_staged(block, staged)

    def remove(self, block: int) -> None:
        """Forget that a block is there."""
        self._there[block] = 0

    def cached_bytes(self) -> int:
        """Return the bytes of the blocks that are there."""
        return self._layout.size - self.missing()

    def _put(self, block: int, data: memoryview, origin: int) -> None:
        self._origins[block] = origin
        self.file.write(block, data)
        self._there[block] = 1

    def _bytes_of(self, origin: int) -> int:
        blocks = (n for n, one in enumerate(self._origins) if one == origin and self._there[n])
        return sum(map(self._layout.length, blocks))

    def _take_stock(self) -> None:
        size = os.fstat(self.file.descriptor).st_size
        if size > self._layout.size:
            os.ftruncate(self.file.descriptor, self._layout.size)
        for block in self.leaves.known():
            if block * BLOCK_SIZE + self._layout.length(block) <= size:
                self._there[block] = 1
                self._origins[block] = _FOUND
