"""How long a call goes on asking: until its deadline, with pauses, and as the service wishes."""

import random
import re
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple, TypeVar

import tenacity

from casfs.deadline import Deadline
from casfs.errors import MismatchError, TransientError
from casfs.service import fields
from casfs.service.service_tuning import TUNING

T = TypeVar("T")

_SECONDS = re.compile(r"[0-9]+(?:\.[0-9]+)?")
_LOOK_SECONDS = 0.25
"""How often a pause looks whether the deadline was ended."""


@dataclass(frozen=True)
class Limits:
    """How long and how often the transport tries.

    Attributes:
        connect_timeout: seconds to make a connection.
        read_timeout: seconds without a byte. After an attempt that was not answered for so long,
            the next one of the same call waits twice as long.
        attempts: how often a request is sent at most, None if only its deadline ends it.
        longest_pause: seconds between two attempts at most, unless the service wishes otherwise.
    """

    connect_timeout: float = 10.0
    read_timeout: float = 30.0
    attempts: int | None = None
    longest_pause: float = 5.0


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds for which a service asks to be left alone.

    Retry-After has them as a number or as a date (RFC 9110, 10.2.3), and the answer's own Date
    tells what time the service takes it to be.

    Returns:
        None if it does not ask, or asks for something that is not in the future.
    """
    text = headers.get("Retry-After", "").strip()
    if _SECONDS.fullmatch(text):
        seconds = float(text)
    else:
        date = fields.http_date(text)
        if date is None:
            return None
        now = fields.http_date(headers.get("Date")) or datetime.now(UTC)
        seconds = (date - now).total_seconds()
    return min(seconds, TUNING.longest_retry_after) if seconds > 0 else None


class Failure(NamedTuple):
    """An attempt that failed, after which there will be another.

    Attributes:
        attempt: its number, from 1.
        error: what it met.
        seconds: since the first one began.
    """

    attempt: int
    error: BaseException | None
    seconds: float


class Persistence:
    """Decides, for one call that failed, whether and when to ask again; tenacity does so.

    Pauses grow and are random, so that many clients do not return at once. Where a pause would end
    behind the deadline, one more attempt is made just before it.

    Args:
        limits: how long and how often to try.
        deadline: ends all attempts together.
        restarts: how often that had been restarted when the call began.

    Attributes:
        exhausted: it ended before the deadline, and asking on is of no use.
    """

    def __init__(self, limits: Limits, deadline: Deadline, restarts: int) -> None:
        self._limits = limits
        self._deadline = deadline
        self._pause = tenacity.wait_random_exponential(TUNING.first_pause, limits.longest_pause)
        self._mismatches = 0
        self._breaks = 0
        self._restarts = restarts
        self._last_chance = min(TUNING.last_chance, deadline.seconds / 10)
        self._last_chances = 0
        self.exhausted = False

    def run(
        self,
        attempt: Callable[[], T],
        began: float,
        closed: threading.Event,
        note: Callable[[Failure], None],
    ) -> T:
        """Return what an attempt returns, after as many more as may be made.

        Args:
            attempt: asks the service once; at first, it raises what the first attempt met.
            began: when that began, by the monotonic clock.
            closed: ends pauses, and asking.
            note: is notified of each failure after which the service is asked again.

        Raises:
            Exception: whatever the last attempt raised.
        """

        def tell(state: tenacity.RetryCallState) -> None:
            note(Failure(state.attempt_number, _error(state), time.monotonic() - began))

        retrying = tenacity.Retrying(
            retry=self.retry,
            stop=lambda state: closed.is_set() or self.stop(state),
            wait=self.wait,
            sleep=lambda seconds: self._sleep(seconds, closed),
            after=tell,
            reraise=True,
        )
        return retrying(attempt)

    def _sleep(self, seconds: float, closed: threading.Event) -> None:
        """Pause, unless the transport is closed, or somebody lets the deadline pass."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0 and not self._deadline.passed():
            if closed.wait(min(left, _LOOK_SECONDS)):
                return

    def retry(self, state: tenacity.RetryCallState) -> bool:
        """Return whether what the last attempt met may be mended by another."""
        error = _error(state)
        if isinstance(error, MismatchError):
            self._mismatches += 1
            self.exhausted = self._mismatches >= TUNING.mismatches
        if self._deadline.restarts != self._restarts:
            self._restarts = self._deadline.restarts
            self._breaks += 1
            self.exhausted |= self._breaks >= TUNING.breaks
        return isinstance(error, TransientError)

    def wait(self, state: tenacity.RetryCallState) -> float:
        """Return the seconds until the next attempt."""
        pause = self._pause(state)
        error = _error(state)
        if isinstance(error, TransientError) and error.retry_after is not None:
            # Not the first second that it allows, at which all others come.
            pause = error.retry_after + random.uniform(0, min(1.0, error.retry_after / 10))  # noqa: S311
        left = self._deadline.remaining()
        if pause < left - self._last_chance:
            return pause
        self._last_chances += 1
        return min(pause, max(left - self._last_chance, left / 2))

    def stop(self, state: tenacity.RetryCallState) -> bool:
        """Return whether that was the last attempt."""
        if self._deadline.passed():
            # What ended it is the deadline, even if that was the last attempt as well.
            return True
        if self._limits.attempts is not None and state.attempt_number >= self._limits.attempts:
            self.exhausted = True
        return self.exhausted or self._last_chances > 1


def _error(state: tenacity.RetryCallState) -> BaseException | None:
    return state.outcome.exception() if state.outcome else None
