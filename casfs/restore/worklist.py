"""The archives of a restore and how far each is, in a temporary file: a million take no memory.

Lock order: the one lock guards the connection, and is innermost.
"""

import sqlite3
import threading
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from casfs.client import RestorableFile, Selected
from casfs.ledger.request import to_column, to_microseconds, to_text, to_time
from casfs.restore.work_items import NEVER, Again, Stage, Totals, WorkItem
from casfs.restore.worklist_tables import COUNT, INDEXES, INSERT, ITEM, TABLES

_AT_ONCE = 1000


class Worklist:
    """The archives of a restore. A context manager.

    Attributes:
        allocated: bytes of the disk that files take which earlier runs began: they need no room.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._connection = sqlite3.connect("", check_same_thread=False, isolation_level=None)
        for statement in TABLES:
            self._connection.execute(statement)
        self._connection.execute("BEGIN")
        self._new: dict[str, dict[str, Any]] = {}
        """Rows that are not in the table yet, by archive."""
        self._indexed = False
        self._undecided = False
        """Of some, something must be decided."""
        self.allocated = 0

    def __enter__(self) -> "Worklist":
        return self

    def __exit__(self, *error: object) -> None:
        """Remove it."""
        self._connection.close()

    def add(
        self,
        file: RestorableFile,
        stage: Stage,
        *,
        replace: bool = False,
        here: bool = False,
        reason: str = "",
    ) -> None:
        """Add an archive; see `WorkItem`."""
        # Numbers and text alone: SQLite takes anything else several times as slowly.
        row: dict[str, Any] = {
            "archive": to_column(file.archive),
            "path": to_column(file.path),
            "size": file.size,
            "mtime": str(file.mtime),
            "tree_hash": file.tree_hash,
            "created": file.created,
            "stage": stage.value,
            "replace": int(replace),
            "here": int(here),
            "reason": reason,
            "expires": None,
            "readable": None,
            "planned": 0,
            "again": 0,
            "agreed": 0,
        }
        with self._lock:
            if len(self._new) >= _AT_ONCE or file.archive in self._new:
                self._write()
            self._new[file.archive] = row

    def totals(self) -> dict[Stage, Totals]:
        """Return how many archives there are in each stage."""
        rows = self._rows("SELECT stage, archives, bytes FROM totals")
        found = {Stage(stage): Totals(*sums) for stage, *sums in rows}
        return {stage: found.get(stage, Totals()) for stage in Stage}

    def waiting(self) -> Iterator[Selected]:
        """Yield the archives that cannot be read yet, or not any more, as requests take them."""
        columns = "number, archive, path, size, created, tree_hash"
        for row in self._pages("stage = 'waiting'", columns):
            _, archive, path, size, created, tree_hash = row
            yield Selected(to_text(archive), to_text(path), size, created, tree_hash)

    def note_readable(self, archive: str, expires: datetime | None, now: datetime) -> None:
        """Note that a waiting archive can be read, and until when; None if it does not expire."""
        until = NEVER if expires is None else to_microseconds(expires)
        self._change_archive(
            archive,
            """UPDATE work SET stage = :stage, expires = :expires, again = :again,
            readable = ifnull(readable, :readable) WHERE archive = :archive AND stage = 'waiting'
            """,
            {
                "stage": "readable",
                "expires": until,
                "readable": to_microseconds(now),
                "again": Again.NO,
            },
        )

    def note_requested(self, archive: str, now: datetime) -> None:
        """Note that an archive was requested."""
        self._change(
            "UPDATE work SET requested = ?, readable = NULL, agreed = 0 WHERE archive = ?",
            (to_microseconds(now), to_column(archive)),
        )

    def note_planned(self, archive: str) -> None:
        """Note that an archive is to be requested, by a plan that the user will agree to."""
        statement = "UPDATE work SET planned = :planned WHERE archive = :archive"
        self._change_archive(archive, statement, {"planned": 1})

    def note_again(self, archive: str) -> None:
        """Note that what was requested for a waiting archive is lost, and nothing is decided."""
        self._change_archive(
            archive,
            """UPDATE work SET again = max(again, :again)
            WHERE archive = :archive AND stage = 'waiting'""",
            {"again": Again.LOST},
        )
        self._undecided = True

    def note_coming(self, archive: str) -> None:
        """Note that an archive comes after all: nothing need be decided of it any more."""
        # Asked for each archive of a vault, at each list of jobs.
        if self._undecided:
            statement = "UPDATE work SET again = :again WHERE archive = :archive AND again"
            self._change_archive(archive, statement, {"again": Again.NO})

    def note_asked(self) -> None:
        """Note that the user is asked whether to request again what is lost."""
        self._change("UPDATE work SET again = ? WHERE again = ?", (Again.ASKED, Again.LOST))

    def decide(self, lost: Again, refusal: str | None, refused: Stage = Stage.FAILED) -> None:
        """Decide whether what is lost is requested again.

        Args:
            lost: what that is: all of which nothing was asked, or all of which something was.
            refusal: why it is not; None if it is.
            refused: the stage of what is not: it cannot be restored, or another run does it.
        """
        if refusal is None:
            self._change(
                "UPDATE work SET planned = 1, agreed = 1, again = 0 WHERE again = ?", (lost,)
            )
        else:
            self._change(
                "UPDATE work SET stage = ?, reason = ?, again = 0 WHERE again = ?",
                (refused.value, refusal, lost),
            )
        self._undecided = bool(self._rows("SELECT 1 FROM work WHERE again LIMIT 1"))

    def is_agreed(self, archive: str) -> bool:
        """Return whether an archive is to be requested again, as the user agreed, and was not."""
        rows = self._rows("SELECT max(agreed) FROM work WHERE archive = ?", to_column(archive))
        return bool(rows[0][0])

    def unplanned(self) -> Iterator[str]:
        """Yield the waiting archives that no plan to which the user agreed has requested."""
        for _, archive in self._pages("stage = 'waiting' AND NOT planned", "number, archive"):
            yield to_text(archive)

    def note_lost(self, archive: str) -> None:
        """Note that what was requested for an archive is lost: requesting it again costs again."""
        self._change(
            "UPDATE work SET planned = 0, agreed = 0, here = 0 WHERE archive = ?",
            (to_column(archive),),
        )

    def fail(self, archive: str, reason: str) -> None:
        """Note that a waiting archive cannot be restored; `untold` yields it."""
        self._change_archive(
            archive,
            """UPDATE work SET stage = :stage, reason = :reason
            WHERE archive = :archive AND stage = 'waiting'""",
            {"stage": "failed", "reason": reason},
        )

    def take_readable(self, large: bool, count: int) -> list[WorkItem]:
        """Return archives that can be read, soonest expiry first; they are being fetched now.

        Args:
            large: whether large or small ones are wanted.
            count: most that are wanted.
        """
        query = f"""SELECT {ITEM} FROM work WHERE stage = 'readable' AND large = ?
            ORDER BY expires, number LIMIT ?"""  # noqa: S608 - constants
        with self._lock:
            self._settle()
            items = [_item(row) for row in self._connection.execute(query, (large, count))]
            self._connection.executemany(
                "UPDATE work SET stage = 'fetching' WHERE number = ?",
                [(item.number,) for item in items],
            )
        return items

    def to_fetch(self) -> Iterator[WorkItem]:
        """Yield what can be read and is not fetched, soonest expiry first."""
        last: tuple[int, int] = (-1, -1)
        query = f"""SELECT {ITEM} FROM work WHERE stage IN ('readable', 'fetching')
            AND (expires, number) > (?, ?) ORDER BY expires, number LIMIT {_AT_ONCE}"""  # noqa: S608
        while rows := self._rows(query, *last):
            items = [_item(row) for row in rows]
            yield from items
            last = (items[-1].expires or 0, items[-1].number)

    def set_stage(self, number: int, stage: Stage, size: int | None = None) -> None:
        """Note how far an archive is, and its size if that is known by now."""
        self._change(
            "UPDATE work SET stage = ?, size = ifnull(?, size) WHERE number = ?",
            (stage.value, size, number),
        )

    def untold(self, stage: Stage) -> Iterator[WorkItem]:
        """Yield the archives that were decided without being fetched, and not told yet."""
        for row in self._pages(f"stage = '{stage.value}' AND reason <> '' AND NOT told", ITEM):
            yield _item(row)

    def note_told(self, number: int) -> None:
        """Note that what became of an archive is told."""
        self._change("UPDATE work SET told = 1 WHERE number = ?", (number,))

    def soonest_expiry(self) -> datetime | None:
        """Return when the first of what is left to fetch expires, None if nothing does."""
        rows = self._rows(
            """SELECT expires FROM work WHERE stage IN ('readable', 'fetching')
            AND expires < ? ORDER BY expires LIMIT 1""",
            NEVER,
        )
        return to_time(rows[0][0]) if rows else None

    def _pages(self, where: str, columns: str) -> Iterator[tuple[Any, ...]]:
        last = 0
        query = f"SELECT {columns} FROM work WHERE {where} AND number > ? ORDER BY number LIMIT ?"  # noqa: S608
        while rows := self._rows(query, last, _AT_ONCE):
            yield from rows
            last = rows[-1][0]

    def _rows(self, query: str, *values: object) -> list[Any]:
        with self._lock:
            self._settle()
            return self._connection.execute(query, values).fetchall()

    def _change(self, statement: str, values: Sequence[object] | Mapping[str, object]) -> None:
        with self._lock:
            self._settle()
            self._connection.execute(statement, values)

    def _change_archive(self, archive: str, statement: str, changes: dict[str, Any]) -> None:
        """Change the row of an archive, in the table or before it gets there."""
        with self._lock:
            row = self._new.get(archive)
            if row is not None and row["stage"] == Stage.WAITING.value:
                row.update(changes)
                return
        self._change(statement, {**changes, "archive": to_column(archive)})

    def _settle(self) -> None:
        """Put all into the table, and make its indexes if there are any rows; the lock is held."""
        has_rows = bool(self._new)
        self._write()
        if has_rows and not self._indexed:
            for statement in INDEXES:
                self._connection.execute(statement)
            self._indexed = True

    def _write(self) -> None:
        if not self._new:
            return
        rows, self._new = list(self._new.values()), {}
        self._connection.executemany(INSERT, [tuple(row.values()) for row in rows])
        totals: Counter[str] = Counter()
        sizes: Counter[str] = Counter()
        for row in rows:
            totals[row["stage"]] += 1
            sizes[row["stage"]] += row["size"] or 0
        found = [(stage, count, sizes[stage]) for stage, count in totals.items()]
        self._connection.executemany(COUNT, found)


def _item(row: Sequence[Any]) -> WorkItem:
    item = WorkItem(*row)
    return item._replace(
        archive=to_text(row[1]),
        path=to_text(row[2]),
        mtime=int(row[4]),
        replace=bool(item.replace),
        here=bool(item.here),
    )
