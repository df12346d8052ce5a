"""How large an output may be for one thread to fetch it with one GET, as fast as the line is.

Bytes that come slowly do not extend the deadline of such a GET, so it must not be expected to take
much of it.
"""

_RATE = 16 << 10
"""Bytes a second that each connection is believed to bring, until one was seen to bring more or
less."""
_TELLING = 32 << 10
"""Bytes of an output from which on its GET shows how fast a connection is."""
_PART = 8
"""The part of the deadline, an eighth, that a GET may be expected to take."""


class SmallLimit:
    """Learns from each GET how large an output may be; called by several threads.

    Args:
        deadline: seconds that a GET may take.
    """

    def __init__(self, deadline: float) -> None:
        self._seconds = deadline / _PART
        self._most = self._most_at_first = _RATE * self._seconds
        """Bytes of the largest output while the rate is not known."""
        self._rate = 0.0
        """Bytes a second that the last GET brought, 0 if that is not known."""

    def allows(self, size: int) -> bool:
        """Return whether an output of so many bytes is small enough."""
        return size <= max(self._most, self._rate * self._seconds)

    def note(self, size: int, seconds: float) -> None:
        """Note that a GET brought so many bytes in so many seconds."""
        self._most = min(self._most_at_first, max(self._most, 2 * size))
        if size >= _TELLING:
            self._rate = size / max(seconds, 1e-9)

    def note_failure(self) -> None:
        """Note that a GET failed: how fast the line is now is not known."""
        self._rate = 0.0

    def note_too_slow(self, size: int) -> None:
        """Note that so many bytes did not come in time."""
        self._most = min(self._most, size / 2)
