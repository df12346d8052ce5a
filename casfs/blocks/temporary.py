"""The files of blocks that have no place yet: being written, or waiting for a hash of the whole.

A name is `<host>@<process>@<unique>`, so that each process can tell what a dead one left behind.
"""

import contextlib
import itertools
import os
import secrets
import socket
import time
from pathlib import Path

_ABANDONED = 7 * 86400
"""Seconds after which a file is no longer in use whose process cannot be seen from here."""


class Temporary:
    """The folder of these files, shared by all processes that use a cache."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._mark = secrets.token_hex(4)
        self._process = 0
        self._names = ""
        self._numbers = itertools.count()

    def make(self) -> None:
        """Make the folder if need be, and remove from it what nobody will move to its place.

        Raises:
            OSError: it cannot be made or looked through.
        """
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with os.scandir(self.folder) as files:
            for file in files:
                with contextlib.suppress(FileNotFoundError):
                    if _abandoned(file):
                        os.unlink(file)

    def new(self) -> Path:
        """Return the path of a file that is not there yet."""
        # Not known before: the process may have forked since.
        process = os.getpid()
        if process != self._process:
            self._names = f"{_host()}@{process}@{self._mark}-"
            self._process = process
        return self.folder / f"{self._names}{next(self._numbers)}"


def _host() -> str:
    """Return what names the processes that can be seen from here: not those of other containers."""
    return f"{socket.gethostname()}-{os.stat('/proc/self/ns/pid').st_ino}"


def _abandoned(file: os.DirEntry[str]) -> bool:
    host, _, process = file.name.rpartition("@")[0].rpartition("@")
    if host == _host() and process.isdecimal():
        return not _lives(int(process))
    return file.stat().st_mtime < time.time() - _ABANDONED


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True  # somebody else's
    # One that was killed, and that its parent has not asked about yet, writes nothing either.
    with contextlib.suppress(OSError):
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return True
