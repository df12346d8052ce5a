"""How many GETs for later are worth having under way: as many as keep this machine busy.

Where the line is what limits, more GETs bring more, and cost nothing. Where bytes arrive faster
than this machine takes them, more GETs bring nothing: their threads only get in each other's way,
and over TLS, where the interpreter lock is released and taken for each record of 16 KiB, they take
a tenth of the processor time for that.
"""

import threading
import time
from collections.abc import Callable

from casfs.blocks.block_tuning import TUNING
from casfs.threads import processors


class Width:
    """Learns from each GET how long it waited for others, and adjusts the number to that.

    Lock order: its one lock is innermost.

    Args:
        most: GETs for later at most.
        workers: processors that can work at them; as many GETs are never too many.
        clock: returns the time in seconds.
    """

    def __init__(
        self,
        most: int,
        workers: int | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._most = most
        self._workers = min(workers or processors(), TUNING.most_workers)
        self._least = min(max(self._workers, TUNING.least_width), most)
        self._clock = clock
        self._lock = threading.Lock()
        self._width = most
        self._learned = clock()
        self._seconds = self._waited = 0.0
        """Of GETs that ended since the number was last adjusted."""

    def now(self) -> int:
        """Return how many GETs for later are worth having under way.

        That is all that there may be where nothing was learned for a while.
        """
        known = self._clock() - self._learned < TUNING.width_known_seconds
        return self._width if known else self._most

    def note(self, seconds: float, waited: float) -> None:
        """Note that a GET took so many seconds, of which it waited so many for the line or disk."""
        with self._lock:
            self._width = self.now()
            self._learned = self._clock()
            self._seconds += seconds
            self._waited += waited
            if self._seconds < TUNING.width_step_seconds:
                return
            # So many of the GETs under way have bytes at hand, on average.
            working = self._width * (1 - self._waited / self._seconds)
            self._seconds = self._waited = 0.0
            if working > self._workers * TUNING.crowded:
                self._width = max(self._width - 1, self._least)
            elif working < self._workers / 2:
                self._width = min(2 * self._width, self._most)
            elif working < self._workers * TUNING.idle:
                self._width = min(self._width + 1, self._most)
