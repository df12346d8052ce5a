"""How many GETs for later are worth having under way: as many as keep this machine busy.

Where the line is what limits, more GETs bring more, and cost nothing. Where bytes arrive faster
than this machine takes them, more GETs bring nothing: their threads only get in each other's way,
and over TLS, where the interpreter lock is released and taken for each record of 16 KiB, they take
a tenth of the processor time for that.
"""

import os
import threading

from casfs.blocks.block_tuning import TUNING


class Width:
    """Learns from each GET how long it waited for the line, and adjusts the number to that.

    Lock order: its one lock is innermost.

    Args:
        most: GETs for later at most.
        processors: as many GETs as there are processors that can work at them are never too many.
    """

    def __init__(self, most: int, processors: int | None = None) -> None:
        self._most = most
        self._busy = min(processors or os.cpu_count() or 1, TUNING.most_processors)
        self._least = min(max(self._busy, TUNING.least_width), most)
        self._lock = threading.Lock()
        self._now = most

    def now(self) -> int:
        """Return how many GETs for later are worth having under way."""
        return self._now

    def note(self, seconds: float, waited: float) -> None:
        """Note that a GET took so many seconds, of which it waited so many for the line."""
        with self._lock:
            # So many of the GETs under way have bytes at hand, on average.
            working = self._now * (1 - waited / seconds) if seconds > 0 else 0.0
            if working > self._busy * TUNING.crowded:
                self._now = max(self._now - 1, self._least)
            elif working < self._busy / 2:
                self._now = min(2 * self._now, self._most)
            elif working < self._busy * TUNING.idle:
                self._now = min(self._now + 1, self._most)
