"""Reports which GETs under way bring bytes, and which stall.

While one brings bytes, nobody who waits for its blocks gives up. Whether bytes come is seen at the
connections, from time to time, so it costs the bytes nothing. A GET that has no connection, because
it waits for one or for its next attempt, stalls. So does one whose bytes come so slowly that a
block takes much of the deadline: others do not wait for it. That does not end it: the deadline
restarts as bytes come. Only a connection that lags far behind the others is ended, and the rest
requested over a new one.
"""

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Iterator

from casfs.blocks.block_tuning import TUNING
from casfs.blocks.gets.get_progress import GetProgress, WatchedGet
from casfs.errors import ThreadError
from casfs.threads import start_thread

log = logging.getLogger(__name__)


class Stalls:
    """Watches the GETs that threads are at, and reports when one begins or ceases to stall.

    Lock order: its one lock is held while that is reported; under it are the locks of the callee.

    Args:
        received: returns the bytes that the connection of a thread has received, None if it has
            no connection, -1 if nobody knows.
        least: bytes a second of a GET that does not stall.
        tell: is notified of a thread, by its identity, and whether it stalls.
        cut: ends the connection of a thread.
        limited: returns whether the rate is limited here: then a GET that is slow does not stall.
    """

    def __init__(
        self,
        received: Callable[[int], int | None],
        least: float,
        tell: Callable[[int, bool], None],
        cut: Callable[[int], None],
        limited: Callable[[], bool] = lambda: False,
    ) -> None:
        self._limited = limited
        self._received = received
        self._least = least * TUNING.stalled_seconds
        self._tell = tell
        self._cut = cut
        self._lock = threading.Lock()
        self._begun = threading.Condition(self._lock)
        self._watched: dict[int, WatchedGet] = {}
        self._looked = self._lag_from = 0.0
        """When the GETs were looked at last; from when on connections may be replaced."""
        self._thread: threading.Thread | None = None
        self._closed = threading.Event()

    @contextlib.contextmanager
    def watch(self, progress: GetProgress) -> Iterator[WatchedGet]:
        """Watch the calling thread inside, which sends a request, and report its progress."""
        thread = threading.get_ident()
        progress.ask()
        watched = WatchedGet(progress, time.monotonic())
        with self._lock:
            self._watched[thread] = watched
            self._start()
            self._begun.notify()
        try:
            yield watched
        finally:
            with self._lock:
                self._set(thread, self._watched.pop(thread), stalled=False)
        if watched.brought:
            progress.end(watched.brought)

    @contextlib.contextmanager
    def pause(self) -> Iterator[None]:
        """Do not watch the calling thread inside, which waits for others in this process."""
        watched = self._watched[threading.get_ident()]
        watched.paused = True
        try:
            yield
        finally:
            watched.since = time.monotonic()
            watched.paused = False

    def close(self) -> None:
        """Watch nothing any more."""
        self._closed.set()
        with self._lock:
            self._begun.notify()

    def _start(self) -> None:
        if self._thread is None:
            try:
                self._thread = start_thread("stalls", self._run)
            except ThreadError as error:
                log.warning(
                    "cannot watch for stalled downloads; other blocks may wait for them: %s", error
                )

    def _run(self) -> None:
        while not self._closed.wait(TUNING.stall_tick):
            with self._lock:
                while not (self._watched or self._closed.is_set()):
                    self._begun.wait()
                replaced = self._look(time.monotonic())
            if replaced:
                log.info("replaced %d connections that lagged far behind the others", replaced)

    def _look(self, now: float) -> int:
        """Look at all GETs; return how many connections are to be replaced."""
        late, self._looked = now - self._looked > TUNING.late_seconds, now
        replaced = 0
        for thread, watched in self._watched.items():
            received = None if watched.paused else self._received(thread)
            if received is not None:
                _tell_progress(watched, received)
                replaced += self._replaces(thread, watched, received, now, late)
            self._set(thread, watched, self._stalls(watched, received, now))
        return replaced

    def _stalls(self, watched: WatchedGet, received: int | None, now: float) -> bool:
        if watched.paused:
            return False
        if received is not None:
            more = received - watched.received
            # Fewer than before: it is another connection.
            if received < 0 or (received if more < 0 else more) >= self._least:
                watched.since, watched.received = now, received
        if self._limited():
            watched.since = now
        return now - watched.since > TUNING.stalled_seconds

    def _replaces(
        self, thread: int, watched: WatchedGet, received: int, now: float, late: bool
    ) -> bool:
        """End a connection that lags behind the others; return whether that was done."""
        # The thread that receives may end the body at any moment.
        lag = watched.lag
        if lag is None or received < 0:
            return False
        if late or now < self._lag_from or self._limited():
            lag.restart()
        if not lag.is_too_slow(now, received):
            return False
        if watched.lag is not lag:
            return False
        watched.lag = None
        if watched.progress.replaced:
            # It is not the connection that is slow.
            self._lag_from = now + TUNING.lag_pause_seconds
            return False
        watched.progress.replaced = watched.given_up = True
        self._cut(thread)
        return True

    def _set(self, thread: int, watched: WatchedGet, stalled: bool) -> None:
        if watched.stalled != stalled:
            watched.stalled = stalled
            self._tell(thread, stalled)


def _tell_progress(watched: WatchedGet, received: int) -> None:
    before, watched.reported = watched.reported, received
    if before is not None and received > before >= 0:
        watched.progress.note(received - before)
