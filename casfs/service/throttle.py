"""Limits the rate at which bodies of outputs are received: a token bucket for all connections.

Each connection asks for a small piece at a time and waits for its turn, in order, so that all get
the same. A piece is granted at the moment at which the rate allows it, whoever waits: a moment that
was missed by a little is made up for.
"""

import threading
import time
from collections.abc import Callable
from datetime import datetime

from casfs.bandwidth import BandwidthLimit

_PIECE = 64 << 10
_SMALLEST = 4 << 10
_PIECE_SECONDS = 0.25
"""With a low limit a piece is smaller than usual, and takes this long, so that every connection
moves."""
_LEAST_SECONDS = 0.005
"""With a high one it is larger than usual, and takes this long: waiting for turns costs time."""
_BURST_SECONDS = 0.1
"""What was not used so long is made up for: threads wake a little late."""
_LOOK_SECONDS = 1.0
"""Seconds between two looks at the timetable."""


class Throttle:
    """A limit that all connections of a service share.

    Lock order: its one lock is innermost; nobody waits under it.

    Args:
        limit: the limit, None for none.
        clock: returns the time in seconds, which never goes back.
        local: returns the time in this machine's zone.
    """

    def __init__(
        self,
        limit: BandwidthLimit | None = None,
        clock: Callable[[], float] = time.monotonic,
        local: Callable[[], datetime] = datetime.now,
    ) -> None:
        self._clock = clock
        self._local = local
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._next = 0.0
        """When the next byte may be received."""
        self._looked = 0.0
        self._rate: float | None = None
        self._limit: BandwidthLimit | None = None
        self.is_set = False
        """There is, or may be later, a limit; looked at once for each block."""
        self.set_limit(limit)

    def set_limit(self, limit: BandwidthLimit | None) -> None:
        """Set another limit, also for what is being received; None for none."""
        with self._lock:
            self._limit = None if limit is None or limit.is_off else limit
            self._looked = self._clock()
            self._rate = self._limit.at(self._local()) if self._limit else None
            self.is_set = self._limit is not None

    def rate(self) -> float | None:
        """Return the limit now, in bytes a second; None if there is none."""
        if not self.is_set:
            return None
        with self._lock:
            return self._current(self._clock())

    def take(self, wanted: int) -> int:
        """Wait for a turn to receive; return how many bytes may be received then.

        Args:
            wanted: bytes that would be received, at least 1.
        """
        with self._lock:
            now = self._clock()
            rate = self._current(now)
            if rate is None or self._closed.is_set():
                return wanted
            piece = min(wanted, _piece(rate))
            begin = max(self._next, now - _BURST_SECONDS)
            self._next = begin + piece / rate
        if begin > now:
            self._closed.wait(begin - now)
        return piece

    def give_back(self, unused: int) -> None:
        """Return bytes that were granted and did not come."""
        with self._lock:
            if self._rate is not None:
                self._next -= unused / self._rate

    def close(self) -> None:
        """Let everybody pass who waits: what they receive from has ended."""
        self._closed.set()

    def _current(self, now: float) -> float | None:
        if self._limit is not None and now - self._looked >= _LOOK_SECONDS:
            self._looked = now
            self._rate = self._limit.at(self._local())
        return self._rate


def _piece(rate: float) -> int:
    """Return the bytes that are granted at a time."""
    usual = max(_PIECE, int(rate * _LEAST_SECONDS))
    return min(usual, max(_SMALLEST, int(rate * _PIECE_SECONDS)))
