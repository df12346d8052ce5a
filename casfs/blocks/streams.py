"""Who reads in order just now, and shares the memory: policy, fed with what is fetched ahead."""

import threading
import time
from collections.abc import Callable

_IDLE = 30.0
"""Seconds after which a reader for whom nothing was fetched ahead has no share any more."""


class Streams:
    """The readers for whom blocks are fetched ahead.

    Lock order: its one lock is innermost.

    Args:
        clock: tells the time in seconds.

    Attributes:
        count: how many there are.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._fed: dict[object, float] = {}
        """When a reader's share was last used, the longest ago first."""
        self.count = 0

    def feed(self, reader: object) -> None:
        """Note that something is fetched ahead for a reader."""
        now = self._clock()
        with self._lock:
            self._fed.pop(reader, None)
            self._fed[reader] = now
            while self._fed[oldest := next(iter(self._fed))] < now - _IDLE:
                del self._fed[oldest]
            self.count = len(self._fed)

    def end(self, reader: object) -> None:
        """Note that a reader reads no more."""
        with self._lock:
            self._fed.pop(reader, None)
            self.count = len(self._fed)
