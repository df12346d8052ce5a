"""The SQLite file of an account's catalogue: threads, processes, damage. What is in it: schema.py.

Lock order: the lock on the file `.lock` is held for moments, while a new file is prepared, or
a damaged one put aside; never for both at a time.
"""

import collections
import contextlib
import errno
import fcntl
import logging
import os
import sqlite3
import stat
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from casfs.deadline import Deadline
from casfs.errors import CasfsError, ConfigError
from casfs.private import PrivateDirectory
from casfs.tree import schema
from casfs.tree.columns import Value

log = logging.getLogger(__name__)

_BUSY_SECONDS = 10.0
_LOCK_SECONDS = 30.0
_LOCK_PAUSE = 0.01
"""Seconds to wait for the lock, longer than its holder waits for SQLite; and between two tries."""
_NO_LOCKS = frozenset({errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP})
_BESIDE = ("-wal", "-shm", "-journal")
_CACHE, _BULK_CACHE = 2 << 10, 40 << 10
"""KiB of memory of a connection for what it has read and changed."""


class _Connection(sqlite3.Connection):
    """A connection that knows which file it has open: another process may put that aside."""

    inode: int | None = None


class Database:
    """The file of one account's catalogue.

    A connection of SQLite serves one thread at a time, so each call borrows one. Several processes
    may use one file. A damaged one is put aside and begun anew: all in it can be asked for again,
    except which expired jobs are still whole in the cache.

    Args:
        path: of the file.
        private: the cache directory that it is in; its own directory if none is given.

    Attributes:
        edition: counts how often damage was found: what was in the file before is lost.

    Raises:
        ConfigError: the folder cannot be written, or is not ours alone.
    """

    def __init__(self, path: Path, private: PrivateDirectory | None = None) -> None:
        self.edition = 0
        self._path = path
        self._private = private or PrivateDirectory(path.parent)
        self._connections: collections.deque[_Connection] = collections.deque()
        try:
            self._private.make_below(path.parent)
            try:
                self._prepare()
            except sqlite3.DatabaseError as error:
                if not _is_damage(error):
                    raise
        except CasfsError:
            raise
        except (OSError, sqlite3.OperationalError) as error:
            raise ConfigError(
                f"the catalogue {path} cannot be used ({error}); give another --cache-dir"
            ) from error

    def close(self) -> None:
        """Close all connections that are not in use."""
        while self._connections:
            self._connections.pop().close()

    def rows(self, query: str, *values: Value) -> list[Any]:
        """Return what a query finds.

        Raises:
            CasfsError: the file cannot be read.
        """
        with self._borrow() as connection:
            return connection.execute(query, values).fetchall()

    @contextlib.contextmanager
    def transaction(self, bulk: bool = False) -> Iterator[sqlite3.Connection]:
        """Lend a connection for one transaction, which nobody else writes beside.

        Others wait for it, so it must be short, and wait for nothing itself.

        Args:
            bulk: it changes thousands of rows, which may lie anywhere in the file; it gets memory
                for them, or they would be written over and over before its end.

        Raises:
            CasfsError: the file cannot be read or written.
        """
        with self._borrow() as connection:
            connection.execute(f"PRAGMA cache_size = {-(_BULK_CACHE if bulk else _CACHE)}")
            connection.execute("BEGIN IMMEDIATE")
            yield connection
            if bulk:
                connection.commit()
                connection.execute("PRAGMA shrink_memory")

    @contextlib.contextmanager
    def _borrow(self) -> Iterator[_Connection]:
        try:
            with self._connection() as connection:
                yield connection
        except sqlite3.DatabaseError as error:
            if _is_damage(error):
                told = "was damaged and is begun anew; try again"
            else:
                told = f"failed ({error}); make room in the cache folder"
            raise CasfsError(f"the catalogue {self._path} {told}") from error

    @contextlib.contextmanager
    def _connection(self) -> Iterator[_Connection]:
        try:
            connection = self._connections.pop()
        except IndexError:
            connection = self._connect()
        try:
            connection.execute("PRAGMA synchronous = OFF")
            # Counts of folders go up to the root.
            connection.execute("PRAGMA recursive_triggers = ON")
            with connection:
                yield connection
        except BaseException as error:
            connection.close()
            if _is_damage(error):
                self._begin_anew(connection.inode, error)
            raise
        self._connections.append(connection)

    def _connect(self) -> _Connection:
        self._private.confirm()
        self._private.check_directory(self._path.parent)
        # SQLite follows links. It makes files by our umask, but those beside the first like that.
        for ending in ("", *_BESIDE):
            path = self._path.with_name(self._path.name + ending)
            self._private.check_file(path, written=True)
        # Never opened here: to close it would drop the locks that SQLite has on it.
        with contextlib.suppress(OSError):
            os.mknod(self._path, stat.S_IFREG | 0o600)
        # Looked up before: of a file that comes in between we know nothing, and do it no harm.
        inode = self._inode()
        connection = sqlite3.connect(
            self._path, timeout=_BUSY_SECONDS, check_same_thread=False, factory=_Connection
        )
        connection.inode = inode
        return connection

    def _begin_anew(self, inode: int | None, error: BaseException) -> None:
        """Put the file aside whose damage was found, unless somebody has done that already."""
        self.edition += 1
        self.close()
        with self._alone():
            if inode is None or self._inode() != inode:
                return
            log.warning("the catalogue %s is damaged and begun anew: %s", self._path, error)
            # What the old file's log holds must not be taken for the new one's.
            for ending in _BESIDE:
                self._path.with_name(self._path.name + ending).unlink(missing_ok=True)
            self._path.replace(self._path.with_suffix(".damaged"))
        self._prepare()

    def _inode(self) -> int | None:
        try:
            return self._path.stat().st_ino
        except FileNotFoundError:
            return None

    def _prepare(self) -> None:
        # Who turns the log on waits for nobody else who does, but fails at once.
        with self._connection() as connection, self._alone():
            connection.execute("PRAGMA journal_mode = WAL")
            schema.prepare(connection)

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """Keep other processes, and threads, from doing the same; for moments only.

        Raises:
            sqlite3.OperationalError: another one did not end in time; one that died holds no lock.
        """
        path = self._path.with_suffix(".lock")
        deadline = Deadline(_LOCK_SECONDS)
        with open(self._private.open(path, os.O_RDWR | os.O_CREAT), "r+b") as lock:
            while not _locked(lock):
                if deadline.passed():
                    raise sqlite3.OperationalError(
                        f"another process has held {path} for {deadline.seconds:g} s; end it"
                    )
                time.sleep(_LOCK_PAUSE)
            yield


def _locked(lock: BinaryIO) -> bool:
    """Take the lock on a file if nobody has it; tell whether it was taken."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        # Who begins the same file at the same moment may fail, and succeeds the next time.
        if error.errno not in _NO_LOCKS:
            raise
        log.info("the file system of the cache directory knows no locks: %s", error)
    return True


def _is_damage(error: BaseException) -> bool:
    if isinstance(error, sqlite3.OperationalError):
        # Text that is none was written as text once; Python tells of it by these words alone.
        return "Could not decode to UTF-8" in str(error)
    return isinstance(error, sqlite3.DatabaseError)
