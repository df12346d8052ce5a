"""Emulators in processes of their own, forked from one that has imported the emulator.

Importing it takes longer than most tests need it. `tests/system/emulator/test_life.py` starts the
command itself.
"""

import multiprocessing
import os
import sys
from collections.abc import Mapping, Sequence
from multiprocessing.connection import Connection
from pathlib import Path

_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(["casfs.emulator.command", __name__])


class EmulatorProcess:
    """A process that runs `casfs emulator`.

    Args:
        arguments: those of the command.
        environment: all that it has.
        errors: where its standard error is appended.
    """

    def __init__(
        self, arguments: Sequence[str], environment: Mapping[str, str], errors: Path
    ) -> None:
        self._output, writing = _CONTEXT.Pipe(duplex=False)
        with writing:
            self._process = _CONTEXT.Process(
                target=_run, args=(list(arguments), dict(environment), errors, writing)
            )
            self._process.start()
        self.pid = self._process.pid or 0

    @property
    def output(self) -> int:
        """The descriptor from which its standard output is read."""
        return self._output.fileno()

    def terminate(self) -> None:
        self._process.terminate()

    def kill(self) -> None:
        self._process.kill()

    def wait(self, seconds: float) -> int | None:
        """Return its exit status, None if it has not ended by then."""
        self._process.join(seconds)
        return self._process.exitcode

    def close(self) -> None:
        """Forget it, after its end."""
        self._output.close()


def _run(
    arguments: list[str], environment: dict[str, str], errors: Path, output: Connection
) -> None:
    os.environ.clear()
    os.environ.update(environment)
    appending = os.open(errors, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    for descriptor, standard in ((output.fileno(), 1), (appending, 2)):
        os.dup2(descriptor, standard)
        os.close(descriptor)
    sys.stdout = os.fdopen(1, "w", closefd=False)
    sys.stderr = os.fdopen(2, "w", buffering=1, closefd=False)
    from casfs.emulator.command import emulator

    emulator(arguments, prog_name="casfs emulator")
