"""An account's SQLite file: threads, processes, corruption. Its tables are in schema.py.

Lock order: the lock on the file `.lock` is held briefly, while a new file is prepared or a corrupt
one moved aside; never for both at a time. The lock around leaving the disk is held once, while the
catalog is copied to memory; then the lock of the copy, for a transaction.
"""

import collections
import contextlib
import logging
import os
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from casfs.disks import trouble
from casfs.errors import CasfsError, CatalogError, ConfigError
from casfs.private import PrivateDirectory
from casfs.reasons import reason
from casfs.tree.sqlite import schema
from casfs.tree.sqlite.connection import (
    DamagedError,
    DiskFailedError,
    ReplayConnection,
    as_os_error,
    connect,
    is_busy,
    is_damage,
    is_disk_error,
    set_memory,
)
from casfs.tree.sqlite.database_file import DatabaseFile
from casfs.tree.sqlite.stand_in import StandIn
from casfs.tree.sqlite.values import Value

log = logging.getLogger(__name__)


class Database:
    """The file of one account's catalog.

    A connection of SQLite serves one thread at a time, so each call borrows one. Several processes
    may use one file. A corrupt one is moved aside and rebuilt: everything in it can be asked for
    again, except which expired jobs are still fully cached.

    Args:
        path: of the file.
        private: the cache directory that it is in; its own directory if none is given.

    Attributes:
        incarnation: counts how often the file was rebuilt: what was in it before is lost.

    Raises:
        ConfigError: the directory is not writable, or open to others; a newer casfs wrote the file.
    """

    def __init__(self, path: Path, private: PrivateDirectory | None = None) -> None:
        self.incarnation = 0
        self._path = path
        self._leaving = threading.Lock()
        self._stand_in: StandIn | None = None
        self._why: OSError | None = None
        self._private = private or PrivateDirectory(path.parent)
        self._connections: collections.deque[ReplayConnection] = collections.deque()
        self._file = DatabaseFile(path, self._private)
        try:
            self._private.make_below(path.parent)
            try:
                self._prepare()
            except sqlite3.DatabaseError as error:
                if not is_damage(error):
                    raise
        except CasfsError:
            raise
        except (OSError, sqlite3.OperationalError) as error:
            if not is_disk_error(error):
                raise ConfigError(
                    f"the catalog {path} cannot be used ({reason(error)}); give another --cache-dir"
                ) from error
            self._leave_disk(error)

    def check(self, limit: int) -> None:
        """Rebuild the file if it is corrupt, as a power failure may leave it.

        Args:
            limit: size in bytes up to which a file is checked; corruption in a larger one shows
                when it is hit.

        Raises:
            CatalogError: the file cannot be read.
        """
        if self._stand_in is not None or os.path.getsize(self._path) > limit:
            return
        with contextlib.suppress(DamagedError), self._borrow() as connection:
            ((told,),) = connection.execute("PRAGMA quick_check(1)").fetchall()
            if told != "ok":
                raise sqlite3.DatabaseError(told)

    def close(self) -> None:
        """Close all connections that are not in use."""
        while self._connections:
            self._connections.pop().close()

    def rows(self, query: str, *values: Value) -> list[Any]:
        """Return what a query finds.

        Raises:
            CatalogError: the file cannot be read.
        """
        try:
            with self._borrow() as connection:
                return connection.execute(query, values).fetchall()
        except DiskFailedError:
            with self._borrow() as connection:
                return connection.execute(query, values).fetchall()

    @contextlib.contextmanager
    def transaction(self, bulk: bool = False, rows: bool = False) -> Iterator[sqlite3.Connection]:
        """Lend a connection for one transaction, during which nobody else writes.

        Others wait for it, so it must be short, and wait for nothing itself.

        Args:
            bulk: it changes thousands of rows anywhere in the file; it gets memory for them, or
                their pages would be written again and again before its end.
            rows: it writes thousands of rows, each with a statement of its own.

        Raises:
            CatalogError: the file cannot be read or written.
        """
        with self._borrow() as connection:
            set_memory(connection, bulk, rows)
            connection.execute("BEGIN IMMEDIATE")
            yield connection
            if bulk:
                connection.commit()
                connection.execute("PRAGMA shrink_memory")

    @contextlib.contextmanager
    def _borrow(self) -> Iterator[sqlite3.Connection]:
        try:
            with self._connection() as connection:
                yield connection
        except sqlite3.DatabaseError as error:
            if is_damage(error):
                raise DamagedError(
                    f"the catalog {self._path} was corrupt and is being rebuilt; try again"
                ) from error
            if self._stand_in is not None:
                told = (
                    f"is in memory because {trouble(self._path, self._why)}, and has no room there "
                    f"({reason(error)}); free space on the disk, and mount again"
                )
            elif is_busy(error):
                told = "is being written by another process, and that takes long; try again later"
            else:
                told = f"failed ({reason(error)}); free space in the cache directory"
            raise CatalogError(f"the catalog {self._path} {told}") from error

    @contextlib.contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        connection = self._take()
        if isinstance(connection, StandIn):
            with connection.borrow() as memory:
                yield memory
            return
        with contextlib.ExitStack() as stack:
            connection.begin(lambda error: stack.enter_context(self._leave_disk(error).borrow()))
            try:
                connection.set_up()
                yield connection
                connection.commit()
            except BaseException as error:
                connection.rollback()
                self._drop(connection, error)
                if is_disk_error(error) and self._stand_in is None:
                    self._leave_disk(error)
                    raise DiskFailedError(
                        f"the catalog {self._path} cannot be read ({reason(error)}); try again"
                    ) from error
                raise
            if connection.instead is not None:
                connection.close()
                return
        connection.rescue = None
        self._connections.append(connection)

    def _take(self) -> ReplayConnection | StandIn:
        """Return a connection to the file, or the catalog in memory if the disk fails."""
        if self._stand_in is not None:
            return self._stand_in
        with contextlib.suppress(IndexError):
            connection = self._connections.pop()
            if self._file.is_open_in(connection):
                return connection
            self._make_again(connection)
        try:
            return self._connect()
        except CasfsError:
            raise
        except (OSError, sqlite3.OperationalError) as error:
            if is_disk_error(error):
                return self._leave_disk(error)
            if isinstance(error, sqlite3.Error):
                raise
            raise CatalogError(
                f"the catalog {self._path} cannot be opened ({error.strerror}); "
                "check the permissions of its directory"
            ) from error

    def _make_again(self, removed: ReplayConnection) -> None:
        try:
            self._file.recreate(removed)
        finally:
            removed.close()
            self.close()

    def _leave_disk(self, error: BaseException) -> StandIn:
        """Continue in memory, with what can be read from the disk."""
        with self._leaving:
            if self._stand_in is not None:
                return self._stand_in
            self._why = as_os_error(error)
            log.warning(
                "keeping the catalog in memory until the next mount, because %s: %s",
                trouble(self._path, self._why),
                error,
            )
            stand_in = StandIn(self._path)
            self.incarnation += not stand_in.complete
            self._stand_in = stand_in
            return stand_in

    def _connect(self) -> ReplayConnection:
        connection = connect(self._path, self._private)
        try:
            if schema.version_of(connection, self._path) == 0:
                self._make_tables(connection)
                self.incarnation += 1
                raise DamagedError(
                    f"the catalog {self._path} was deleted and is being rebuilt; try again"
                )
        except BaseException as error:
            self._drop(connection, error)
            raise
        return connection

    def _drop(self, connection: ReplayConnection, error: BaseException) -> None:
        """Close a connection that failed, and rebuild the file if it is corrupt."""
        connection.close()
        if is_damage(error):
            self._begin_anew(connection.inode, error)

    def _begin_anew(self, inode: int | None, error: BaseException) -> None:
        """Move a corrupt file aside, unless somebody has already done so."""
        self.incarnation += 1
        self.close()
        if self._file.move_aside(inode, error):
            self._prepare()

    def _prepare(self) -> None:
        # Turning the log on does not wait for others who do the same, but fails at once.
        connection = connect(self._path, self._private)
        try:
            self._make_tables(connection)
        except BaseException as error:
            self._drop(connection, error)
            raise
        self._connections.append(connection)

    def _make_tables(self, connection: ReplayConnection) -> None:
        with self._file.alone():
            schema.prepare(connection, self._path)
            connection.commit()
