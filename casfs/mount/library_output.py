"""What libfuse and fusermount print to standard error: it goes into the log, line by line."""

import contextlib
import logging
import os
import sys
import threading
from collections.abc import Iterator
from io import TextIOWrapper

from casfs.mount.mount_tuning import TUNING
from casfs.threads import start_thread

log = logging.getLogger(__name__)

_STANDARD_ERROR = 2
_PREFIXES = ("fuse: ", "fusermount: ", "fusermount3: ")
_ADVICE = {
    "could not determine username": "only users with an entry in /etc/passwd can mount; add one, "
    "or mount as root",
    "failed to open /dev/fuse: Permission denied": "let users open it: chmod 666 /dev/fuse",
    "device not found": "load the kernel's module: modprobe fuse",
}
"""What to do about lines of the library's that do not say so."""


class LibraryOutput:
    """The lines that a library printed.

    Attributes:
        last: the last one, without the library's name; "" if there was none.
    """

    def __init__(self) -> None:
        self.last = ""

    @property
    def reason(self) -> str:
        """Return why a mount failed, as the last line says, and what to do about it."""
        advice = next((_ADVICE[part] for part in _ADVICE if part in self.last), "")
        return f"{self.last or 'libfuse does not say why'}{advice and '; '}{advice}"

    def read(self, pipe: int) -> None:
        """Log what comes through a pipe until its other end is closed."""
        with open(pipe, encoding="utf-8", errors="replace") as lines:
            while line := lines.readline(TUNING.longest_line):
                text = line.strip()
                if text:
                    log.warning("%s", text)
                    for prefix in _PREFIXES:
                        text = text.removeprefix(prefix)
                    self.last = text


@contextlib.contextmanager
def captured(detached: bool) -> Iterator[LibraryOutput]:
    """Log what is printed to standard error until the context ends.

    Args:
        detached: nothing else may reach the terminal from now on, not even when the context ends;
            otherwise Python's own standard error, and so the log, still does.

    Raises:
        ThreadError: no thread can be started.
    """
    output = LibraryOutput()
    reading, writing = os.pipe()
    done = threading.Event()

    def read() -> None:
        try:
            output.read(reading)
        finally:
            done.set()

    start_thread("library output", read)
    before = os.open(os.devnull, os.O_WRONLY) if detached else os.dup(_STANDARD_ERROR)
    os.dup2(writing, _STANDARD_ERROR)
    os.close(writing)
    try:
        with contextlib.nullcontext() if detached else _log_to(before):
            yield output
    finally:
        os.dup2(before, _STANDARD_ERROR)
        os.close(before)
        # A helper of the library's may live on with its own standard error.
        done.wait(TUNING.library_end_seconds)


@contextlib.contextmanager
def _log_to(descriptor: int) -> Iterator[None]:
    """Let handlers that write to standard error write to a descriptor instead."""
    handlers = [
        one
        for one in logging.getLogger().handlers
        if isinstance(one, logging.StreamHandler) and one.stream is sys.stderr
    ]
    encoding = sys.stderr.encoding
    stream = TextIOWrapper(
        os.fdopen(os.dup(descriptor), "wb"), encoding, "backslashreplace", line_buffering=True
    )
    try:
        for one in handlers:
            one.setStream(stream)
        yield
    finally:
        for one in handlers:
            one.setStream(sys.stderr)
        stream.close()
