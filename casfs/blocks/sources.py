"""A job that an output is read from, and what is cached of the job's own output.

An archive that several jobs bring together has blocks of its own on disk, and beside them those
that were cached when the output of one of the jobs was read by itself. The latter are still there
when that job has expired.
"""

import logging

from casfs.blocks.disk.block_store import BlockStore, Stored
from casfs.blocks.disk.store import OutputStores
from casfs.blocks.whole_body.shared import SharedTransfer
from casfs.model import JobSlice, Output
from casfs.reasons import reason

log = logging.getLogger(__name__)


class OpenSource:
    """A source of an output that is being read; blocks are numbered as in that output.

    Attributes:
        shared: the transfer of the job's whole output, where the server ignores ranges.
        run: the job's own blocks.
        is_cached_apart: blocks of the job's own output have a place of their own on disk.
    """

    def __init__(self, output: Output, source: JobSlice, disk: OutputStores) -> None:
        self.shared = SharedTransfer()
        self.run = range(source.begin, source.run.stop)
        self._begin = source.begin
        self._store = disk.source_store(output, source)
        self.is_cached_apart = self._store is not None

    def holds(self, block: int) -> bool:
        """Return whether a block seems to be cached for the job's own output; do not read it."""
        store = self._right_store()
        return store is not None and store.holds(block - self._begin)

    def doubted(self, store: BlockStore) -> bool:
        """Return whether what a transfer brought was taken back, and has not come again."""
        return store.leaves.doubts.doubted(self.run)

    def load(self, block: int) -> Stored | None:
        """Return a block that was cached for the job's own output, else None.

        One that is provisional there is none yet: here, nobody would take it back.
        """
        store = self._right_store()
        if store is None:
            return None
        number = block - self._begin
        stored = store.load(number)
        # Last: it may have been taken back meanwhile, but does not become provisional again.
        return stored if store.leaves.doubts.settled(number) else None

    def share(self, block: int, store: BlockStore) -> None:
        """Link a block cached here into another store as well, without copying it."""
        if self._store is None:
            return
        try:
            store.share(block, self._store.path(block - self._begin))
        except OSError as error:
            # It is found here again.
            log.info("cannot link block %d: %s", block, reason(error))

    def refuse(self, message: str, everything: bool) -> None:
        """Invalidate the job's own output, if a block cached here may be what is wrong.

        It would be taken from here again and again.

        Args:
            message: what was found to be wrong.
            everything: that may be any block, and not only one that nothing vouches for.
        """
        store = self._store
        if store is not None and (everything or store.leaves.unchecked()):
            doubtful = store.leaves.known() if everything else []
            store.invalidate(message, store.leaves.generation, doubtful)

    def _right_store(self) -> BlockStore | None:
        """Return what is cached of the job's own output, unless that is known to be wrong."""
        store = self._store
        return None if store is None or store.leaves.wrong_for_good() else store
