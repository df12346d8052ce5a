"""How fast requests are sent: as fast as the service takes them (AIMD, as TCP does)."""

import threading
import time
from collections import deque
from collections.abc import Callable

_DECREASE = 0.7
_INCREASE = 0.01
"""Share of the rate by which each accepted request raises it."""
_LEAST = 0.1
_WINDOW = 2.0
"""Seconds over which the rate of accepted requests is measured."""
_SAME_BURST = 1.0
"""Seconds in which refusals answer requests that were sent at one rate."""
_LONGEST_PAUSE = 60.0


class Pacer:
    """A rate that several threads share: unlimited until the first refusal.

    Lock order: its one lock is innermost, and is not held while a thread sleeps.

    Args:
        wait: sleeps for some seconds; returns whether to give up.
        clock: returns monotonic seconds.
    """

    def __init__(
        self, wait: Callable[[float], bool], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._wait = wait
        self._clock = clock
        self._lock = threading.Lock()
        self._rate: float | None = None
        self._next = 0.0
        self._slowed = -_SAME_BURST
        self._accepted: deque[float] = deque(maxlen=10_000)
        self._begun: float | None = None
        self._last_success = clock()

    def take_turn(self) -> bool:
        """Wait until the next request may be sent; return whether to send it."""
        with self._lock:
            now = self._clock()
            turn = max(now, self._next)
            if self._begun is None:
                self._begun = self._last_success = now
            if self._rate is not None:
                self._next = turn + 1 / self._rate
        return not self._wait(max(0.0, turn - now))

    def resume(self) -> None:
        """Go on after a pause, in which nothing could succeed."""
        with self._lock:
            self._last_success = self._clock()

    def accepted(self) -> None:
        """Note that the service took a request."""
        with self._lock:
            self._last_success = self._clock()
            self._accepted.append(self._last_success)
            if self._rate is not None:
                self._rate *= 1 + _INCREASE

    def seconds_without_success(self) -> float:
        """Return the seconds since the service took a request, or since the first one."""
        return self._clock() - self._last_success

    def throttled(self, retry_after: float | None) -> None:
        """Note that the service took a request for one too many."""
        with self._lock:
            now = self._clock()
            if now - self._slowed >= _SAME_BURST:
                self._slowed = now
                rate = self._measured(now)
                if self._rate is not None:
                    rate = min(rate, self._rate)
                self._rate = max(_LEAST, rate * _DECREASE)
            pause = min(retry_after or 1 / (self._rate or 1.0), _LONGEST_PAUSE)
            self._next = max(self._next, now + pause)

    def _measured(self, now: float) -> float:
        recent = sum(1 for moment in reversed(self._accepted) if now - moment <= _WINDOW)
        return recent / max(1.0, min(_WINDOW, now - (self._begun or now)))
