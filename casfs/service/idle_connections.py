"""Connections that wait for their next request, and what is known of them.

A session of requests is not promised to be safe for several threads, so each request borrows one,
which has one connection, and gives it back.

Lock order: the one lock here is innermost; no connection is made or closed under it.
"""

import threading
import time
from collections.abc import Callable

import requests

from casfs.service.service_tuning import TUNING


class Sessions:
    """The sessions that nobody uses now.

    One that broke says that the others may be dead, too: after a suspend, a change of networks, or
    a router that forgot them, all are, and each would cost an attempt to find out.

    Args:
        make: makes a session, which connects when it is used.
    """

    def __init__(self, make: Callable[[], requests.Session]) -> None:
        self._make = make
        self._lock = threading.Lock()
        self._idle: list[tuple[float, requests.Session]] = []
        self._closed = False

    def borrow(self, fresh: bool) -> requests.Session:
        """Return a session for one request; one that is yet to connect if `fresh`."""
        if not fresh:
            self.drop_aged()
            with self._lock:
                if self._idle:
                    return self._idle.pop()[1]
        return self._make()

    def give_back(self, session: requests.Session) -> None:
        """Take back a session whose answer was read to its end."""
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

    def drop_all(self) -> None:
        """Close what is idle: each is older than the connection that just broke."""
        with self._lock:
            dropped, self._idle = self._idle, []
        _close(dropped)

    def close(self) -> None:
        """Close what is idle, and whatever is given back later."""
        with self._lock:
            self._closed = True
        self.drop_all()


def _close(entries: list[tuple[float, requests.Session]]) -> None:
    for _, session in entries:
        session.close()


def _now() -> float:
    # Unlike the monotonic clock, this one goes on while the machine is suspended.
    if hasattr(time, "CLOCK_BOOTTIME"):
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    return time.monotonic()
