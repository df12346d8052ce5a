"""Writes blocks to the file of a restore before readers have them.

It takes the place of `disk/write_behind.py`: a restore needs each block on disk, so none may be
dropped where the disk is slow, and a full disk is an error.
"""

import logging
from collections.abc import Hashable, Iterable, Mapping

from casfs.blocks.block import Block, Key
from casfs.blocks.disk.part_store import PartStore
from casfs.blocks.disk.write_behind import BlockSink, WriteBehind
from casfs.blocks.open_output import OpenOutput
from casfs.blocks.verify import LeafVerdict, Trust
from casfs.reasons import reason

log = logging.getLogger(__name__)

_EVERYTHING = 1 << 60
"""Bytes; whatever was written stays."""


class WriteThrough:
    """Writes blocks in the threads that bring them.

    Args:
        keep: the writer of the cache, which counts what is written there; None to keep nothing
            there.

    Attributes:
        unwritten: nothing, ever: no block waits.
    """

    def __init__(self, keep: WriteBehind | None) -> None:
        self._keep = keep
        self.unwritten: Mapping[Key, memoryview] = {}

    def save(
        self, sink: BlockSink, output: Hashable, blocks: Iterable[tuple[int, memoryview]]
    ) -> None:
        """Write blocks of an output.

        Raises:
            DestinationError: they cannot be written.
        """
        del output
        for block, data in blocks:
            try:
                sink.write(block, data)
            except OSError as error:
                raise _explained(sink, error) from error
            if self._keep is not None:
                self._keep_block(sink, block, data, self._keep)

    def added(self, size: int) -> None:
        """Do nothing: what is restored is not part of the cache."""

    def lasting(self) -> int:
        """Return the bytes that can be relied on to stay: all."""
        return _EVERYTHING

    def wait_for_room(self) -> None:
        """Do nothing: there is no queue."""

    def close(self, seconds: float) -> None:
        """Do nothing: everything is written."""

    def _keep_block(
        self, sink: BlockSink, block: int, data: memoryview, writer: WriteBehind
    ) -> None:
        store = _part_of(sink)
        leaf = None if store is None else store.leaves.leaf(block)
        if store is None or leaf is None or store.cached.holds(block):
            return
        cached = store.cached
        try:
            # A record says no more than that of a block; that the whole is right is found anew.
            trust = min(store.leaves.trust(block), Trust.CHECKED)
            known = [Block(block, data, leaf, trust)]
            if cached.leaves.put(known).verdict is LeafVerdict.GOOD:
                cached.leaves.flush()
                cached.write(block, data)
                writer.added(len(data))
        except OSError as error:
            log.warning("block %d is not kept in the cache: %s", block, reason(error))


def _part_of(sink: BlockSink) -> PartStore | None:
    store = sink.store if isinstance(sink, OpenOutput) else sink
    return store if isinstance(store, PartStore) else None


def _explained(sink: BlockSink, error: OSError) -> OSError:
    store = _part_of(sink)
    return error if store is None else store.place.error(error)
