"""Blocks of an output that are cached in another place than its own.

What is cached of the output of one job is also of the archive that several jobs bring together, and
what is cached of an archive is also of the file to which it is restored.
"""

import logging

from casfs.blocks.disk.block_store import BlockStore, Stored
from casfs.blocks.disk.output_store import OutputStore
from casfs.reasons import reason

log = logging.getLogger(__name__)


class CachedElsewhere:
    """Blocks of an output that are cached in another place than its own.

    They are numbered as in the output that is being read.

    Args:
        store: has them.
        run: blocks of the output that the store is for.

    Attributes:
        store: has them.
    """

    def __init__(self, store: OutputStore, run: range) -> None:
        self.store = store
        self._run = run

    def holds(self, block: int) -> bool:
        """Return whether a block seems to be there, without reading it."""
        if block not in self._run or self._is_wrong():
            return False
        return self.store.holds(block - self._run.start)

    def has(self, block: int) -> bool:
        """Return what `holds` does, if that can be found out.

        Raises:
            OSError: it cannot.
        """
        if block not in self._run or self._is_wrong():
            return False
        return self.store.has(block - self._run.start)

    def may_hold(self, run: range) -> bool:
        """Return whether there may be something of a run, without a look at each block.

        Raises:
            OSError: that cannot be found out.
        """
        first, stop = max(run.start, self._run.start), min(run.stop, self._run.stop)
        start = self._run.start
        return first < stop and self.store.may_hold(range(first - start, stop - start))

    def load(self, block: int) -> Stored | None:
        """Return a block that is there, else None.

        One that is provisional there is none yet: here, nobody would take it back.
        """
        if block not in self._run or self._is_wrong():
            return None
        number = block - self._run.start
        stored = self.store.load(number)
        # Last: it may have been taken back meanwhile, but does not become provisional again.
        return stored if self.store.leaves.doubts.settled(number) else None

    def share(self, block: int, data: memoryview, other: BlockStore) -> None:
        """Put a block that was loaded into another store as well: linked, or written."""
        try:
            other.share(block, data, self.store.path(block - self._run.start))
        except OSError as error:
            # Nobody needs it there yet: it may be found here again.
            log.info("cannot take over block %d: %s", block, reason(error))

    def refuse(self, message: str, everything: bool) -> None:
        """Invalidate what is there, if a block of it may be what is wrong.

        It would be taken from here again and again.

        Args:
            message: what was found to be wrong.
            everything: that may be any block, and not only one that nothing vouches for.
        """
        leaves = self.store.leaves
        if everything or leaves.unchecked():
            doubtful = leaves.known() if everything else []
            self.store.invalidate(message, leaves.generation, doubtful)

    def _is_wrong(self) -> bool:
        return self.store.leaves.wrong_for_good()
