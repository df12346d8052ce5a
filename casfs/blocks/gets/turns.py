"""Turns at receiving bodies: so many at a time that make progress, the urgent ones first."""

import contextlib
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

from casfs.deadline import Deadline


class Turns:
    """So many turns at a time, not counting those of threads that stall.

    Lock order: its one lock is innermost.

    Args:
        count: turns at a time.
        reserve: turns more for those who are urgent.
        pause: is entered by whoever waits for a turn.
    """

    def __init__(
        self, count: int, reserve: int, pause: Callable[[], AbstractContextManager[None]]
    ) -> None:
        self._count = count
        self._reserve = reserve
        self._pause = pause
        self._lock = threading.Lock()
        # Of those who wait one is woken at a time: all would only wait again.
        self._urgent = threading.Condition(self._lock)
        self._later = threading.Condition(self._lock)
        self._waiting_urgent = 0
        self._holding: dict[int, bool] = {}
        """The threads that have a turn, and whether they stall."""
        self._taken = 0
        """Turns of threads that do not stall."""
        self._opened = 0
        """How often turns were opened to everybody."""

    @contextlib.contextmanager
    def turn(self, urgent: bool, deadline: Deadline, what: object) -> Iterator[None]:
        """Wait for a turn, and hold it.

        Raises:
            DeadlineError: `what` did not get one before the deadline.
        """
        self._take(urgent, deadline, what)
        try:
            yield
        finally:
            with self._lock:
                self._taken -= not self._holding.pop(threading.get_ident())
                self._notify()

    def stall(self, thread: int) -> None:
        """Note that a thread stalls: if it has a turn, another one gets it as well."""
        with self._lock:
            if self._holding.get(thread) is False:
                self._holding[thread] = True
                self._taken -= 1
                self._notify()

    def open(self) -> None:
        """Let everybody have a turn who waits now; they are fewer than there are threads."""
        with self._lock:
            self._opened += 1
            self._urgent.notify_all()
            self._later.notify_all()

    def resume(self, thread: int) -> None:
        """Note that a thread that stalled goes on; there may be too many for a while."""
        with self._lock:
            if self._holding.get(thread):
                self._holding[thread] = False
                self._taken += 1

    def _take(self, urgent: bool, deadline: Deadline, what: object) -> None:
        # Entered at any rate: a thread that stalled before its turn is looked at from now on, or
        # its turn would never be lent.
        with self._lock, self._pause():
            if not self._free(urgent):
                self._wait(urgent, deadline, what)
            self._holding[threading.get_ident()] = False
            self._taken += 1
            # Another one may have become free before this one woke.
            self._notify()

    def _wait(self, urgent: bool, deadline: Deadline, what: object) -> None:
        condition = self._urgent if urgent else self._later
        self._waiting_urgent += urgent
        opened = self._opened
        try:
            came = condition.wait_for(
                lambda: self._free(urgent) or self._opened != opened, deadline.remaining()
            )
        finally:
            self._waiting_urgent -= urgent
        if not came:
            self._notify()
            raise deadline.error(f"the {what}")

    def _free(self, urgent: bool) -> bool:
        return self._taken < self._count + (self._reserve if urgent else 0)

    def _notify(self) -> None:
        if self._waiting_urgent and self._free(urgent=True):
            self._urgent.notify()
        elif self._free(urgent=False):
            self._later.notify()
