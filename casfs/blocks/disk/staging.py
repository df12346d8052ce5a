"""The files of blocks that have no place yet: being written, or waiting for a hash of the whole.

A name is `<host>@<process>@<unique>`, so that each process can tell what a dead one left behind.
"""

import contextlib
import itertools
import os
import re
import secrets
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from casfs.blocks.block_tuning import TUNING
from casfs.blocks.disk.held import Holding
from casfs.private import PrivateDirectory

_Made = TypeVar("_Made")

_NAME = re.compile(r".+@[0-9]+@[0-9a-f]{8}-[0-9]+|[0-9]+-[0-9]+-[0-9]+", re.DOTALL)
"""Our names, and those of casfs 0.1; no other file is ever removed."""


class Temporary:
    """The directory of these files, shared by all processes that use a cache.

    Args:
        directory: of the files.
        private: the cache directory that it is in; its parent if none is given.

    Attributes:
        holding: blocks that wait in memory instead.
    """

    def __init__(self, directory: Path, private: PrivateDirectory | None = None) -> None:
        self.directory = directory
        self.private = private or PrivateDirectory(directory.parent)
        self.holding = Holding()
        self._mark = secrets.token_hex(4)
        self._confirmed = 0.0
        self._process = 0
        self._names = ""
        self._numbers = itertools.count()

    def make(self) -> None:
        """Make the directory if need be, and remove from it what nobody will move to its place.

        Raises:
            ConfigError: it is not ours alone.
            OSError: it cannot be made or looked through.
        """
        self.private.make_below(self.directory)
        for file in self.private.entries(self.directory):
            with contextlib.suppress(FileNotFoundError):
                if _NAME.fullmatch(file.name) and _abandoned(file):
                    os.unlink(file)

    def create(self, make: Callable[[Path], _Made]) -> _Made:
        """Have a file made, and make the directory for it again if somebody has removed that.

        Args:
            make: is given a path where nothing is yet.

        Returns:
            what `make` returned.

        Raises:
            ConfigError: the cache directory is not ours alone any more.
            OSError: it was removed, and cannot be made again; or what `make` raises.
        """
        now = time.monotonic()
        if now >= self._confirmed + TUNING.confirm_seconds:
            self.private.confirm()
            self._confirmed = now
        # Not known before: the process may have forked since.
        process = os.getpid()
        if process != self._process:
            self._names = f"{_host()}@{process}@{self._mark}-"
            self._process = process
        path = self.directory / f"{self._names}{next(self._numbers)}"
        try:
            return make(path)
        except FileNotFoundError:
            self.private.make_below(self.directory)
            return make(path)

    def place(self, staged: Path, path: Path, checked: bool = False) -> bool:
        """Move a file to its place, and make the directories that are missing there.

        Args:
            staged: the file.
            path: its place.
            checked: the directories above its own were checked, if they are there.

        Returns:
            whether one was missing.

        Raises:
            ConfigError: one of them is not ours alone.
            OSError: it cannot be moved, or it was removed.
        """
        for tries in range(TUNING.directory_tries):
            try:
                os.rename(staged, path)
            except FileNotFoundError:
                # Eviction in another process may remove an empty directory as soon as it is made.
                self.private.make_below(path.parent, checked)
            else:
                return tries > 0
        os.rename(staged, path)
        return True


def _host() -> str:
    """Return what names the processes that can be seen from here: not those of other containers."""
    return f"{socket.gethostname()}-{os.stat('/proc/self/ns/pid').st_ino}"


def _abandoned(file: os.DirEntry[str]) -> bool:
    host, _, process = file.name.rpartition("@")[0].rpartition("@")
    if host == _host() and process.isdecimal():
        return not _lives(int(process))
    return file.stat(follow_symlinks=False).st_mtime < time.time() - TUNING.abandoned_seconds


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False  # or a number that no process can have
    except OSError:
        return True  # somebody else's
    # One that was killed, and that its parent has not asked about yet, writes nothing either.
    with contextlib.suppress(OSError):
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return True
