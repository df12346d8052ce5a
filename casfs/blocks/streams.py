"""What is read in order just now, and shares the memory: policy, fed with what is prefetched."""

import threading
import time
from collections.abc import Callable

from casfs.blocks.block_tuning import TUNING


class Streams:
    """The places, of all outputs, for which blocks are prefetched.

    Lock order: its one lock is innermost.

    Args:
        clock: returns the time in seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._fed: dict[object, float] = {}
        """When a stream's share was last used, the longest ago first."""

    def count(self) -> int:
        """Return how many share the memory."""
        least = self._clock() - TUNING.idle_stream
        with self._lock:
            while self._fed and self._fed[oldest := next(iter(self._fed))] < least:
                del self._fed[oldest]
            return len(self._fed)

    def feed(self, stream: object) -> None:
        """Note that something is prefetched for a stream."""
        now = self._clock()
        with self._lock:
            self._fed.pop(stream, None)
            self._fed[stream] = now

    def end(self, stream: object) -> None:
        """Note that a stream is read no more."""
        with self._lock:
            self._fed.pop(stream, None)
