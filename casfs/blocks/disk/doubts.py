"""What came in one piece that has not ended: it is provisional, and doubted once that broke off."""

from collections.abc import Iterator
from contextlib import contextmanager

from casfs.blocks.disk.leaf_pages import DOUBTED, TRUST, UNSAVED
from casfs.blocks.disk.leaf_state import LeafState
from casfs.blocks.disk.provisional import Transfer, Transfers


class Doubts:
    """The doubts about blocks of one output, and the transfers that may end them.

    Args:
        state: of the output's leaves.
    """

    def __init__(self, state: LeafState) -> None:
        self._state = state
        self._transfers = Transfers()

    @contextmanager
    def transfer(self, run: range, generation: int) -> Iterator[Transfer]:
        """Expect that a run comes in one piece, or comes again that way, while inside."""
        transfer = Transfer(run, generation)
        with self._state.lock:
            self._transfers.add(transfer)
        try:
            yield transfer
        finally:
            with self._state.lock:
                self._transfers.remove(transfer)

    def keep(self, transfer: Transfer) -> None:
        """Write the leaves to the file that were left out there, since a transfer has ended well.

        Those that others brought are among them: it brought the same.
        """
        with self._state.lock:
            if transfer.generation != self._state.generation:
                return
            self._state.file.queue(self._state.pages.take_unsaved(transfer.run))
        self._state.file.flush()

    def doubt(self, transfer: Transfer) -> list[int]:
        """Trust nothing any more that a transfer alone brought, and that was not to be kept yet.

        The blocks, which are returned, may have been delivered. They are doubted until the same
        bytes have come again.
        """
        with self._state.lock:
            brought = transfer.take_back()
            if transfer.generation != self._state.generation:
                return []
            others = self._transfers.others(transfer)
            blocks = [
                block
                for block in self._state.pages.with_mark(UNSAVED, brought)
                if not any(block in other for other in others)
            ]
            for block in blocks:
                self._state.pages.set(block, DOUBTED)
            self._state.note_change(blocks)
        return blocks

    def settled(self, block: int) -> bool:
        """Return whether a block is known, and nothing is to come that may show it to be wrong."""
        state = self._state.pages.state(block)
        return bool(state & TRUST) and not state & UNSAVED

    def doubted(self, run: range | None = None) -> bool:
        """Return whether a block, of a run or at all, is doubted."""
        if not self._state.pages.doubted or run is None:
            return bool(self._state.pages.doubted)
        with self._state.lock:
            return bool(self._state.pages.with_mark(DOUBTED, run))

    def wait(self, generation: int, seconds: float) -> bool:
        """Wait until no block is doubted, or the generation has ended.

        Returns:
            False if one still is after these seconds.
        """

        def settled() -> bool:
            return not self._state.pages.doubted or self._state.generation != generation

        with self._state.settled:
            return self._state.settled.wait_for(settled, seconds)

    def give_up(self, run: range, generation: int, message: str) -> list[int] | None:
        """End a generation if a block of a run is doubted, and nothing brings it again.

        Returns:
            the blocks that were forgotten, None if that is not so.
        """
        with self._state.lock:
            if (
                self._state.generation != generation
                or not self._state.pages.with_mark(DOUBTED, run)
                or self._transfers.expected(run, generation)
            ):
                return None
            blocks = self._state.end(message, [])
        self._state.file.flush()
        return blocks
