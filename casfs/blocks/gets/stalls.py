"""Reports which GETs under way bring bytes, and which stall.

Whether bytes come is seen at the connections, from time to time, so it costs the bytes nothing. A
GET that has no connection, because it waits for one or for its next attempt, stalls. So does one
whose bytes come so slowly that a block takes much of the deadline: others do not wait for it.
That does not end it: the deadline restarts as bytes come (see `progress`).
"""

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from casfs.blocks.block_tuning import TUNING
from casfs.blocks.gets.get_progress import GetProgress
from casfs.errors import ThreadError
from casfs.threads import start_thread

log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Watched:
    """A GET: when it last did not stall, and how many bytes its connection had received by then.

    `reported` is what its connection had received when its progress was last reported, None where
    nothing is known yet of its connection.
    """

    progress: GetProgress
    since: float
    received: int = 0
    reported: int | None = None
    paused: bool = False
    stalled: bool = False


class Stalls:
    """Watches the GETs that threads are at, and reports when one begins or ceases to stall.

    Lock order: its one lock is held while that is reported; under it are the locks of the callee.

    Args:
        received: returns the bytes that the connection of a thread has received, None if it has
            no connection, -1 if nobody knows.
        least: bytes a second of a GET that does not stall.
        tell: is notified of a thread, by its identity, and whether it stalls.
        limited: returns whether the rate is limited here: then a GET that is slow does not stall.
    """

    def __init__(
        self,
        received: Callable[[int], int | None],
        least: float,
        tell: Callable[[int, bool], None],
        limited: Callable[[], bool] = lambda: False,
    ) -> None:
        self._limited = limited
        self._received = received
        self._least = least * TUNING.stalled_seconds
        self._tell = tell
        self._lock = threading.Lock()
        self._begun = threading.Condition(self._lock)
        self._watched: dict[int, _Watched] = {}
        self._thread: threading.Thread | None = None
        self._closed = threading.Event()

    @contextlib.contextmanager
    def watch(self, progress: GetProgress) -> Iterator[None]:
        """Watch the calling thread inside, and report its progress."""
        thread = threading.get_ident()
        with self._lock:
            self._watched[thread] = _Watched(progress, time.monotonic())
            self._start()
            self._begun.notify()
        try:
            yield
        finally:
            with self._lock:
                self._set(thread, self._watched.pop(thread), stalled=False)

    def begin_answer(self) -> None:
        """Note that the calling thread may have another connection than before."""
        self._watched[threading.get_ident()].reported = None

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
                now = time.monotonic()
                for thread, watched in self._watched.items():
                    self._set(thread, watched, self._stalls(thread, watched, now))

    def _stalls(self, thread: int, watched: _Watched, now: float) -> bool:
        if watched.paused:
            return False
        received = self._received(thread)
        if received is not None:
            _tell_progress(watched, received)
            more = received - watched.received
            # Fewer than before: it is another connection.
            if received < 0 or (received if more < 0 else more) >= self._least:
                watched.since, watched.received = now, received
        if self._limited():
            watched.since = now
        return now - watched.since > TUNING.stalled_seconds

    def _set(self, thread: int, watched: _Watched, stalled: bool) -> None:
        if watched.stalled != stalled:
            watched.stalled = stalled
            self._tell(thread, stalled)


def _tell_progress(watched: _Watched, received: int) -> None:
    before, watched.reported = watched.reported, received
    if before is not None and received > before >= 0:
        watched.progress.note(received - before)
