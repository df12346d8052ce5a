"""The progress of GETs: which bytes count, and what they tell of the line."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from casfs.blocks.block_tuning import TUNING
from casfs.blocks.gets.lag import Lag
from casfs.blocks.gets.line import Line, Traffic
from casfs.deadline import Deadline
from casfs.ranges import BLOCK_SIZE


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
        replaced: a connection was replaced because it lagged behind the others.
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
        self.replaced = False
        self._own = Traffic()
        """What was reported to the line."""
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
            self._report(self._more, now - self._since)
            self._since, self._more, self._reported = now, 0, True

    def end(self, size: int) -> None:
        """Note that an answer of so many bytes has come to its end."""
        now = time.monotonic()
        if not self._reported:
            self._report(size, now - self._asked)
        self._line.note_well(-(-size // BLOCK_SIZE))
        self._advance(now)

    def note_kept(self, size: int) -> None:
        """Note that so many bytes of an answer that broke off need not come again."""
        self._kept += size
        if self._kept >= self._need:
            self._advance(time.monotonic())

    def others(self) -> Traffic:
        """Return what the GETs for other runs have brought so far."""
        return self._line.traffic().minus(self._own)

    def _report(self, size: int, seconds: float) -> None:
        self._own = self._own.plus(size, seconds)
        self._line.note(size, seconds)

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
    it waited for the line, None if that is not known. `lag` compares the body that is being
    received with those of others; `given_up` is whether its connection was ended for being slow.
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

    def receive_body(self, size: int, kept_size: int) -> None:
        """Note that a body is received from now on; see `Lag`."""
        self.lag = Lag(size, kept_size, self.progress.others)

    def leave_answer(self) -> None:
        """Note that the answer that began brings nothing more of the output."""
        self.lag = None
        self.progress.leave()
