"""Tells which connection lags so far behind the others that a new one would bring the rest sooner.

One connection may become slow for good while the others are well, as when a path through the
network loses packets. Then a request for the rest over a new connection costs less than waiting. It
is compared with what the others have brought since its body began. On a line that becomes slow as a
whole, they slow down as well.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from casfs.blocks.block_tuning import TUNING
from casfs.blocks.gets.line import Traffic
from casfs.ranges import BLOCK_SIZE


@dataclass(slots=True)
class Lag:
    """Compares the bytes of one body, as they come, with those of other connections.

    Attributes:
        size: bytes that the body has.
        kept_size: what came is kept in pieces of so many bytes if its connection ends.
        others: returns what the others have brought so far.
    """

    size: int
    kept_size: int
    others: Callable[[], Traffic]
    _since: float | None = None
    """When the comparison began."""
    _first: int | None = None
    """Bytes that the connection had received before the body."""
    _before: int = 0
    """Bytes that the connection had received when the comparison began."""
    _others_before: Traffic = field(default_factory=Traffic)
    """What the others had brought by then."""

    def restart(self) -> None:
        """Begin the comparison anew: what was before tells nothing of the connection."""
        self._since = None

    def is_too_slow(self, now: float, received: int) -> bool:
        """Return whether a new connection would bring the rest much sooner.

        Args:
            now: by the monotonic clock.
            received: bytes that the connection has received.
        """
        if self._since is None or self._first is None:
            self._since, self._before, self._others_before = now, received, self.others()
            self._first = received if self._first is None else self._first
        seconds = now - self._since
        others = self.others().minus(self._others_before)
        if seconds < TUNING.lag_seconds or others.size < BLOCK_SIZE:
            return False
        came = received - self._first
        left, lost = self.size - came, came % self.kept_size
        rate = (received - self._before) / seconds
        return (
            rate * TUNING.lag_factor * others.seconds < others.size
            and left > rate * TUNING.get_seconds
            and left > lost
        )
