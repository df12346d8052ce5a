"""Runs the user's command for events; one that hangs is ended."""

import contextlib
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Callable

from casfs.errors import ThreadError
from casfs.reasons import reason
from casfs.threads import start_thread

DEADLINE = 300.0
"""Seconds that the command may take for one event."""
_MOST_LATE = 3
"""Events in a row that the command may take too long for: it is not run for any more then."""


class EventCommand:
    """A command that the shell runs once for each event, with the event on its standard input.

    Args:
        command: for `sh -c`.
        warn: tells what goes wrong.
        deadline: seconds that it may take for one event; None for `DEADLINE`.
    """

    def __init__(
        self, command: str, warn: Callable[[str], None], deadline: float | None = None
    ) -> None:
        self._command = command
        self._warn = warn
        self._deadline = DEADLINE if deadline is None else deadline
        self._late = 0
        self._process: subprocess.Popen[bytes] | None = None
        self._canceled = False

    def cancel(self) -> None:
        """Kill it if it runs, and run it for no further event; may be called by any thread."""
        self._canceled = True
        if (process := self._process) is not None:
            _kill(process)

    def run(self, text: str) -> None:
        """Run it for an event, and wait for its end.

        It and what it started in its process group are killed if it takes too long. What it prints
        must not mix with ours on standard output, and goes to standard error.
        """
        if self._late >= _MOST_LATE or self._canceled:
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
        self._process = process
        if self._canceled:
            _kill(process)
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
            finally:
                self._process = None
        self._late = 0
        if process.returncode and not self._canceled:
            self._warn(f"the command of --on-event exited with {process.returncode}")

    def _note_late(self) -> None:
        self._late += 1
        if self._late == 1:
            self._warn(
                f"the command of --on-event was killed: it took longer than {self._deadline:g} s; "
                "put long work into the background, or raise --event-timeout"
            )
        elif self._late == _MOST_LATE:
            self._warn("the command of --on-event was killed again, and is not run any more")


class BackgroundEvents:
    """Runs the command for one event after the other, in a thread of its own.

    It may take minutes, in which what is at risk must go on being fetched. At the end of the
    context it is waited for; a signal ends it.

    Args:
        command: for `sh -c`; None for no command.
        warn: tells what goes wrong; called in that thread.
        deadline: seconds that it may take for one event; None for `DEADLINE`.
    """

    def __init__(
        self, command: str | None, warn: Callable[[str], None], deadline: float | None = None
    ) -> None:
        self._command = None if command is None else EventCommand(command, warn, deadline)
        self._texts: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> "BackgroundEvents":
        return self

    def __exit__(self, kind: type[BaseException] | None, *error: object) -> None:
        """Wait for the command; end it after a signal."""
        if self._command is None or self._thread is None:
            return
        self._texts.put(None)
        if kind is not None and issubclass(kind, KeyboardInterrupt):
            self._command.cancel()
        try:
            self._thread.join()
        except KeyboardInterrupt:
            self._command.cancel()
            raise

    def add(self, text: str) -> None:
        """Let it be run for an event; by one thread."""
        if self._command is None:
            return
        if self._thread is None:
            try:
                self._thread = start_thread("events", self._run, self._command)
            except ThreadError:
                self._command.run(text)
                return
        self._texts.put(text)

    def _run(self, command: EventCommand) -> None:
        while (text := self._texts.get()) is not None:
            command.run(text)


def _kill(process: "subprocess.Popen[bytes]") -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
