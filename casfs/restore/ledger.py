"""Writes the ledger: what is about to be sent is on the disk before it is sent.

Nothing here is ever set aside or rebuilt: whoever forgets a request asks, and pays, twice.

Lock order: the ledger's one lock is innermost; it is held for a transaction, which waits for the
disk and for other processes that write, up to `_BUSY_SECONDS`.
"""

import contextlib
import os
import secrets
import sqlite3
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from casfs.errors import CasfsError, ConfigError, LedgerError
from casfs.ledger.files import BESIDE, LEDGER, state_directory
from casfs.ledger.request import (
    COLUMNS,
    TO_THE_END,
    Request,
    RequestState,
    from_row,
    to_column,
    to_microseconds,
)
from casfs.restore import ledger_schema
from casfs.restore.clock import now
from casfs.restore.owners import OwnerLocks
from casfs.restore.prices import Load, load_of

_BUSY_SECONDS = 30.0
_PAGE = 1000
SAME_RESTORE = timedelta(days=30)
"""A command with the selection of an earlier one continues that restore, unless it was last run
longer ago than this."""


@dataclass(frozen=True, slots=True)
class Intent:
    """What is about to be requested.

    Attributes:
        kind: `archive` or `inventory`.
        archive: id of the archive; of an inventory, what distinguishes it from others.
        first: first byte.
        last: last byte, or `TO_THE_END`.
        size: bytes, None if unknown.
        cost: estimated price of retrieval and requests, None if unknown.
        currency: of `cost`.
    """

    kind: str
    archive: str
    first: int
    last: int
    size: int | None
    cost: Decimal | None = None
    currency: str | None = None


Check = Callable[[list[Load]], None]
"""Raises if what a restore would have requested is too much."""


