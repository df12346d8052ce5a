"""Reports which GETs under way bring bytes, and which stall.

While one brings bytes, nobody who waits for its blocks gives up. Whether bytes come is seen at the
connections, from time to time, so it costs the bytes nothing. A GET that has no connection, because
it waits for one or for its next attempt, stalls. So does one whose bytes come so slowly that a
block takes much of the deadline: others do not wait for it. That does not end it: the deadline
restarts as bytes come. Only a connection that lags far behind the others is ended, and the rest
asked for on a new one.
"""

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from casfs.blocks.block_tuning import TUNING
from casfs.blocks.gets.lag import Lag
from casfs.blocks.gets.line import Line
from casfs.deadline import Deadline
from casfs.errors import ThreadError
from casfs.threads import start_thread

log = logging.getLogger(__name__)


class GetProgress:
    """The bytes of the GETs for one run, as they come.

    Only the bytes of answers that may bring the run count, since pages of errors and headers may
    come for ever. Where nothing was kept of several answers that broke off, the next one must bring
    more than they did to count: else a GET whose answer always breaks off at the same place would
    never end.

    Args:
        deadline: of the GETs; restarts as bytes come.
        line: learns how fast they come.
        tell: is notified of the moment of each progress.

    Attributes:
        answered: seconds from the request to the answer that began last.
        lagged: connections that were given up because they lagged behind.
    """

    def __init__(self, deadline: Deadline, line: Line, tell: Callable[[float], None]) -> None:
        self._deadline = deadline
        self._line = line
        self._tell = tell
        self._need = TUNING.least_rate * deadline.seconds
        self._span: object = None
        self._answers = 0
        """Answers with this span that have begun."""
        self._came = self._kept = 0
        """Bytes of this answer; bytes that were kept since the last progress."""
        self._counted = 0.0
        """Bytes of this span that have counted as progress."""
        self.answered = 0.0
        self.lagged = 0
        self._asked = self._since = time.monotonic()
        self._more = 0
        """Bytes since then, which were not reported to the line."""
        self._reported = False
        self._counting = False

    def ask(self) -> None:
        """Note that a request is sent."""
        self._asked = self._since = time.monotonic()
        self._more, self._reported = 0, False
        self._counting = False

    def begin(self, span: tuple[int, int]) -> None:
        """Note that an answer with these bytes of the output begins."""
        if span != self._span:
            self._span, self._answers = span, 0
        self._answers += 1
        if self._answers <= TUNING.recounted:
            self._counted = 0.0
        self._came = 0
        self.answered = time.monotonic() - self._asked
        self._counting = True

    def leave(self) -> None:
        """Note that the answer that began brings nothing more."""
        self._counting = False

    def note(self, size: int) -> None:
        """Note that so many bytes came."""
        if not self._counting:
            return
        now = time.monotonic()
        self._came += size
        self._more += size
        if self._came >= self._counted + self._need:
            self._counted = self._came
            self._advance(now)
        if now - self._since >= TUNING.note_seconds:
            self._line.note(self._more, now - self._since)
            self._since, self._more, self._reported = now, 0, True

    def end(self, size: int) -> None:
        """Note that an answer of so many bytes has come to its end."""
        now = time.monotonic()
        self._line.note_well(0 if self._reported else size, now - self._asked)
        self._advance(now)

    def note_kept(self, size: int) -> None:
        """Note that so many bytes of an answer that broke off need not come again."""
        self._kept += size
        if self._kept >= self._need:
            self._advance(time.monotonic())

    def lag(self, size: int) -> Lag | None:
        """Return what tells whether a body of so many bytes comes too slowly, if that is to be."""
        return Lag(size, self._line.rate) if self.lagged < TUNING.lag_most else None

    def _advance(self, now: float) -> None:
        self._kept = 0
        self._deadline.extend(now)
        self._tell(now)


@dataclass(slots=True)
class WatchedGet:
    """A GET: when it last did not stall, and how many bytes its connection had received by then.

    `reported` is what its connection had received when its progress was last reported, None where
    nothing is known yet of its connection. `brought` are the bytes of an answer that has ended as
    it should. `spent` are the seconds from its request to its last byte, and those of them in which
    it waited for the line, None if that is not known. `lag` tells whether its body, which is being
    received, comes too slowly; `given_up` is whether its connection was ended for that.
    """

    progress: GetProgress
    since: float
    received: int = 0
    reported: int | None = None
    paused: bool = False
    stalled: bool = False
    brought: int = 0
    spent: tuple[float, float] | None = None
    lag: Lag | None = None
    given_up: bool = False

    def begin_answer(self, span: tuple[int, int]) -> None:
        """Note that an answer with these bytes of the output begins."""
        # There may be another connection than before.
        self.reported, self.given_up = None, False
        self.progress.begin(span)

    def receive_body(self, size: int) -> None:
        """Note that a body of so many bytes is received from now on."""
        self.lag = self.progress.lag(size)

    def leave_answer(self) -> None:
        """Note that the answer that began brings nothing more of the output."""
        self.lag = None
        self.progress.leave()


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
                now = time.monotonic()
                for thread, watched in self._watched.items():
                    self._set(thread, watched, self._stalls(thread, watched, now))

    def _stalls(self, thread: int, watched: WatchedGet, now: float) -> bool:
        if watched.paused:
            return False
        received = self._received(thread)
        if received is not None:
            _tell_progress(watched, received)
            self._look_at_lag(thread, watched, received, now)
            more = received - watched.received
            # Fewer than before: it is another connection.
            if received < 0 or (received if more < 0 else more) >= self._least:
                watched.since, watched.received = now, received
        if self._limited():
            watched.since = now
        return now - watched.since > TUNING.stalled_seconds

    def _look_at_lag(self, thread: int, watched: WatchedGet, received: int, now: float) -> None:
        # The thread that receives may end the body at any moment.
        lag = watched.lag
        if lag is None or received < 0:
            return
        if self._limited():
            lag.restart()
        elif lag.is_too_slow(now, received):
            log.info("a connection lags far behind the others; asking for the rest on a new one")
            watched.lag, watched.given_up = None, True
            watched.progress.lagged += 1
            self._cut(thread)

    def _set(self, thread: int, watched: WatchedGet, stalled: bool) -> None:
        if watched.stalled != stalled:
            watched.stalled = stalled
            self._tell(thread, stalled)


def _tell_progress(watched: WatchedGet, received: int) -> None:
    before, watched.reported = watched.reported, received
    if before is not None and received > before >= 0:
        watched.progress.note(received - before)
