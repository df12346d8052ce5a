"""Whether what brings a run makes progress: while it does, nobody who waits for it gives up."""

import time
from collections.abc import Callable

from casfs.blocks.block_tuning import TUNING
from casfs.blocks.gets.line import Line
from casfs.deadline import Deadline


class GetProgress:
    """The bytes of the GETs for one run, as they come.

    Only the bytes of answers that may bring the run count, since pages of errors and headers may
    come for ever. Where nothing is kept of an answer that broke off, the next one must bring more
    than it did to count: else a GET whose answer always breaks off at the same place would never
    end.

    Args:
        deadline: of the GETs; restarts as bytes come.
        line: learns how fast they come.
        tell: is notified of the moment of each progress.
    """

    def __init__(self, deadline: Deadline, line: Line, tell: Callable[[float], None]) -> None:
        self._deadline = deadline
        self._line = line
        self._tell = tell
        self._need = TUNING.least_rate * deadline.seconds
        self._span: object = None
        self._came = 0
        """Bytes of this answer."""
        self._counted = 0.0
        """Bytes of this span that have counted as progress."""
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
            self._span, self._counted = span, 0.0
        self._came = 0
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
            self.note_kept(now)
        if now - self._since >= TUNING.note_seconds:
            self._line.note(self._more, now - self._since)
            self._since, self._more, self._reported = now, 0, True

    def end(self, size: int) -> None:
        """Note that an answer of so many bytes has come to its end."""
        now = time.monotonic()
        if not self._reported:
            self._line.note(size, now - self._asked)
        self.note_kept(now)

    def note_kept(self, now: float) -> None:
        """Note that something came that need not come again."""
        self._deadline.extend(now)
        self._tell(now)
