"""Programs in processes of their own, forked from one that has imported what they need.

Starting Python and importing casfs takes more processor time than most tests. Tests of the start
itself run the installed commands.
"""

import ctypes
import multiprocessing
import os
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from pathlib import Path

_CONTEXT = multiprocessing.get_context("forkserver")
# All but what loads libfuse, which the environment of a command selects.
_CONTEXT.set_forkserver_preload(
    [
        __name__,
        "casfs.cli.archives",
        "casfs.cli.cache",
        "casfs.cli.listing",
        "casfs.cli.main",
        "casfs.cli.mounting",
        "casfs.cli.requesting",
        "casfs.cli.waiting",
        "casfs.client",
        "casfs.emulator.command",
        "casfs.mount.daemon",
        "tests.support.origin",
    ]
)
_REAPING = threading.Lock()
"""An exit status can be read once. Starting a process reads that of any which has ended."""
_PR_SET_NAME = 15
"""From linux/prctl.h."""
_STANDARD = sys.__stdout__
"""Written as the locale says."""


class ForkedProcess:
    """A process that runs a program of Python.

    Args:
        program: what runs there; its name can be imported.
        arguments: those of the command, without its name.
        environment: all that it has.
        files: descriptors of its standard input, output and error.
        name: what the kernel calls it and what it forks: 15 bytes, in `/proc/PID/comm`.
        directory: where it works.
    """

    def __init__(
        self,
        program: Callable[[], object],
        arguments: Sequence[str],
        environment: Mapping[str, str],
        files: tuple[int, int, int],
        name: str = "casfs",
        directory: str = ".",
    ) -> None:
        # Of all objects with a descriptor, only these take it along to a process.
        connections = [Connection(os.dup(file)) for file in files]
        try:
            start = _Start(program, list(arguments), dict(environment), name, directory)
            self._process = _CONTEXT.Process(target=_run, args=(start, connections))
            with _REAPING:
                self._process.start()
        finally:
            for one in connections:
                one.close()
        self.pid = self._process.pid or 0

    def terminate(self) -> None:
        self._process.terminate()

    def kill(self) -> None:
        self._process.kill()

    def wait(self, seconds: float) -> int | None:
        """Return its exit status, None if it has not ended by then."""
        wait([self._process.sentinel], seconds)
        with _REAPING:
            return self._process.exitcode


class ForkedServer(ForkedProcess):
    """A process whose standard output is read here.

    Args:
        program: what runs there.
        arguments: those of the command, without its name.
        environment: all that it has.
        errors: where its standard error is appended.

    Attributes:
        output: the descriptor to read from.
    """

    def __init__(
        self,
        program: Callable[[], object],
        arguments: Sequence[str],
        environment: Mapping[str, str],
        errors: Path,
    ) -> None:
        self.output, writing = os.pipe()
        nothing = os.open(os.devnull, os.O_RDONLY)
        appending = os.open(errors, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        try:
            super().__init__(program, arguments, environment, (nothing, writing, appending))
        finally:
            for file in (nothing, writing, appending):
                os.close(file)

    def close(self) -> None:
        """Forget it, after its end."""
        output, self.output = self.output, -1
        if output >= 0:
            os.close(output)


@dataclass(frozen=True)
class _Start:
    """What a process starts with, beside its files."""

    program: Callable[[], object]
    arguments: list[str]
    environment: dict[str, str]
    name: str
    directory: str


def _run(start: _Start, files: list[Connection]) -> None:
    ctypes.CDLL(None).prctl(_PR_SET_NAME, start.name.encode())
    os.environ.clear()
    os.environ.update(start.environment)
    time.tzset()
    os.chdir(start.directory)
    for standard, file in enumerate(files):
        os.dup2(file.fileno(), standard)
        file.close()
    encoding, errors = (_STANDARD.encoding, _STANDARD.errors) if _STANDARD else (None, None)
    sys.stdin = os.fdopen(0, encoding=encoding, errors=errors, closefd=False)
    sys.stdout = os.fdopen(1, "w", encoding=encoding, errors=errors, closefd=False)
    sys.stderr = os.fdopen(2, "w", 1, encoding, "backslashreplace", closefd=False)
    sys.argv = ["casfs", *start.arguments]
    start.program()
