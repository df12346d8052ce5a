"""A cached listing of the service: fresh for a while, then refreshed by one caller at a time.

If the service fails, the old value is served (stale-if-error).

Lock order: a listing's one lock is innermost; it is not held while the service is asked.
"""

import logging
import math
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from typing import Generic, TypeVar

from casfs.deadline import Deadline
from casfs.errors import (
    CasfsError,
    ConfigError,
    DeadlineError,
    DeniedError,
    NotFoundError,
    ThreadError,
    TransientError,
)
from casfs.threads import result_within, start_thread
from casfs.tree.tree_tuning import TUNING

log = logging.getLogger(__name__)
T = TypeVar("T")


def age_of(noted: float | None) -> float | None:
    """Return the seconds since a recorded Unix time; None if there is none.

    A time in the future means that the clock was wrong then, or is now: the age is unknown, and
    counts as infinite.
    """
    if noted is None:
        return None
    age = time.time() - noted
    return age if age >= 0 else math.inf


class CachedListing(Generic[T]):
    """A value with a time to live.

    Args:
        what: names it in messages.
        load: asks the service for the value.
        seconds: time to live.
        on_stale: is called when an old value is served because the service did not answer.
        value: what an earlier process knew, None if nothing.
        age: seconds since that was fresh.
    """

    def __init__(
        self,
        what: str,
        load: Callable[[Deadline], T],
        seconds: float,
        on_stale: Callable[[], None],
        value: T | None = None,
        age: float = float("inf"),
    ) -> None:
        self._what = what
        self._load = load
        self._seconds = seconds
        self._on_stale = on_stale
        self._lock = threading.Lock()
        self._value = value
        self._refreshed = time.monotonic() - age
        self._tried = self._refreshed
        self._looked = -math.inf
        self._loading: Future[T] | None = None
        self._failed = False

    def known(self) -> T | None:
        """Return the value, however old, without asking."""
        return self._value

    def is_fresh(self) -> bool:
        """Return whether the value is so fresh that what it lacks does not exist."""
        return self._value is not None and time.monotonic() - self._refreshed < self._seconds

    def is_left_alone(self) -> bool:
        """Return whether the service failed so recently that it is not asked again yet."""
        return self._failed and time.monotonic() - self._tried < self._seconds

    def stale_since(self) -> float | None:
        """Return how many seconds ago the value was current, None if the service answered last."""
        return time.monotonic() - self._refreshed if self._failed else None

    def get(self, deadline: Deadline, refresh: bool = False, stale: bool = True) -> T:
        """Return the value, refreshing it if it is old; an old one if the service fails.

        If there is an old value, nobody waits long: it is served while the service is asked.

        Args:
            deadline: ends waiting for it.
            refresh: ask however fresh it is, and let no old value hide that the service refuses us.
            stale: return an old value if the service fails; otherwise raise its error.

        Raises:
            NotFoundError: what is listed does not exist, or no longer.
            DeniedError: the service refuses us; not if there is a value, unless `refresh`.
            CasfsError: the service failed, and there is no value, or a stale one is not wanted.
        """
        while True:
            with self._lock:
                old, loading = self._value, self._loading
                # After a failure, too, the service is left alone for a while if there is a value.
                young = time.monotonic() - self._tried < self._seconds
                if old is not None and young and not refresh:
                    return old
                patience = self._patience(deadline, stale and old is not None, young)
                mine = loading is None
                if loading is None:
                    loading = self._loading = Future()
            if mine:
                self._refresh_aside(loading, deadline)
            try:
                return result_within(loading, patience)
            except NotFoundError:
                raise
            except FutureTimeoutError:
                with self._lock:
                    self._failed = self._failed or self._loading is loading
                    self._tried = time.monotonic()
                error: CasfsError = DeadlineError(
                    f"{self._what} did not arrive within {patience:.3g} s; check the network"
                )
            except CasfsError as failure:
                error = failure
                ran_out = isinstance(error, DeadlineError | TransientError)
                if not mine and ran_out and not deadline.passed() and (old is None or not stale):
                    # Its deadline started before ours.
                    continue
            if (
                old is None
                or not stale
                or (refresh and isinstance(error, DeniedError | ConfigError))
            ):
                raise error
            self._on_stale()
            log.warning("%s is stale: %s", self._what, error)
            return old

    def _patience(self, deadline: Deadline, may_be_stale: bool, young: bool) -> float:
        if not may_be_stale:
            return deadline.remaining() + TUNING.listing_grace
        brief = young or self._failed
        patience = TUNING.brief_listing_patience if brief else TUNING.listing_patience
        return min(patience, deadline.remaining())

    def look_again(self, deadline: Deadline) -> T:
        """Return the value to a caller who misses something in it.

        What was created since must not be reported as missing, so the value is refreshed however
        fresh it is, but only once in its time to live. An old value will do if the service fails.

        Raises:
            CasfsError: as `get`.
        """
        now = time.monotonic()
        with self._lock:
            looked, self._looked = now - self._looked < self._seconds, now
        value = self._value
        if value is None or not self.is_fresh():
            return self.get(deadline)
        if looked:
            return value
        try:
            return self.get(deadline, refresh=True)
        except NotFoundError:
            raise
        except CasfsError as error:
            log.warning("%s is stale: %s", self._what, error)
            return value

    def _refresh_aside(self, loading: "Future[T]", deadline: Deadline) -> None:
        """Refresh in another thread: a listing of many pages may take longer than anybody waits."""
        try:
            start_thread("listing", self._refresh, loading, deadline)
        except ThreadError as error:
            if self._value is not None:
                self._fail(loading, error)
            else:
                self._refresh(loading, deadline)

    def _refresh(self, loading: "Future[T]", deadline: Deadline) -> None:
        try:
            value = self._load(deadline)
        except BaseException as error:
            self._fail(loading, error)
            if not isinstance(error, CasfsError):
                raise
            return
        with self._lock:
            self._loading = None
            self._failed = False
            self._value = value
            self._refreshed = self._tried = time.monotonic()
        loading.set_result(value)

    def _fail(self, loading: "Future[T]", error: BaseException) -> None:
        with self._lock:
            self._loading = None
            self._tried = time.monotonic()
            self._failed = True
            if isinstance(error, NotFoundError):
                self._value = None
        loading.set_exception(error)
