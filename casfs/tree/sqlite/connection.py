"""A connection to the database file whose work continues elsewhere when the disk fails."""

import contextlib
import errno
import fcntl
import logging
import os
import sqlite3
import stat
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

from casfs.deadline import Deadline
from casfs.disks import is_disk_failure
from casfs.errors import CatalogError
from casfs.private import PrivateDirectory
from casfs.reasons import reason

_FULL, _READONLY, _IOERR, _CANTOPEN, _PROTOCOL = 13, 8, 10, 14, 15
"""Primary result codes of SQLite; the details are in higher bits."""
_DISK = frozenset({_FULL, _READONLY, _IOERR, _CANTOPEN, _PROTOCOL})

log = logging.getLogger(__name__)

_NO_LOCKS = frozenset({errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP})
_BUSY_SECONDS = 10.0
_LOCK_PAUSE = 0.01
BESIDE = ("-wal", "-shm", "-journal")
"""The name endings of the files that SQLite keeps beside a database."""

_CACHE, _ROWS_CACHE, _BULK_CACHE = 2 << 10, 8 << 10, 40 << 10
"""KiB of page cache of a connection."""

Rescue = Callable[[sqlite3.Error], sqlite3.Connection]
"""Returns another connection with the same content, for the calling thread alone."""


def is_damage(error: BaseException) -> bool:
    """Return whether an error means that the content of the file is corrupt."""
    if isinstance(error, sqlite3.OperationalError):
        # Earlier versions wrote invalid text; Python reports it by this message alone.
        return "Could not decode to UTF-8" in str(error)
    return isinstance(error, sqlite3.DatabaseError)


def is_busy(error: BaseException) -> bool:
    """Return whether an error means that another process writes for longer than was waited."""
    code = getattr(error, "sqlite_errorcode", None)
    return code is not None and code & 255 == sqlite3.SQLITE_BUSY


def is_disk_error(error: BaseException) -> bool:
    """Return whether an error means that the disk is full, or fails."""
    if not isinstance(error, sqlite3.Error):
        return isinstance(error, OSError) and is_disk_failure(error)
    code = getattr(error, "sqlite_errorcode", None)
    return isinstance(error, sqlite3.OperationalError) and code is not None and code & 255 in _DISK


def as_os_error(error: BaseException) -> OSError:
    """Return the disk's error as far as SQLite reports it."""
    if isinstance(error, OSError):
        return error
    codes = {_FULL: errno.ENOSPC, _READONLY: errno.EROFS}
    code = codes.get(getattr(error, "sqlite_errorcode", 0) & 255, errno.EIO)
    return OSError(code, os.strerror(code))


class DamagedError(CatalogError):
    """The file was corrupt and is being rebuilt; the request can be repeated."""


class DiskFailedError(CatalogError):
    """The disk failed halfway; the request can be repeated."""


