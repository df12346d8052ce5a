"""The file of the ledger: open, locked, checked; its failures are explained, and end everything.

Nothing here is ever set aside or rebuilt: whoever forgets a request asks, and pays, twice.

Lock order: the file's one lock is innermost; it is held for a transaction, which waits for the disk
and for other processes that write, up to `_BUSY_SECONDS`.
"""

import contextlib
import os
import sqlite3
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

from casfs.errors import CasfsError, ConfigError, LedgerError
from casfs.ledger.files import BESIDE, LEDGER, state_directory
from casfs.ledger.request import to_microseconds
from casfs.private import PrivateDirectory
from casfs.reasons import reason
from casfs.restore import ledger_schema
from casfs.restore.clock import now
from casfs.restore.owners import OwnerLocks

_BUSY_SECONDS = 30.0
Read = TypeVar("Read")


class LedgerFile:
    """The file of the ledger, as one process that sends requests has it.

    Args:
        directory: the state directory.
        dry_run: whether to work with a copy that is dropped, and to write nothing.

    Attributes:
        path: of the file, for messages.
        owner: number of this process in it.

    Raises:
        LedgerError: it cannot be created, read, written or understood.
    """

    def __init__(self, directory: Path, *, dry_run: bool = False) -> None:
        self.path = directory / LEDGER
        self._lock = threading.Lock()
        self._inode: int | None = None
        self._owners: OwnerLocks | None = None
        with self._explained():
            private = state_directory(directory)
            self._connection = self._copied(private) if dry_run else self._opened(private)
        try:
            with self._explained():
                ledger_schema.check(self._connection, self.path)
                if dry_run:
                    self._owners = OwnerLocks.of_others(private)
                else:
                    self._connection.execute("PRAGMA journal_mode = WAL")
                    self._connection.execute("PRAGMA synchronous = FULL")
                    self._owners = OwnerLocks(private)
                self.owner = self._register()
                if self._owners is not None and not dry_run:
                    self._owners.take(self.owner)
        except BaseException:
            self._connection.close()
            raise

    def _opened(self, private: PrivateDirectory) -> sqlite3.Connection:
        private.make()
        self.path = private.path / LEDGER
        ledger_schema.create(private)
        self._check_files(private)
        self._inode = os.stat(self.path).st_ino
        connection = sqlite3.connect(
            self.path, timeout=_BUSY_SECONDS, check_same_thread=False, isolation_level=None
        )
        try:
            ledger_schema.extend(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _copied(self, private: PrivateDirectory) -> sqlite3.Connection:
        """Return a copy of the file in a temporary one, which SQLite removes."""
        copy = sqlite3.connect("", check_same_thread=False, isolation_level=None)
        try:
            if os.path.lexists(self.path):
                private.make()
                self.path = private.path / LEDGER
                self._check_files(private)
                uri = f"file:{quote(str(self.path))}?mode=ro"
                with contextlib.closing(
                    sqlite3.connect(uri, timeout=_BUSY_SECONDS, uri=True)
                ) as connection:
                    connection.backup(copy)
            else:
                ledger_schema.fill(copy)
            ledger_schema.extend(copy)
        except BaseException:
            copy.close()
            raise
        return copy

    def _check_files(self, private: PrivateDirectory) -> None:
        for ending in ("", *BESIDE):
            private.check_file(self.path.with_name(LEDGER + ending), written=True)

    def close(self) -> None:
        """Close the file, and release this process's requests to others."""
        self._connection.close()
        if self._owners is not None:
            self._owners.close()

    def is_alive(self, owner: int) -> bool:
        """Return whether the process with a number is running.

        Raises:
            LedgerError: the file of owners fails.
        """
        if self._owners is None:
            return False
        with self._explained():
            return self._owners.is_alive(owner)

    def rows(self, query: str, values: tuple[Any, ...]) -> list[Any]:
        """Return what a query finds.

        Raises:
            LedgerError: the file fails.
        """
        with self._lock, self._explained():
            return self._connection.execute(query, values).fetchall()

    def read(self, reader: Callable[[Any], Read], rows: list[Any]) -> list[Read]:
        """Return what a reader makes of rows.

        Raises:
            LedgerError: it raises ValueError: a row is damaged.
        """
        try:
            return [reader(row) for row in rows]
        except ValueError as error:
            raise LedgerError(
                f"the record of requests {self.path} is damaged ({reason(error)}); nothing is sent "
                "without it. Restore it from a backup"
            ) from error

    @contextlib.contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Lend the connection for a transaction; when the context ends, it is on the disk.

        Raises:
            LedgerError: the file fails, or is no longer the one that was opened.
        """
        with self._lock, self._explained():
            if self._inode is not None and os.stat(self.path).st_ino != self._inode:
                raise OSError("it was replaced while casfs was running")
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise

    def _register(self) -> int:
        with self.transaction() as connection:
            time = to_microseconds(now().time)
            made = connection.execute(
                "INSERT INTO owners (pid, begun) VALUES (?, ?)", (os.getpid(), time)
            )
        return int(made.lastrowid or 0)

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except ConfigError as error:
            raise LedgerError(f"{error}; nothing is sent without {self.path}") from error
        except (OSError, sqlite3.Error) as error:
            if isinstance(error, CasfsError):
                raise
            raise LedgerError(
                f"the record of requests {self.path} cannot be used ({reason(error)}); nothing is "
                "sent without it. Free space, correct its permissions, or restore it from a backup"
            ) from error
