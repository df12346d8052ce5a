"""The log: one line for each thing that happened, whatever texts of others are in it."""

import logging
import threading
import traceback
from collections.abc import Iterator
from types import TracebackType
from typing import TypeAlias

from casfs.sanitize import shown

log = logging.getLogger(__name__)

_ExcInfo: TypeAlias = (
    tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]
)


class LogFormatter(logging.Formatter):
    """Formats all that casfs logs, to a file or to a terminal.

    A message is one line, without secrets. A traceback keeps its lines, indented, so that no text
    in it can look like a line of the log; the text of an error is one line, without secrets.
    """

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - of the base class
        """Return the line of a record."""
        return shown(super().formatMessage(record))

    def formatException(self, ei: _ExcInfo) -> str:  # noqa: N802 - of the base class
        """Return a traceback, and those of the errors that led to it."""
        error = ei[1]
        if error is None:
            return ""
        told = traceback.TracebackException.from_exception(error, compact=True)
        return "\n".join(f"    {line}" for line in _lines(told))


def _lines(error: traceback.TracebackException) -> Iterator[str]:
    before = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if before is not None:
        yield from _lines(before)
        yield "which led to:" if error.__cause__ else "and while that was handled:"
    for frame in error.stack.format():
        yield from (shown(line) for line in frame.rstrip("\n").split("\n"))
    name = error.exc_type.__name__ if error.exc_type else "error"
    text = str(error)
    yield shown(f"{name}: {text}" if text else name)


def log_death(death: threading.ExceptHookArgs) -> None:
    """Let a thread that dies be seen in the log; to be set as `threading.excepthook`."""
    name = death.thread.name if death.thread else "unknown"
    error = death.exc_value or death.exc_type()
    log.critical("the thread %s died; this is a bug, please report it", name, exc_info=error)
