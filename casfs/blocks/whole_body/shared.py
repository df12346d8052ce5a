"""The one transfer of a job's whole output that all its readers share.

A transfer brings all blocks in order, whether or not somebody reads them. Those that memory and
cache drop before they are read cost another transfer. So it goes on while a run that was left to it
is in flight, which readers keep within their share of the memory, or while the cache can hold what
it delivers ahead of them; else it waits. A run that lies behind it is no reason to break off: it
goes on to the end, since readers far apart would otherwise break off each other's transfers for
ever.
"""

import threading
from functools import partial

from casfs.blocks.idle_transfer import IdleTransferError
from casfs.deadline import Deadline


class SharedTransfer:
    """Whether an output is being transferred as a whole, for whom, and how far they have read.

    Lock order: its one lock is innermost; nothing is asked for or waited for under it, but for
    signs of readers.

    Attributes:
        keeps: what the transfer delivered is on disk.
    """

    def __init__(self) -> None:
        self._signs = threading.Condition(threading.Lock())
        self._begun_for: range | None = None
        self._adopted: list[range] = []
        self._reached = 0
        self._count = 0
        """Signs that readers gave."""
        self._closed = False
        self.keeps = True

    def adopt(self, run: range) -> bool:
        """Leave a run to the transfer under way, if there is one; return whether there is."""
        with self._signs:
            if self._begun_for is None:
                return False
            self._adopt(run)
            return True

    def adopt_or_begin(self, run: range) -> bool:
        """Leave a run to the transfer under way, or begin one for it and return False."""
        with self._signs:
            if self._begun_for is None:
                # Nobody may have read the run itself: it is prefetched, often far ahead.
                self._begun_for, self._reached, self.keeps = run, run.start, True
                return False
            self._adopt(run)
            return True

    def end(self) -> None:
        """End a transfer. The runs left to it stay so, for another that begins in its place."""
        with self._signs:
            self._begun_for = None

    def take_left(self) -> list[range]:
        """Return and forget the runs that were left to a transfer, once none is under way.

        The transfer may have begun behind them, or have broken off before them.
        """
        with self._signs:
            if self._begun_for is not None:
                return []
            adopted, self._adopted = self._adopted, []
        return adopted

    def note_read(self, run: range) -> None:
        """Note that somebody reads a run now, wherever it comes from."""
        if self._begun_for is None:
            return
        with self._signs:
            self._reached = max(self._reached, run.stop)
            self._note()

    def signs(self) -> tuple[int, int]:
        """Return how many signs readers gave, and the block before which they have read."""
        with self._signs:
            return self._count, self._reached

    def runs(self) -> tuple[list[range], range | None]:
        """Return the runs that were left to the transfer, and the one that it began for."""
        with self._signs:
            return list(self._adopted), self._begun_for

    def forget(self, run: range) -> None:
        """Forget a run that was left to the transfer: whoever asks again leaves it again."""
        with self._signs:
            if run in self._adopted:
                self._adopted.remove(run)

    def wait_for_sign(self, seen: int, deadline: Deadline) -> None:
        """Wait until a reader gives a sign.

        Args:
            seen: signs that the caller knows of.
            deadline: ends the wait.

        Raises:
            IdleTransferError: there was no sign within the deadline, or the client is closed.
        """
        with self._signs:
            if not self._signs.wait_for(partial(self._came, seen), deadline.remaining()):
                raise IdleTransferError(f"nobody read for {deadline.seconds:g} s")
            if self._closed:
                raise IdleTransferError("the file system is being unmounted")

    def close(self) -> None:
        """Let a transfer that waits for readers end, now or later."""
        with self._signs:
            self._closed = True
            self._signs.notify_all()

    def _came(self, seen: int) -> bool:
        return self._count != seen or self._closed

    def _adopt(self, run: range) -> None:
        self._adopted.append(run)
        self._note()

    def _note(self) -> None:
        self._count += 1
        self._signs.notify_all()
