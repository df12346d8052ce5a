"""Measures at which rate outputs come while they are read, and records it for plans.

It looks at a counter every few seconds, in a thread of its own, and costs a read nothing. Only what
comes while most connections are busy counts: a program that reads slowly says nothing about what
could be fetched.
"""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from casfs.errors import ThreadError
from casfs.reasons import reason
from casfs.threads import start_thread

log = logging.getLogger(__name__)

_SECONDS = 2.0
"""Between two looks."""
_ENOUGH = 30.0
"""Seconds of busy connections that are a measurement."""
_NEXT = 300.0
"""The same for the next ones: a rate that was just recorded is not recorded all the time."""
_CLOSING = 2.0
"""Seconds that `close` waits for a record that is being written."""


@dataclass(frozen=True, slots=True)
class LineLoad:
    """What is known of the connections to a service, at any time.

    Attributes:
        received: returns the bytes of outputs that have come.
        busy: returns how many connections are in use.
        connections: how many there are at most.
        useful: returns how many are worth using.
    """

    received: Callable[[], int]
    busy: Callable[[], int]
    connections: int
    useful: Callable[[], int]

    @property
    def is_busy(self) -> bool:
        """Return whether most connections, or all that are worth using, are in use."""
        return self.busy() >= min(self.connections / 2, self.useful())


class RateSampler:
    """Measures the rate of a line, and records it.

    Args:
        line: what is measured.
        record: is called with bytes, and the seconds in which they came; what it raises is logged.
        clock: returns seconds, which never go back.
    """

    def __init__(
        self,
        line: LineLoad,
        record: Callable[[int, float], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._line = line
        self._record = record
        self._clock = clock
        self._last: tuple[float, int, bool] | None = None
        self._size = 0
        self._seconds = 0.0
        self._enough = _ENOUGH
        self._closed = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Measure until `close`, in a thread."""
        try:
            self._thread = start_thread("rate", self._run)
        except ThreadError as error:
            log.info("the rate is not measured: %s", error)

    def close(self) -> None:
        """Measure no more, and record what was measured if that is enough."""
        self._closed.set()
        if self._thread is not None:
            self._thread.join(_CLOSING)
            if not self._thread.is_alive():
                self._flush(_ENOUGH)

    def look(self) -> None:
        """Count what has come since the last look, if the line was busy."""
        now = self._clock(), self._line.received(), self._line.is_busy
        if self._last is not None and now[2] and self._last[2]:
            self._seconds += now[0] - self._last[0]
            self._size += now[1] - self._last[1]
        self._last = now
        self._flush(self._enough)

    def _run(self) -> None:
        while not self._closed.is_set():
            self.look()
            self._closed.wait(_SECONDS)

    def _flush(self, enough: float) -> None:
        if self._seconds < enough:
            return
        try:
            self._record(self._size, self._seconds)
        except OSError as error:
            # Plans do without; neither this thread nor the end of a mount may depend on it.
            log.info("the rate is not recorded: %s", reason(error))
        self._size, self._seconds, self._enough = 0, 0.0, _NEXT
