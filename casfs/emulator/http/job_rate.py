"""Limits how many jobs may be requested in a second."""

import time


class JobRate:
    """A token bucket that holds the tokens of one second.

    Args:
        rate: requests per second; None = any number.
    """

    def __init__(self, rate: float | None) -> None:
        self._rate = rate
        self._tokens = self._size = max(1.0, rate or 0.0)
        self._filled = time.monotonic()

    def allows(self) -> bool:
        """Return whether a request that comes now is allowed."""
        if self._rate is None:
            return True
        now = time.monotonic()
        self._tokens = min(self._size, self._tokens + (now - self._filled) * self._rate)
        self._filled = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True
