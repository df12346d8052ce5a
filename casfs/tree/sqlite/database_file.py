"""The file of a database: others may delete it, and a corrupt one is moved aside."""

import contextlib
import logging
import sqlite3
import time
from pathlib import Path

from casfs.errors import CasfsError
from casfs.private import PrivateDirectory
from casfs.reasons import reason
from casfs.tree.sqlite import schema
from casfs.tree.sqlite.connection import BESIDE, ReplayConnection, alone, connect, inode_of

log = logging.getLogger(__name__)

_LOOK_SECONDS = 0.1
"""Seconds between looks at which file has the path. A connection to a removed one still has all of
it, so what is written until the next look is not lost."""
_LOCK_SECONDS = 30.0
"""Seconds to wait for the lock, longer than its holder waits for SQLite."""


class DatabaseFile:
    """The file, at a path where another process may remove it or put another one.

    Args:
        path: of the file.
        private: the directory that contains it, at any depth.
    """

    def __init__(self, path: Path, private: PrivateDirectory) -> None:
        self._path = path
        self._private = private
        self._aside = path.with_suffix(".damaged")
        self._looked: tuple[int | None, float] = (None, 0.0)

    def is_open_in(self, connection: ReplayConnection) -> bool:
        """Return whether a connection has this file, or one that was moved aside."""
        inode, until = self._looked
        now = time.monotonic()
        if connection.inode == inode and now < until:
            return True
        if connection.inode not in map(inode_of, (self._path, self._aside)):
            return False
        self._looked = (connection.inode, now + _LOOK_SECONDS)
        return True

    def alone(self) -> contextlib.AbstractContextManager[None]:
        """Keep other processes and threads from doing the same; only briefly."""
        return alone(self._path.with_suffix(".lock"), self._private, _LOCK_SECONDS)

    def recreate(self, removed: ReplayConnection) -> None:
        """Recreate a deleted file with everything that a connection to it still has.

        Raises:
            CasfsError: others can change something in its directory.
        """
        try:
            with contextlib.closing(connect(self._path, self._private)) as made, self.alone():
                if made.execute("PRAGMA user_version").fetchone() == (0,):
                    log.warning("the catalog %s was deleted and is being recreated", self._path)
                    removed.backup(made)
                    made.execute("PRAGMA journal_mode = WAL")
        except (OSError, sqlite3.Error) as error:
            if isinstance(error, CasfsError):
                raise
            log.warning("cannot recreate the catalog %s: %s", self._path, reason(error))

    def move_aside(self, inode: int | None, error: BaseException) -> bool:
        """Move a corrupt file aside; return False if somebody has already done so.

        Args:
            inode: its number.
            error: says that it is corrupt.

        Raises:
            ConfigError: a newer casfs wrote it.
            OSError: it cannot be moved.
        """
        with self.alone():
            if inode is None or inode_of(self._path) != inode:
                return False
            schema.refuse_newer(self._path)
            log.warning("the catalog %s is corrupt and is being rebuilt: %s", self._path, error)
            # The old file's log must not be taken for the new one's.
            for ending in BESIDE:
                self._path.with_name(self._path.name + ending).unlink(missing_ok=True)
            self._path.replace(self._aside)
            return True
