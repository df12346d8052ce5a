"""Keeps work in the background to a share of the time.

A thread that executes many short queries takes the interpreter lock anew after each of them, and
takes it from threads that answer readers: a look at 100,000 outputs made the first listing of a
vault take almost twice as long.
"""

import time
from collections.abc import Callable

_SLICE = 0.01
"""Seconds of work at a stretch. What takes less is never paused."""
_SHARE = 10
"""One of so many seconds is work."""


class TimeShare:
    """Pauses a thread that works step by step.

    Args:
        pause: waits for some seconds, or less if the work is to end.
        clock: returns seconds, which never go back.
    """

    def __init__(
        self, pause: Callable[[float], object], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._pause = pause
        self._clock = clock
        self._begun = clock()

    def step(self) -> None:
        """Note that a step is done; pause if the thread has worked for its share."""
        worked = self._clock() - self._begun
        if worked >= _SLICE:
            self._pause(worked * (_SHARE - 1))
            self._begun = self._clock()
