"""Runs the user's command for events; one that hangs is ended."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable

from casfs.reasons import reason

DEADLINE = 300.0
"""Seconds that the command may take for one event."""
_MOST_LATE = 3
"""Events in a row that the command may take too long for: it is not run for any more then."""


class EventCommand:
    """A command that the shell runs once for each event, with the event on its standard input.

    Args:
        command: for `sh -c`.
        warn: tells what goes wrong.
        deadline: seconds that it may take for one event.
    """

    def __init__(
        self, command: str, warn: Callable[[str], None], deadline: float = DEADLINE
    ) -> None:
        self._command = command
        self._warn = warn
        self._deadline = deadline
        self._late = 0

    def run(self, text: str) -> None:
        """Run it for an event, and wait for its end.

        It and what it started in its process group are killed if it takes too long. What it prints
        must not mix with ours on standard output, and goes to standard error.
        """
        if self._late >= _MOST_LATE:
            return
        try:
            process = subprocess.Popen(
                ["/bin/sh", "-c", self._command],
                stdin=subprocess.PIPE,
                stdout=sys.stderr.fileno(),
                process_group=0,
            )
        except OSError as error:
            self._warn(f"--on-event cannot be run: {reason(error)}")
            return
        with process:
            try:
                process.communicate(f"{text}\n".encode(), timeout=self._deadline)
            except subprocess.TimeoutExpired:
                _kill(process)
                self._note_late()
                return
            except BaseException:
                _kill(process)
                raise
        self._late = 0
        if process.returncode:
            self._warn(f"the command of --on-event exited with {process.returncode}")

    def _note_late(self) -> None:
        self._late += 1
        if self._late == 1:
            self._warn(
                f"the command of --on-event was killed: it took longer than {self._deadline:g} s; "
                "let it put long work into the background, or raise --event-timeout"
            )
        elif self._late == _MOST_LATE:
            self._warn("the command of --on-event was killed again, and is not run any more")


def _kill(process: "subprocess.Popen[bytes]") -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