class ReplayConnection(sqlite3.Connection):
    """A connection that records what a transaction does, and replays it elsewhere if need be.

    Attributes:
        inode: the file that it has open: another process may move that aside.
        rescue: returns where work continues when the disk fails, None if it cannot.
        instead: where it continues now.
    """

    inode: int | None = None
    rescue: Rescue | None = None
    instead: sqlite3.Connection | None = None
    _done: list[Callable[[sqlite3.Connection], object]]
    _set_up = False

    def set_up(self) -> None:
        """Configure the connection on its first use."""
        if not self._set_up:
            self.execute("PRAGMA synchronous = OFF")
            # Counts of directories go up to the root.
            self.execute("PRAGMA recursive_triggers = ON")
            self._set_up = True

    def begin(self, rescue: Rescue) -> None:
        """Start to record what is done."""
        self.rescue, self._done = rescue, []

    def execute(self, sql: str, parameters: Any = (), /) -> sqlite3.Cursor:
        """Execute a statement."""
        found: sqlite3.Cursor = self._run(
            lambda at: sqlite3.Connection.execute(at, sql, parameters)
        )
        return found

    def executemany(self, sql: str, parameters: Iterable[Any], /) -> sqlite3.Cursor:
        """Execute a statement for each of many rows."""
        rows = list(parameters)
        found: sqlite3.Cursor = self._run(lambda at: sqlite3.Connection.executemany(at, sql, rows))
        return found

    def commit(self) -> None:
        """End a transaction."""
        self._run(sqlite3.Connection.commit)

    def rollback(self) -> None:
        """Undo a transaction."""
        if self.instead is not None:
            self.instead.rollback()
            return
        # A failed disk has already undone it.
        with contextlib.suppress(sqlite3.OperationalError):
            super().rollback()

    def _run(self, step: Callable[[sqlite3.Connection], Any]) -> Any:
        if self.instead is not None:
            return step(self.instead)
        try:
            found = step(self)
        except sqlite3.OperationalError as error:
            if self.rescue is None or not is_disk_error(error):
                raise
            self.rollback()
            self.instead = self.rescue(error)
            for done in self._done:
                done(self.instead)
            return step(self.instead)
        if self.rescue is not None:
            self._done.append(step)
        return found


def set_memory(connection: sqlite3.Connection, bulk: bool, rows: bool) -> None:
    """Give a connection memory for its next transaction, as `Database.transaction` says.

    SQLite saves each page that a statement with triggers changes, so that it can roll the statement
    back: beyond 64 KiB in a transaction to a file, which grows to 2 GB for 100,000 jobs.
    """
    cache = _BULK_CACHE if bulk else _ROWS_CACHE if rows else _CACHE
    connection.execute(f"PRAGMA cache_size = {-cache}")
    connection.execute(f"PRAGMA temp_store = {'MEMORY' if rows else 'DEFAULT'}")


def inode_of(path: Path) -> int | None:
    """Return the number of the file at a path, None if there is none."""
    try:
        return os.stat(path).st_ino
    except FileNotFoundError:
        return None


def connect(path: Path, private: PrivateDirectory) -> ReplayConnection:
    """Open the file at a path, creating it and its directory if need be.

    Args:
        path: of the file.
        private: the directory that contains it, at any depth.

    Raises:
        ConfigError: others can change something there.
        OSError, sqlite3.Error: it cannot be opened.
    """
    private.make_below(path.parent)
    # SQLite follows links. It creates files by our umask, but those beside the first like that one.
    for ending in ("", *BESIDE):
        private.check_file(path.with_name(path.name + ending), written=True)
    # Never opened here: closing it would drop the locks that SQLite has on it.
    with contextlib.suppress(OSError):
        os.mknod(path, stat.S_IFREG | 0o600)
    # Looked up before: a file that appears in between is unknown to us, and left alone.
    inode = inode_of(path)
    connection = sqlite3.connect(
        path, timeout=_BUSY_SECONDS, check_same_thread=False, factory=ReplayConnection
    )
    connection.inode = inode
    return connection


@contextlib.contextmanager
def alone(path: Path, private: PrivateDirectory, seconds: float) -> Iterator[None]:
    """Hold the lock on a file, which is created for it.

    Raises:
        OSError: the file cannot be made.
        sqlite3.OperationalError: another process held it too long; a dead one holds no lock.
    """
    deadline = Deadline(seconds)
    with open(private.open(path, os.O_RDWR | os.O_CREAT), "r+b") as lock:
        while not _locked(lock):
            if deadline.passed():
                raise sqlite3.OperationalError(
                    f"another process has held {path} for {deadline.seconds:g} s; end it"
                )
            time.sleep(_LOCK_PAUSE)
        yield


def _locked(lock: BinaryIO) -> bool:
    """Take the lock on a file if nobody has it; return whether it was taken."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        # Whoever creates the same file at the same moment may fail, and succeeds the next time.
        if error.errno not in _NO_LOCKS:
            raise
        log.info("the file system of the cache directory does not support locks: %s", reason(error))
    return True
