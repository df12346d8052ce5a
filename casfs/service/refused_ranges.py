"""Whether ranges that begin inside a block are refused, whoever says so, and in whichever form.

They are asked for only to go on with a block of which a part has come, and the whole block is there
to be asked for instead. So less is needed to give one up than to give up a read.
"""

import logging
import time

import requests

from casfs.errors import (
    ForeignAnswerError,
    RequestError,
    ServerError,
    TransientError,
    WrongAnswerError,
)
from casfs.service.error_mapping import was_closed

log = logging.getLogger(__name__)


class RangeInside:
    """What the attempts have met that ask for one range which begins inside a block.

    Args:
        attempts: how many of them in a row must end without a byte of the range, by
            a failure of the service or a connection that is closed.
        seconds: how long they must have failed.
    """

    def __init__(self, attempts: int, seconds: float) -> None:
        self._attempts = attempts
        self._seconds = seconds
        self._failed, self._since = 0, 0.0
        """How many of them have failed in a row, and when the first one did."""

    def note(self, error: TransientError) -> None:
        """Note what an attempt met.

        Raises:
            RequestError: the range is not given.
        """
        now = time.monotonic()
        # What is slow, or breaks off, is given.
        self._failed = self._failed + 1 if _is_failure(error) else 0
        self._since = self._since if self._failed > 1 else now
        fails = self._failed >= self._attempts and now - self._since >= self._seconds
        if fails or _is_refusal(error):
            log.info("a range that begins inside a MiB is not given: %s", error)
            raise RequestError(str(error)) from error


def _is_failure(error: TransientError) -> bool:
    """Return whether an attempt ended early, and brought nothing."""
    if isinstance(error, ServerError) or was_closed(error):
        return True
    wrong = isinstance(error, WrongAnswerError) and not isinstance(error, ForeignAnswerError)
    return not error.received and (wrong or isinstance(error.__cause__, ConnectionError))


def _is_refusal(error: TransientError) -> bool:
    """Return whether an answer says that there is no such range, as servers and proxies do."""
    if error.status == requests.codes.not_implemented:
        return True
    # What the service itself refuses is no transient error, or puts off.
    return isinstance(error, ForeignAnswerError) and (error.status or 0) // 100 == 4
