"""A point in time by which something must have ended."""

import time

from casfs.errors import DeadlineError


class Deadline:
    """Ends `seconds` from now, by the monotonic clock.

    Attributes:
        restarts: how often it began anew.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.restarts = 0
        self._end = time.monotonic() + seconds

    def restart(self) -> None:
        """Begin anew, because there was progress."""
        self.restarts += 1
        self.extend(time.monotonic())

    def extend(self, moment: float) -> None:
        """Count from a moment at which bytes came, of the monotonic clock, if that is later."""
        self._end = max(self._end, moment + self.seconds)

    def remaining(self) -> float:
        """Return the seconds left, never below 0."""
        return max(0.0, self._end - time.monotonic())

    def passed(self) -> bool:
        """Tell whether nothing is left."""
        return self.remaining() == 0.0

    def check(self, what: str) -> None:
        """Raise when the deadline has passed.

        Raises:
            DeadlineError: `what` did not end in time.
        """
        if self.passed():
            raise self.error(what)

    def error(self, what: str) -> DeadlineError:
        """Return the error that says that `what` did not end in time."""
        return DeadlineError(
            f"{what}: no answer within {self.seconds:g} s; "
            "check the network, or allow more with `deadline`"
        )