class Ledger:
    """The requests of one vault's account on this machine. A context manager.

    Args:
        directory: the state directory.
        account: identifies the account, as `account_key` returns it.
        vault: name of the vault.

    Attributes:
        path: of the file, for messages.

    Raises:
        LedgerError: it cannot be created, read, written or understood.
    """

    def __init__(self, directory: Path, account: str, vault: str) -> None:
        self.path = directory / LEDGER
        self._whose = (account, to_column(vault))
        self._lock = threading.Lock()
        with self._explained():
            private = state_directory(directory)
            private.make()
            self.path = private.path / LEDGER
            ledger_schema.create(private)
            for ending in ("", *BESIDE):
                private.check_file(self.path.with_name(LEDGER + ending), written=True)
            self._inode = os.stat(self.path).st_ino
            self._connection = sqlite3.connect(
                self.path, timeout=_BUSY_SECONDS, check_same_thread=False, isolation_level=None
            )
        try:
            with self._explained():
                ledger_schema.check(self._connection, self.path)
                self._connection.execute("PRAGMA journal_mode = WAL")
                self._connection.execute("PRAGMA synchronous = FULL")
                self._owners = OwnerLocks(private)
                self.owner = self._register()
                self._owners.take(self.owner)
        except BaseException:
            self._connection.close()
            raise

    def __enter__(self) -> "Ledger":
        return self

    def __exit__(self, *error: object) -> None:
        """Close it."""
        self.close()

    def close(self) -> None:
        """Close the file, and release this process's requests to others."""
        self._connection.close()
        self._owners.close()

    def run_of(self, selection: str) -> str:
        """Return the restore that a selection belongs to: one that was begun, or a new one.

        Raises:
            LedgerError: the file fails.
        """
        time = now().time
        since = to_microseconds(time - SAME_RESTORE)
        with self._transaction() as connection:
            found = connection.execute(
                """SELECT id FROM runs WHERE account = ? AND vault = ? AND selection = ?
                AND used >= ? ORDER BY used DESC LIMIT 1""",
                (*self._whose, selection, since),
            ).fetchall()
            run: str = found[0][0] if found else secrets.token_hex(6)
            connection.execute(
                """INSERT INTO runs VALUES (?, ?, ?, ?, ?)
                ON CONFLICT DO UPDATE SET used = excluded.used""",
                (run, *self._whose, selection, to_microseconds(time)),
            )
        return run

    def intend(self, intent: Intent, run: str, tier: str, check: Check) -> Request | None:
        """Commit an intent; when this returns, it is on the disk.

        Args:
            intent: what will be requested.
            run: the restore that it belongs to.
            tier: at which it is requested.
            check: is called, in the transaction, with what the restore has requested with this.

        Returns:
            The request, None if the same, or more of the archive, is requested already.

        Raises:
            LedgerError: the file fails: nothing may be sent.
            Exception: what `check` raises; nothing is committed then.
        """
        moment = now()
        token = f"casfs-{secrets.token_hex(8)}"
        values = {
            "account": self._whose[0],
            "vault": self._whose[1],
            "kind": intent.kind,
            "archive": to_column(intent.archive),
            "first": intent.first,
            "last": intent.last,
            "size": intent.size,
            "tier": tier,
            "token": token,
            "state": RequestState.INTENDED.value,
            "run": run,
            "owner": self.owner,
            "boot": moment.boot,
            "uptime": moment.uptime,
            "intended": to_microseconds(moment.time),
            "cost": None if intent.cost is None else str(intent.cost),
            "currency": intent.currency,
            "gets": load_of(tier, intent.size).gets,
        }
        marks = ", ".join(f":{name}" for name in values)
        insert = f"INSERT INTO requests ({', '.join(values)}) VALUES ({marks})"  # noqa: S608 - constants
        with self._transaction() as connection:
            if connection.execute(_COVERED, values | {"to_the_end": TO_THE_END}).fetchall():
                return None
            number = connection.execute(insert, values).lastrowid
            check(_totals(connection, run))
            rows = connection.execute(f"{_SELECT} WHERE number = ?", (number,)).fetchall()
        return from_row(rows[0])

    def note(
        self,
        request: Request,
        state: RequestState,
        job: str | None = None,
        reason: str | None = None,
    ) -> None:
        """Record what became of a request.

        Raises:
            LedgerError: the file fails.
        """
        self.note_all([(request, state, job, reason)])

    def note_all(self, notes: list[tuple[Request, RequestState, str | None, str | None]]) -> None:
        """Record what became of requests, in one transaction.

        Raises:
            LedgerError: the file fails.
        """
        time = to_microseconds(now().time)
        rows = [
            (state.value, state.is_final, job, reason, time, request.number)
            for request, state, job, reason in notes
        ]
        with self._transaction() as connection:
            connection.executemany(
                """UPDATE requests SET state = ?, final = ?, job = ifnull(?, job), reason = ?,
                answered = ifnull(answered, ?) WHERE number = ? AND final = 0""",
                rows,
            )

    def open_requests(self) -> Iterator[Request]:
        """Yield the requests of the vault that may still bring something, the earliest first.

        Raises:
            LedgerError: the file fails.
        """
        where = "account = ? AND vault = ? AND final = 0"
        yield from self._pages(where, self._whose)

    def lost(self, run: str) -> Iterator[Request]:
        """Yield the requests of a restore that failed or expired, the earliest first.

        Raises:
            LedgerError: the file fails.
        """
        yield from self._pages("run = ? AND state IN ('failed', 'expired')", (run,))

    def requested_since(self, run: str, uptime_seconds: timedelta) -> int:
        """Return the bytes that a restore requested in the last time, by the wall clock.

        Raises:
            LedgerError: the file fails.
        """
        since = to_microseconds(now().time - uptime_seconds)
        query = """SELECT ifnull(sum(size), 0) FROM requests
            WHERE run = ? AND state <> 'refused' AND intended >= ?"""
        return int(self._rows(query, (run, since))[0][0])

    def spent(self, run: str) -> list[Load]:
        """Return what a restore has requested, refusals aside.

        Raises:
            LedgerError: the file fails.
        """
        with self._lock, self._explained():
            return _totals(self._connection, run)

    def is_alive(self, owner: int) -> bool:
        """Return whether the process that sent a request is running.

        Raises:
            LedgerError: the file of owners fails.
        """
        with self._explained():
            return self._owners.is_alive(owner)

    def _pages(self, where: str, values: tuple[Any, ...]) -> Iterator[Request]:
        last = -1
        query = f"{_SELECT} WHERE {where} AND number > ? ORDER BY number LIMIT ?"
        while rows := self._rows(query, (*values, last, _PAGE)):
            found = [from_row(row) for row in rows]
            yield from found
            last = found[-1].number

    def _register(self) -> int:
        with self._transaction() as connection:
            time = to_microseconds(now().time)
            made = connection.execute(
                "INSERT INTO owners (pid, begun) VALUES (?, ?)", (os.getpid(), time)
            )
        return int(made.lastrowid or 0)

    def _rows(self, query: str, values: tuple[Any, ...]) -> list[Any]:
        with self._lock, self._explained():
            return self._connection.execute(query, values).fetchall()

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._lock, self._explained():
            if os.stat(self.path).st_ino != self._inode:
                raise OSError("it was replaced while casfs was running")
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except ConfigError as error:
            raise LedgerError(f"{error}; nothing is sent without {self.path}") from error
        except CasfsError:
            raise
        except (OSError, sqlite3.Error) as error:
            reason = error.strerror if isinstance(error, OSError) and error.strerror else error
            raise LedgerError(
                f"the record of requests {self.path} cannot be used ({reason}); nothing is sent "
                "without it. Free space, correct its permissions, or restore it from a backup"
            ) from error


def _totals(connection: sqlite3.Connection, run: str) -> list[Load]:
    rows = connection.execute(
        "SELECT tier, jobs, iif(unsized, NULL, bytes), gets FROM totals WHERE run = ?", (run,)
    )
    return [Load(*row) for row in rows.fetchall()]


_SELECT = f"SELECT {COLUMNS} FROM requests"  # noqa: S608 - constants
_COVERED = """SELECT 1 FROM requests WHERE account = :account AND vault = :vault
    AND archive = :archive AND kind = :kind AND final = 0 AND first <= :first
    AND (last = :to_the_end OR (:last <> :to_the_end AND last >= :last)) LIMIT 1"""
