"""Connections that wait for their next request, and what is known of them.

A session of requests is not promised to be safe for several threads, so each request borrows one,
which has one connection, and gives it back.

Lock order: the one lock here is innermost; no connection is made or closed under it.
"""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from http.client import HTTPException

import requests
import urllib3

from casfs.deadline import Deadline
from casfs.errors import CasfsError, UnreachableError
from casfs.service.service_tuning import TUNING
from casfs.service.watchdog import Watchdog

CONNECTION_ERRORS = (
    requests.RequestException,
    urllib3.exceptions.HTTPError,
    HTTPException,
    OSError,
)
"""What requests and those below it raise; errors of casfs are among them."""


class Sessions:
    """The sessions that nobody uses now.

    One that broke says that the others may be dead, too: after a suspend, a change of networks, or
    a router that forgot them, all are, and each would cost an attempt to find out.

    Args:
        make: makes a session, which connects when it is used.
        watchdog: ends what takes too long.
    """

    def __init__(self, make: Callable[[], requests.Session], watchdog: Watchdog) -> None:
        self._make = make
        self._watchdog = watchdog
        self._lock = threading.Lock()
        self._idle: list[tuple[float, requests.Session]] = []
        self._closed = False

    @contextlib.contextmanager
    def borrow(self, fresh: bool, deadline: Deadline) -> Iterator[requests.Session]:
        """Lend a session for one request, whose answer is read to its end inside.

        Args:
            fresh: one that is yet to connect.
            deadline: ends the connection.

        Raises:
            ThreadError: nobody would see to that.
        """
        session = self._make() if fresh else self._idle_one() or self._make()
        try:
            with self._watchdog.limit(deadline):
                yield session
        except BaseException as error:
            session.close()
            if _is_broken(error):
                self._drop_all()
            raise
        self._give_back(session)

    def _idle_one(self) -> requests.Session | None:
        self.drop_aged()
        with self._lock:
            return self._idle.pop()[1] if self._idle else None

    def _give_back(self, session: requests.Session) -> None:
        with self._lock:
            if not self._closed:
                self._idle.append((_now(), session))
                return
        session.close()

    def drop_aged(self) -> None:
        """Close what has been idle for too long."""
        limit = _now() - TUNING.idle_seconds
        with self._lock:
            fresh = next((n for n, (since, _) in enumerate(self._idle) if since > limit), None)
            aged, self._idle = self._idle[:fresh], [] if fresh is None else self._idle[fresh:]
        _close(aged)

    def _drop_all(self) -> None:
        """Close what is idle: each is older than the connection that just broke."""
        with self._lock:
            dropped, self._idle = self._idle, []
        _close(dropped)

    def close(self) -> None:
        """Close what is idle, and whatever is given back later."""
        with self._lock:
            self._closed = True
        self._drop_all()


def _is_broken(error: BaseException) -> bool:
    """Return whether that is how a connection ends that broke."""
    if isinstance(error, UnreachableError) or isinstance(error.__cause__, UnreachableError):
        return True
    return isinstance(error, CONNECTION_ERRORS) and not isinstance(error, CasfsError)


def _close(entries: list[tuple[float, requests.Session]]) -> None:
    for _, session in entries:
        session.close()


def _now() -> float:
    # Unlike the monotonic clock, this one goes on while the machine is suspended.
    if hasattr(time, "CLOCK_BOOTTIME"):
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    return time.monotonic()
