"""A terminal of a given size, in which a test runs a command and presses keys."""

import contextlib
import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import termios
import time
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from rich.cells import cell_len

SECONDS = 60.0
_CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b\][^\x07]*\x07|\r")


class Shown(NamedTuple):
    """What a command showed on its terminal.

    Attributes:
        raw: all that it wrote, escape sequences included.
        status: its exit status.
        modes_restored: the terminal behaves as it did before.
    """

    raw: str
    status: int
    modes_restored: bool

    @property
    def text(self) -> str:
        """Return it without escape sequences."""
        return _CONTROL.sub("", self.raw)

    @property
    def widest(self) -> int:
        """Return the cells that the widest line takes."""
        return max(map(cell_len, self.text.splitlines()), default=0)


def on_terminal(
    command: Sequence[str],
    environment: Mapping[str, str],
    columns: int = 80,
    keys: Callable[[str], bytes | None] = lambda text: None,
    act: Callable[[str, "subprocess.Popen[bytes]", int], None] = lambda text, process, ours: None,
) -> Shown:
    """Run a command on a terminal until it ends.

    Args:
        command: what to run.
        environment: all of its environment.
        columns: width of the terminal.
        keys: gets all that was shown so far, and returns what to type, once; None is not yet.
        act: gets all that was shown so far, the process, and the other end of the terminal.
    """
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    before = termios.tcgetattr(theirs)
    process = subprocess.Popen(
        command,
        # pytest's workers set its size in their environment.
        env={"TERM": "xterm", **environment, "COLUMNS": "", "LINES": ""},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
    )
    raw, typed = b"", None
    deadline = time.monotonic() + SECONDS
    try:
        while True:
            has_ended = process.poll() is not None
            ready, _, _ = select.select([ours], [], [], 0 if has_ended else 0.1)
            if ready:
                raw += os.read(ours, 65536)
            elif has_ended:
                break
            act(raw.decode(errors="replace"), process, ours)
            if not typed and (typed := keys(raw.decode(errors="replace"))):
                os.write(ours, typed)
            assert time.monotonic() < deadline, raw[-4000:]
        restored = termios.tcgetattr(theirs) == before
        return Shown(raw.decode(errors="replace"), process.returncode, restored)
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        process.wait()
        os.close(ours)
        os.close(theirs)
