"""The format of the log: one line per event, no matter what untrusted text is in it."""

import logging
import threading
import traceback
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from types import TracebackType
from typing import TypeAlias

from casfs.sanitize import shown

log = logging.getLogger(__name__)

_LIBRARIES = {"botocore", "charset_normalizer", "requests", "urllib3"}
"""Those that log tracebacks of failures which they recover from."""

_LONGEST_WARNING = 500

_ExcInfo: TypeAlias = (
    tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]
)


class LastWarning(logging.Handler):
    """Remembers the last warning or error, for who asks how things are."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._last: dict[str, str] | None = None

    def emit(self, record: logging.LogRecord) -> None:
        """Remember a record, without its traceback."""
        moment = datetime.fromtimestamp(record.created, UTC)
        text = shown(record.getMessage())[:_LONGEST_WARNING]
        self._last = {"time": moment.isoformat(timespec="milliseconds"), "text": text}

    def status_facts(self) -> Mapping[str, object]:
        """Return when it was logged, and its text; None if there was none."""
        return {"last_warning": self._last}


class LogFormatter(logging.Formatter):
    """Formats everything that casfs logs, to a file or to a terminal.

    A message is one line, without secrets. The lines of a traceback are indented, so that no text
    in it can pass for a line of the log; the text of an error is one line, without secrets.
    """

    def format(self, record: logging.LogRecord) -> str:
        """Return a record as text; a library's without the traceback, which helps no user."""
        if record.exc_info and record.name.partition(".")[0] in _LIBRARIES:
            record = logging.makeLogRecord(vars(record) | {"exc_info": None, "exc_text": None})
        return super().format(record)

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - of the base class
        """Return the message of a record as one line."""
        return shown(super().formatMessage(record))

    def formatException(self, ei: _ExcInfo) -> str:  # noqa: N802 - of the base class
        """Return the traceback of an error, and those of its causes."""
        error = ei[1]
        if error is None:
            return ""
        trace = traceback.TracebackException.from_exception(error, compact=True)
        return "\n".join(f"    {line}" for line in _lines(trace))


def _lines(error: traceback.TracebackException) -> Iterator[str]:
    before = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if before is not None:
        yield from _lines(before)
        yield "which caused:" if error.__cause__ else "while handling that:"
    for frame in error.stack.format():
        yield from (shown(line) for line in frame.rstrip("\n").split("\n"))
    name = error.exc_type.__name__ if error.exc_type else "error"
    text = str(error)
    yield shown(f"{name}: {text}" if text else name)


def log_thread_crash(crash: threading.ExceptHookArgs) -> None:
    """Log an exception that ended a thread; set this as `threading.excepthook`."""
    name = crash.thread.name if crash.thread else "unknown"
    error = crash.exc_value or crash.exc_type()
    log.critical("thread %s crashed; this is a bug, please report it", name, exc_info=error)
