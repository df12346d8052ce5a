"""Ends a long command by a signal in good order: its summary is printed, its state kept."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING

from casfs.cli import exit_status
from casfs.errors import CasfsError, ConfigError

if TYPE_CHECKING:
    from casfs.cli.messages import Messages

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


@contextmanager
def reported(messages: "Messages", interrupted: str) -> Iterator[None]:
    """Report what ends a long command early: an error, which goes on, or a signal, which ends it.

    Args:
        messages: get it.
        interrupted: what to say after a signal.

    Raises:
        SystemExit: after a signal, with its status.
    """
    with interruptible() as caught:
        try:
            yield
        except CasfsError as error:
            misused = isinstance(error, ConfigError)
            code = exit_status.USAGE if misused else exit_status.FAILED
            messages.facts("exit_error", code=code, message=str(error))
            raise
        except KeyboardInterrupt:
            messages.facts("exit_error", code=caught.status, message=interrupted)
            messages.complain(interrupted)
            raise SystemExit(caught.status) from None
