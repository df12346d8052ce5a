"""The one pass over an output that comes in one piece, and how far ahead of readers it may land.

A pass brings all blocks in order, whether or not somebody reads them. Those that memory and cache
drop before they are read cost another pass. So it goes on while a run that was left to it is under
way, which readers keep within their share of the memory, or while the cache can hold what it lands
ahead of them; else it waits. A run that lies behind it is no reason to break off: it goes on to
the end, since readers far apart would otherwise break off each other's passes for ever.

A pass for which nobody shows a sign of life ends: going on would cost all of the rest, for bytes
that are gone by the time somebody reads them.
"""

import threading
from collections.abc import Callable
from functools import partial

from casfs.deadline import Deadline
from casfs.errors import UnreadError


class Passing:
    """Whether a pass over an output is under way, for whom, and how far they have read.

    Lock order: its one lock is innermost; nothing is asked for or waited for under it, but for
    signs of readers.

    Attributes:
        keeps: what the pass landed is on disk.
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

    @property
    def under_way(self) -> bool:
        """Tell whether there is a pass."""
        return self._begun_for is not None

    def adopt(self, run: range) -> bool:
        """Leave a run to the pass that is under way, if there is one; tell whether there is."""
        with self._signs:
            if self._begun_for is None:
                return False
            self._adopt(run)
            return True

    def adopt_or_begin(self, run: range) -> bool:
        """Leave a run to the pass that is under way, or begin one for it and return False."""
        with self._signs:
            if self._begun_for is None:
                self._begun_for, self._reached, self.keeps = run, run.stop, True
                return False
            self._adopt(run)
            return True

    def end(self) -> None:
        """End a pass. What was left to it stays so, for another that is begun in its place."""
        with self._signs:
            self._begun_for = None

    def take_left(self) -> list[range]:
        """Return the runs that were left to a pass, if none is under way any more, and forget them.

        The pass may have begun behind them, or have broken off before them.
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

    def wait_for_readers(
        self,
        number: int,
        ahead: Callable[[], int],
        under_way: Callable[[range], bool],
        deadline: Deadline,
    ) -> None:
        """Wait until a block may land.

        Args:
            number: of the block.
            ahead: tells how many blocks may be landed ahead of what is being read.
            under_way: tells whether any block of a run is under way.
            deadline: of the pass; begins anew with every sign of a reader.

        Raises:
            UnreadError: there was no sign within the deadline, or the client is closed.
        """
        deadline.restart()
        while True:
            with self._signs:
                count, reached = self._count, self._reached
            if self._wanted(under_way) or number < reached + ahead():
                return
            with self._signs:
                if not self._signs.wait_for(partial(self._came, count), deadline.remaining()):
                    raise UnreadError(f"nobody read for {deadline.seconds:g} s")
                if self._closed:
                    raise UnreadError("the mount is being taken away")
            deadline.restart()

    def close(self) -> None:
        """Let a pass that waits for readers end, now or later."""
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

    def _wanted(self, under_way: Callable[[range], bool]) -> bool:
        """Tell whether a run is still under way that was left to the pass; forget the others."""
        with self._signs:
            own, adopted = self._begun_for, list(self._adopted)
        for run in adopted:
            if under_way(run):
                return True
            # Who begins it anew leaves it to the pass anew.
            with self._signs:
                self._adopted.remove(run)
        return own is not None and under_way(own)
