"""Reads that failed: the kernel retries pages whose read-ahead failed.

It does so for each program that waits for them, whichever read caused the read-ahead. All of them
get the first answer again; otherwise an error would take twice as long.
"""

import threading
import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass

from casfs.mount.mount_tuning import TUNING


@dataclass(frozen=True, slots=True)
class _Failure:
    """A read that failed: its bytes, the errno, and when."""

    span: range
    errno: int
    time: float


class Failures:
    """The latest failed reads, by what was read: a path and its content version.

    After a mismatch there is a new version, of which nothing has failed yet, although reads of the
    old one may still be in flight.

    Lock order: its one lock is innermost.

    Args:
        clock: returns the time in seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._last: dict[Hashable, list[_Failure]] = {}

    def note(self, content: Hashable, span: range, errno: int) -> None:
        """Note that bytes of a file could not be read."""
        now = self._clock()
        with self._lock:
            for other in list(self._last):
                self._forget(other, now)
            self._last.setdefault(content, []).append(_Failure(span, errno, now))

    def known(self, content: Hashable, offset: int, since: float) -> int | None:
        """Return the errno with which a byte has just failed to be read, None if none has.

        Args:
            content: what is read, as `note` got it.
            offset: the byte.
            since: when the file that is read now was opened; earlier failures do not count.
        """
        # Almost always there is nothing, and checking for that takes no lock.
        if content not in self._last:
            return None
        with self._lock:
            self._forget(content, self._clock())
            return next(
                (
                    failure.errno
                    for failure in self._last.get(content, [])
                    if offset in failure.span and failure.time >= since
                ),
                None,
            )

    def _forget(self, content: Hashable, now: float) -> None:
        left = [one for one in self._last.get(content, []) if now < one.time + TUNING.retry_seconds]
        if left:
            self._last[content] = left
        else:
            self._last.pop(content, None)
