"""The SQLite database of one emulator, and its transactions."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from casfs.emulator.engine import schema


class Database:
    """The open database; used by one thread at a time.

    Args:
        file: the database file; created if missing.
        service: the service whose state it holds.

    Raises:
        OSError: it holds the state of another service or of another version of casfs.
    """

    def __init__(self, file: Path, service: str) -> None:
        self.rows = sqlite3.connect(file, timeout=60, isolation_level=None, check_same_thread=False)
        self.rows.execute("PRAGMA journal_mode=WAL")
        self.rows.execute("PRAGMA synchronous=NORMAL")
        try:
            schema.prepare(self.rows, service)
        except OSError:
            self.rows.close()
            raise

    def close(self) -> None:
        """Close the database."""
        self.rows.close()

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """Run a transaction: commit at the end, roll back if there is an exception.

        A nested call joins the transaction that is open.
        """
        if self.rows.in_transaction:
            yield self.rows
            return
        self.rows.execute("BEGIN IMMEDIATE")
        try:
            yield self.rows
        except BaseException:
            self.rows.execute("ROLLBACK")
            raise
        self.rows.execute("COMMIT")
