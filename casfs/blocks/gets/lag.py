"""Tells which connection lags so far behind the others that a new one would bring the rest sooner.

One connection may become slow for good where the others are well, as when a path through the
network loses packets. What it has brought is kept, so that a new one costs a request. Nothing is
compared before the body comes, and nothing once the others bring nothing either.
"""

from collections.abc import Callable
from dataclasses import dataclass

from casfs.blocks.block_tuning import TUNING


@dataclass(slots=True)
class Lag:
    """The bytes of one body, as they come.

    Attributes:
        size: bytes that the body has.
        usual: returns the bytes a second that a connection brings, None if none does now.
    """

    size: int
    usual: Callable[[], float | None]
    _since: float | None = None
    _first: int = 0
    """What the connection had received when it was looked at first."""
    _before: int = 0
    """The same, of when it was compared last."""

    def restart(self) -> None:
        """Compare nothing of what was before, in which its thread may have waited for others."""
        self._since = None

    def is_too_slow(self, now: float, received: int) -> bool:
        """Return whether a new connection would bring the rest much sooner.

        Args:
            now: by the monotonic clock.
            received: bytes that the connection has received.
        """
        if self._since is None:
            self._since, self._before = now, received
            self._first = self._first or received
        seconds = now - self._since
        if seconds < TUNING.lag_seconds:
            return False
        rate = (received - self._before) / seconds
        left = self.size - (received - self._first)
        self._since, self._before = now, received
        usual = self.usual()
        if usual is None:
            return False
        return rate * TUNING.lag < usual and left > rate * TUNING.get_seconds
