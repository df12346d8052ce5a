"""What the line to the service bears, as far as GETs have shown: how large the next ones are.

How fast connections are is known from the bytes of GETs under way, from second to second, so that
one that takes long need not end first. How long they last is known from those that broke off.
"""

import threading
import time
from collections.abc import Callable
from enum import IntEnum

from casfs.blocks.block_tuning import TUNING
from casfs.ranges import BLOCK_SIZE


class LineSpeed(IntEnum):
    """How fast a connection is."""

    USUAL = 0
    """Or nothing is known yet."""
    SLOW = 1
    """So slow that more of them cost this machine nothing."""
    STALLED = 2
    """So slow that each of them counts as stalled."""


class Line:
    """How fast a connection is, and how much it brings before it breaks.

    Lock order: its one lock is innermost.

    Args:
        deadline: seconds in which a GET must make progress.
        clock: returns the time in seconds.

    Attributes:
        stall_rate: bytes a second below which a connection counts as stalled: a block takes more
            than a quarter of the deadline.
    """

    def __init__(self, deadline: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._get_seconds = min(TUNING.get_seconds, deadline / 4)
        self.stall_rate = 4 * BLOCK_SIZE / deadline
        self._clock = clock
        self._lock = threading.Lock()
        self._noted = clock()
        self._bytes = self._seconds = 0.0
        self._unbroken = TUNING.largest_get
        self._well, self._patience = 0, TUNING.well
        """GETs in a row that ended well; how many of them before larger ones are tried."""
        self._trying = False
        """Larger ones are tried: few of them have ended so far."""

    def note(self, size: int, seconds: float) -> None:
        """Note that a GET brought so many bytes in so many seconds."""
        now = self._clock()
        with self._lock:
            left = 0.5 ** ((now - self._noted) / TUNING.speed_half_life)
            self._noted = now
            self._bytes = self._bytes * left + size
            self._seconds = self._seconds * left + seconds

    def note_break(self, blocks: int) -> None:
        """Note that a GET of so many blocks broke off."""
        with self._lock:
            self._well = 0
            if self._trying:
                self._patience = min(2 * self._patience, TUNING.well_most)
                self._trying = False
            self._unbroken = min(self._unbroken, max(blocks // 2, 1))

    def note_well(self, size: int, seconds: float) -> None:
        """Note that a GET brought all that was asked for.

        Args:
            size: bytes of it that were not noted before.
            seconds: in which those came.
        """
        if size:
            self.note(size, seconds)
        if self._unbroken == TUNING.largest_get and not self._trying:
            return
        with self._lock:
            self._well += 1
            if self._trying and self._well >= TUNING.well:
                self._patience, self._trying = TUNING.well, False
            if self._well >= self._patience and self._unbroken < TUNING.largest_get:
                self._well, self._trying = 0, True
                self._unbroken = min(2 * self._unbroken, TUNING.largest_get)

    def largest_get(self) -> int:
        """Return how many blocks to ask for at once, now: one until it is known how fast it is."""
        return 1 if self._block_seconds() is None else self.largest_later()

    def largest_later(self) -> int:
        """Return how many blocks may be worth asking for at once later."""
        seconds, limit = self._block_seconds() or 0.0, self._unbroken
        while limit > 1 and limit * seconds > self._get_seconds:
            limit //= 2
        return limit

    def rate(self) -> float | None:
        """Return how many bytes a second a connection brings, None if none brought any lately."""
        if not self._bytes or self._clock() - self._noted > TUNING.line_fresh_seconds:
            return None
        return self._bytes / self._seconds

    def speed(self) -> LineSpeed:
        """Return how fast a connection is."""
        seconds = self._block_seconds() or 0.0
        if seconds * self.stall_rate > BLOCK_SIZE:
            return LineSpeed.STALLED
        return LineSpeed.SLOW if seconds > TUNING.slow_seconds else LineSpeed.USUAL

    def _block_seconds(self) -> float | None:
        """Return the seconds that a block takes on one connection, None if it is not known."""
        size, seconds = self._bytes, self._seconds
        if not size or self._clock() - self._noted > TUNING.speed_known_seconds:
            return None
        return seconds * BLOCK_SIZE / size
