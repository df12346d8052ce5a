"""The catalog in memory, for when its disk is full or fails: bounded, and lost with the process."""

import contextlib
import logging
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

from casfs.errors import ConfigError
from casfs.reasons import reason
from casfs.tree.sqlite import schema

log = logging.getLogger(__name__)

_BYTES = 64 << 20
_PAGE = 4096
_LISTINGS = ("listings", "newest_jobs", "vaults", "jobs")


class StandIn:
    """A catalog in memory that starts with the content of the file.

    Lock order: the lock is held for a transaction, which waits for nothing.

    Attributes:
        connection: to the catalog; borrow it.
        complete: whether everything in the file was copied.

    Raises:
        ConfigError: a newer casfs wrote the file.
    """

    def __init__(self, path: Path) -> None:
        self._lock = threading.RLock()
        self.connection = _connect_to_memory()
        self.complete = True
        if path.exists():
            try:
                self.complete = self._copy(path)
            except ConfigError:
                self.connection.close()
                raise
            except sqlite3.Error as error:
                log.warning("the catalog %s cannot be read: %s", path, reason(error))
                self.connection.close()
                self.connection = _connect_to_memory()
                self.complete = False
        self.connection.execute("PRAGMA recursive_triggers = ON")
        schema.prepare(self.connection, path)
        self.connection.commit()
        self.connection.execute(f"PRAGMA max_page_count = {_BYTES // _PAGE}")

    @contextlib.contextmanager
    def borrow(self) -> Iterator[sqlite3.Connection]:
        """Lend the connection; changes are committed if the context ends without an error."""
        with self._lock:
            within = self.connection.in_transaction
            try:
                yield self.connection
            except BaseException:
                self.connection.rollback()
                raise
            if not within:
                self.connection.commit()

    def _copy(self, path: Path) -> bool:
        with contextlib.closing(_open_to_read(path)) as file:
            schema.version_of(file, path)
            ((pages,),) = file.execute("PRAGMA page_count").fetchall()
            ((size,),) = file.execute("PRAGMA page_size").fetchall()
            if pages * size <= _BYTES // 2:
                file.backup(self.connection)
                return True
            # Which jobs exist, and which are retained although they have expired.
            schema.prepare(self.connection, path)
            for table in _LISTINGS:
                columns = [row[1] for row in file.execute(f"PRAGMA table_info({table})")]
                if not columns:
                    # The file is of an earlier version.
                    continue
                marks = ", ".join("?" * len(columns))
                into = f"INSERT OR REPLACE INTO {table} ({', '.join(columns)}) VALUES ({marks})"  # noqa: S608
                rows = file.execute(f"SELECT * FROM {table}")  # noqa: S608 - constants
                self.connection.executemany(into, rows)
            return False


def _connect_to_memory() -> sqlite3.Connection:
    connection = sqlite3.connect(":memory:", check_same_thread=False)
    connection.execute(f"PRAGMA page_size = {_PAGE}")
    return connection


def _open_to_read(path: Path) -> sqlite3.Connection:
    """Open the file for reading; if the disk does not even allow that, as immutable."""
    uri = f"file:{quote(str(path))}?mode=ro"
    file = sqlite3.connect(uri, uri=True)
    try:
        file.execute("SELECT 1 FROM sqlite_master").fetchall()
    except sqlite3.OperationalError:
        file.close()
        wal = path.with_name(path.name + "-wal")
        if wal.exists() and wal.stat().st_size:
            # What is there alone is missing in the file, which may be half of a step.
            raise
        file = sqlite3.connect(f"{uri}&immutable=1", uri=True)
    return file
