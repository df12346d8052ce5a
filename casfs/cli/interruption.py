"""Ends a long command by a signal in good order: its summary is printed, its state kept."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from casfs.cli import exit_status

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interruption:
    """Whether a command was interrupted, and by what.

    Attributes:
        number: of the signal, None if there was none.
    """

    def __init__(self) -> None:
        self.number: int | None = None

    @property
    def status(self) -> int:
        """Return the exit status: 130 after Ctrl-C, 143 after SIGTERM."""
        return exit_status.INTERRUPTED if self.number is None else 128 + self.number


@contextmanager
def interruptible() -> Iterator[Interruption]:
    """Let SIGTERM and SIGHUP raise KeyboardInterrupt, as Ctrl-C does; the next one ends at once.

    Signals that the process was started to ignore stay ignored. Does nothing in other threads than
    the main one.
    """
    caught = Interruption()
    if threading.current_thread() is not threading.main_thread():
        yield caught
        return
    before = {number: signal.getsignal(number) for number in _SIGNALS}
    taken = [number for number in _SIGNALS if before[number] is not signal.SIG_IGN]

    def end(number: int, frame: FrameType | None) -> None:
        del frame
        caught.number = number
        for one in taken:
            signal.signal(one, signal.SIG_DFL)
        raise KeyboardInterrupt

    for number in taken:
        signal.signal(number, end)
    try:
        yield caught
    finally:
        for number in taken:
            signal.signal(number, before[number])
