"""The rate at which bytes came lately."""

import time
from collections import deque
from collections.abc import Callable

TEN_MINUTES = 600.0
_LEAST_SECONDS = 1.0
"""Seconds between two readings that are remembered."""


class RateWindow:
    """The rate over a sliding window; used by one thread.

    Args:
        seconds: length of the window.
        clock: returns the time in seconds, which never goes back.
    """

    def __init__(
        self, seconds: float = TEN_MINUTES, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._seconds = seconds
        self._clock = clock
        self._readings: deque[tuple[float, int]] = deque()

    def note(self, total: int) -> None:
        """Note how many bytes have come in all so far."""
        now = self._clock()
        if self._readings and total < self._readings[-1][1]:
            self._readings.clear()
        if len(self._readings) > 1 and now - self._readings[-2][0] < _LEAST_SECONDS:
            self._readings.pop()
        self._readings.append((now, total))
        while len(self._readings) > 2 and now - self._readings[1][0] >= self._seconds:
            self._readings.popleft()

    def span(self) -> float:
        """Return the seconds that the window covers by now."""
        return self._readings[-1][0] - self._readings[0][0] if self._readings else 0.0

    def rate(self) -> float | None:
        """Return the bytes a second in the window, None while nothing is known."""
        seconds = self.span()
        if seconds <= 0:
            return None
        return (self._readings[-1][1] - self._readings[0][1]) / seconds
