"""What the line to the service bears, as far as GETs have shown: how large the next ones are.

How fast connections are is known from the bytes of GETs under way, from second to second, so that
one that takes long need not end first. How long they last is known from those that broke off.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
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


@dataclass(frozen=True, slots=True)
class Traffic:
    """What GETs brought: bytes, and the seconds that each GET took for them, together."""

    size: float = 0.0
    seconds: float = 0.0

    def plus(self, size: float, seconds: float) -> "Traffic":
        """Return it with more."""
        return Traffic(self.size + size, self.seconds + seconds)

    def minus(self, other: "Traffic") -> "Traffic":
        """Return it without another, which it contains."""
        return Traffic(self.size - other.size, self.seconds - other.seconds)


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
        self._traffic = Traffic()
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
            self._traffic = self._traffic.plus(size, seconds)

    def note_break(self, blocks: int) -> None:
        """Note that a GET of so many blocks broke off."""
        with self._lock:
            self._well = 0
            if self._trying:
                if blocks >= self._unbroken:
                    self._patience = min(2 * self._patience, TUNING.well_most)
                self._trying = False
            self._unbroken = min(self._unbroken, max(blocks // 2, 1))

    def note_well(self, blocks: int) -> None:
        """Note that a GET of so many blocks brought all that was asked for."""
        if self._unbroken == TUNING.largest_get and not self._trying:
            return
        with self._lock:
            if self._trying and blocks < self._unbroken:
                # It began before larger ones were tried, and tells nothing of them.
                return
            self._well += 1
            if self._well < (TUNING.well if self._trying else self._patience):
                return
            if self._trying:
                self._patience, self._trying = TUNING.well, False
            if self._unbroken < TUNING.largest_get:
                self._unbroken, self._trying = 2 * self._unbroken, True
            self._well = 0

    def traffic(self) -> Traffic:
        """Return what all GETs have brought so far."""
        with self._lock:
            return self._traffic

    def largest_get(self) -> int:
        """Return how many blocks to ask for at once, now: one until it is known how fast it is."""
        return 1 if self._block_seconds() is None else self.largest_later()

    def largest_later(self) -> int:
        """Return how many blocks may be worth asking for at once later."""
        seconds, limit = self._block_seconds() or 0.0, self._unbroken
        while limit > 1 and limit * seconds > self._get_seconds:
            limit //= 2
        return limit

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
