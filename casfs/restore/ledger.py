"""Writes the ledger: what is about to be sent is on the disk before it is sent."""

import secrets
from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from casfs.ledger.request import (
    Request,
    RequestState,
    from_row,
    to_column,
    to_microseconds,
    to_text,
)
from casfs.restore.clock import now
from casfs.restore.intents import (
    SELECT,
    TOTALS,
    Check,
    Intent,
    IntentTerms,
    commit_intent,
    stamp,
)
from casfs.restore.ledger_file import LedgerFile
from casfs.restore.prices import Load

_PAGE = 1000
SAME_RESTORE = timedelta(days=30)
"""A command with the selection of an earlier one continues that restore, unless it was last run
longer ago than this."""


class Ledger:
    """The requests of one vault's account on this machine. A context manager.

    Args:
        directory: the state directory.
        account: identifies the account, as `account_key` returns it.
        vault: name of the vault.
        dry_run: whether everything is written to a copy, which is dropped: nothing may be sent.

    Raises:
        LedgerError: it cannot be created, read, written or understood.
    """

    def __init__(self, directory: Path, account: str, vault: str, *, dry_run: bool = False) -> None:
        self._whose = (account, to_column(vault))
        self._file = LedgerFile(directory, dry_run=dry_run)

    @property
    def path(self) -> Path:
        """Return the path of the file."""
        return self._file.path

    @property
    def owner(self) -> int:
        """Return the number of this process."""
        return self._file.owner

    def __enter__(self) -> "Ledger":
        return self

    def __exit__(self, *error: object) -> None:
        """Close it."""
        self.close()

    def close(self) -> None:
        """Close the file, and release this process's requests to others."""
        self._file.close()

    def run_of(self, selection: str) -> str:
        """Return the restore that a selection belongs to: one that was begun, or a new one.

        Raises:
            LedgerError: the file fails.
        """
        time = now().time
        since = to_microseconds(time - SAME_RESTORE)
        with self._file.transaction() as connection:
            found = connection.execute(
                """SELECT id FROM runs WHERE account = ? AND vault = ? AND selection = ?
                AND used >= ? ORDER BY used DESC LIMIT 1""",
                (*self._whose, selection, since),
            ).fetchall()
            run: str = found[0][0] if found else secrets.token_hex(6)
            connection.execute(
                """INSERT INTO runs VALUES (?, ?, ?, ?, ?)
                ON CONFLICT DO UPDATE SET used = max(used, excluded.used)""",
                (run, *self._whose, selection, to_microseconds(time)),
            )
        return run

    def intend(
        self,
        intent: Intent,
        run: str,
        tier: str,
        check: Check,
        replaced: Sequence[int] = (),
    ) -> Request | None:
        """Commit an intent; when this returns, it is on the disk.

        Args:
            intent: what will be requested.
            run: the restore that it belongs to.
            tier: at which it is requested.
            check: is called, in the transaction, with what the restore has requested with this.
            replaced: numbers of requests whose outputs expire too soon to be fetched; they are
                marked as expired in the same transaction.

        Returns:
            The request, None if the same, or more of the archive, is requested already.

        Raises:
            LedgerError: the file fails: nothing may be sent.
            Exception: what `check` raises; nothing is committed then.
        """
        terms = IntentTerms(run, tier, check)
        return commit_intent(self._file, self._whose, intent, terms, replaced)

    def renew(self, request: Request) -> None:
        """Commit that a request, which was surely not accepted, is about to be sent again.

        Raises:
            LedgerError: the file fails: nothing may be sent.
        """
        update = "UPDATE requests SET boot = :boot, uptime = :uptime WHERE number = :number"
        with self._file.transaction() as connection:
            connection.execute(update, {**stamp(now()), "number": request.number})

    def note(
        self,
        request: Request,
        state: RequestState,
        job: str | None = None,
        reason: str | None = None,
    ) -> None:
        """Record what became of a request that this process sent.

        Raises:
            LedgerError: the file fails.
        """
        self._note([(request, state, job, reason)], "")

    def note_settled(
        self, notes: list[tuple[Request, RequestState, str | None, str | None]]
    ) -> None:
        """Record what a list of jobs says of requests, unless others have meanwhile.

        Raises:
            LedgerError: the file fails.
        """
        self._note(notes, "AND state = :before")

    def note_outputs(
        self, jobs: Sequence[str], state: RequestState, reason: str | None = None
    ) -> None:
        """Record what became of the outputs of jobs, for the requests that started them.

        Raises:
            LedgerError: the file fails.
        """
        update = """UPDATE requests SET state = ?, final = ?, reason = ?
            WHERE account = ? AND vault = ? AND job = ? AND final = 0"""
        facts = (state.value, state.is_final, reason, *self._whose)
        with self._file.transaction() as connection:
            connection.executemany(update, [(*facts, to_column(job)) for job in jobs])

    def _note(
        self, notes: list[tuple[Request, RequestState, str | None, str | None]], condition: str
    ) -> None:
        rows: list[dict[str, Any]] = [
            {
                "number": request.number,
                "before": request.state.value,
                "state": state.value,
                "final": state.is_final,
                "job": None if job is None else to_column(job),
                "reason": None if reason is None else to_column(reason),
                "stamps": state is RequestState.UNCERTAIN and request.state is not state,
            }
            for request, state, job, reason in notes
        ]
        update = f"""UPDATE requests SET state = :state, final = :final, job = ifnull(:job, job),
            reason = :reason, answered = ifnull(answered, :intended),
            boot = iif(:stamps, :boot, boot), uptime = iif(:stamps, :uptime, uptime)
            WHERE number = :number AND final = 0 {condition}"""  # noqa: S608 - constants
        with self._file.transaction() as connection:
            moment = stamp(now())
            connection.executemany(update, [row | moment for row in rows])

    def request(self, number: int) -> Request:
        """Return a request as it is now.

        Raises:
            LedgerError: the file fails.
        """
        rows = self._file.rows(f"{SELECT} WHERE number = ?", (number,))
        return self._file.read(from_row, rows)[0]

    def open_requests(self) -> Iterator[Request]:
        """Yield the requests of the vault that may still bring something, the earliest first.

        Raises:
            LedgerError: the file fails.
        """
        where = "account = ? AND vault = ? AND final = 0"
        yield from self._pages(where, self._whose)

    def lost(self) -> Iterator[Request]:
        """Yield what was requested lately and failed or expired, the earliest first.

        Raises:
            LedgerError: the file fails.
        """
        since = to_microseconds(now().time - SAME_RESTORE)
        where = "account = ? AND vault = ? AND state IN ('failed', 'expired') AND intended >= ?"
        yield from self._pages(where, (*self._whose, since))

    def requested_since(self, run: str, span: timedelta) -> int:
        """Return the bytes that a restore requested in the last time.

        In this boot that goes by the clock that nobody sets, else by the wall clock.

        Raises:
            LedgerError: the file fails.
        """
        moment = now()
        since = (moment.boot, moment.uptime - span.total_seconds())
        query = """SELECT ifnull(sum(size), 0) FROM requests
            WHERE run = ? AND state <> 'refused' AND iif(boot = ?, uptime >= ?, intended >= ?)"""
        values = (run, *since, to_microseconds(moment.time - span))
        return int(self._file.rows(query, values)[0][0])

    def spent(self, run: str) -> list[Load]:
        """Return what a restore has requested, refusals aside.

        Raises:
            LedgerError: the file fails.
        """
        return [Load(*row) for row in self._file.rows(TOTALS, (run,))]

    def adopt(self, run: str, job: str | None) -> None:
        """Record the job of somebody else that a restore goes on after, None for none any more.

        Raises:
            LedgerError: the file fails.
        """
        with self._file.transaction() as connection:
            connection.execute("DELETE FROM adoptions WHERE run = ?", (run,))
            if job is not None:
                values = (run, to_column(job))
                connection.execute("INSERT INTO adoptions (run, job) VALUES (?, ?)", values)

    def adopted(self, run: str) -> str | None:
        """Return the job that `adopt` recorded, None if there is none.

        Raises:
            LedgerError: the file fails.
        """
        rows = self._file.rows("SELECT job FROM adoptions WHERE run = ?", (run,))
        return to_text(rows[0][0]) if rows else None

    def is_alive(self, owner: int) -> bool:
        """Return whether the process that sent a request is running.

        Raises:
            LedgerError: the file of owners fails.
        """
        return self._file.is_alive(owner)

    def _pages(self, where: str, values: tuple[Any, ...]) -> Iterator[Request]:
        last = -1
        query = f"{SELECT} WHERE {where} AND number > ? ORDER BY number LIMIT ?"
        while rows := self._file.rows(query, (*values, last, _PAGE)):
            found = self._file.read(from_row, rows)
            yield from found
            last = found[-1].number
