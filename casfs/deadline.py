"""A point in time by which something must be done."""

import time

from casfs.errors import DeadlineError


class Deadline:
    """A deadline `seconds` from now, by the monotonic clock.

    Attributes:
        restarts: how often it was restarted.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.restarts = 0
        self._end = time.monotonic() + seconds

    def restart(self) -> None:
        """Restart, because there was progress."""
        self.restarts += 1
        self.extend(time.monotonic())

    def extend(self, moment: float) -> None:
        """Extend to `seconds` after `moment` (monotonic clock), when there was progress."""
        self._end = max(self._end, moment + self.seconds)

    def end(self) -> None:
        """Let it pass now."""
        self._end = 0.0

    def remaining(self) -> float:
        """Return the seconds left, at least 0."""
        return max(0.0, self._end - time.monotonic())

    def passed(self) -> bool:
        """Return whether the deadline has passed."""
        return self.remaining() == 0.0

    def check(self, what: str) -> None:
        """Raise when the deadline has passed.

        Raises:
            DeadlineError: it has passed; the message names `what`.
        """
        if self.passed():
            raise self.error(what)

    def error(self, what: str) -> DeadlineError:
        """Return the error for `what` having missed the deadline."""
        return DeadlineError(
            f"{what}: no answer within {self.seconds:g} s; check the network, or raise `deadline`"
        )
