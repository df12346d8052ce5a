"""The archives of a restore and how far each is, in a temporary file: a million take no memory.

Lock order: the one lock guards the connection, and is innermost.
"""

import sqlite3
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from typing import Any, NamedTuple

from casfs.client import RestorableFile, Selected
from casfs.ledger.request import to_column, to_microseconds, to_text, to_time
from casfs.restore.fetch_order import LARGE

_AT_ONCE = 1000
_NEVER = to_microseconds(datetime.max.replace(tzinfo=UTC))


class Stage(Enum):
    """How far an archive is."""

    WAITING = "waiting"
    """It cannot be read yet."""
    READABLE = "readable"
    FETCHING = "fetching"
    RESTORED = "restored"
    SKIPPED = "skipped"
    FAILED = "failed"
    LEFT = "left"
    """It is left to another run: the service fails."""


class WorkItem(NamedTuple):
    """An archive that is to be restored; times are microseconds since 1970, None is unknown.

    Attributes:
        number: identifies it here.
        mtime: nanoseconds since 1970.
        expires: when its output expires.
        requested: when this restore requested it.
        readable: when it was first seen to be readable.
        replace: a file was there that may be replaced by it.
        here: all of its bytes seem to be in its file already, which only lacks its name.
        reason: why it is skipped, or cannot be restored.
    """

    number: int
    archive: str
    path: str
    size: int | None
    mtime: int
    tree_hash: str | None
    expires: int | None
    requested: int | None
    readable: int | None
    replace: bool
    here: bool = False
    reason: str = ""

    @property
    def expiry(self) -> datetime | None:
        """Return when its output expires, UTC; None if that is unknown, or it does not."""
        return None if self.expires is None or self.expires >= _NEVER else to_time(self.expires)

    @property
    def file(self) -> RestorableFile:
        """Return the archive as the catalog has it."""
        return RestorableFile(
            self.archive, self.path, self.size, self.mtime, self.tree_hash, 0, readable=False
        )


@dataclass(frozen=True, slots=True)
class Totals:
    """How many archives there are, and their bytes as far as they are known."""

    archives: int = 0
    bytes: int = 0


class Worklist:
    """The archives of a restore. A context manager."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._connection = sqlite3.connect("", check_same_thread=False, isolation_level=None)
        for statement in _TABLES:
            self._connection.execute(statement)
        self._connection.execute("BEGIN")
        self._page: list[tuple[Any, ...]] = []

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
        texts = (to_column(file.archive), to_column(file.path))
        facts = (file.size, str(file.mtime), file.tree_hash, file.created)
        with self._lock:
            self._page.append((*texts, *facts, stage.value, replace, here, reason))
            if len(self._page) >= _AT_ONCE:
                self._write()

    def totals(self) -> dict[Stage, Totals]:
        """Return how many archives there are in each stage."""
        rows = self._rows("SELECT stage, archives, bytes FROM totals")
        found = {Stage(stage): Totals(*sums) for stage, *sums in rows}
        return {stage: found.get(stage, Totals()) for stage in Stage}

    def waiting(self) -> Iterator[Selected]:
        """Yield the archives that cannot be read yet, or not any more, as requests take them."""
        for row in self._pages("stage = 'waiting'", "number, archive, path, size, created"):
            _, archive, path, size, created = row
            yield Selected(to_text(archive), to_text(path), size, created, readable=False)

    def note_readable(self, archive: str, expires: datetime | None, now: datetime) -> None:
        """Note that a waiting archive can be read, and until when; None if it does not expire."""
        until = _NEVER if expires is None else to_microseconds(expires)
        self._change(
            """UPDATE work SET stage = 'readable', expires = ?,
            readable = ifnull(readable, ?) WHERE archive = ? AND stage = 'waiting'""",
            (until, to_microseconds(now), to_column(archive)),
        )

    def note_requested(self, archive: str, now: datetime) -> None:
        """Note that an archive was requested."""
        self._change(
            "UPDATE work SET requested = ?, readable = NULL WHERE archive = ?",
            (to_microseconds(now), to_column(archive)),
        )

    def note_planned(self, archive: str) -> None:
        """Note that an archive is to be requested, by a plan that the user will agree to."""
        self._change("UPDATE work SET planned = 1 WHERE archive = ?", (to_column(archive),))

    def unplanned(self) -> Iterator[str]:
        """Yield the waiting archives that no plan to which the user agreed has requested."""
        for _, archive in self._pages("stage = 'waiting' AND NOT planned", "number, archive"):
            yield to_text(archive)

    def note_lost(self, archive: str) -> None:
        """Note that what was requested for an archive is lost: requesting it again costs again."""
        self._change(
            "UPDATE work SET planned = 0, here = 0 WHERE archive = ?", (to_column(archive),)
        )

    def fail(self, archive: str, reason: str) -> None:
        """Note that a waiting archive cannot be restored; `untold` yields it."""
        self._change(
            "UPDATE work SET stage = 'failed', reason = ? WHERE archive = ? AND stage = 'waiting'",
            (reason, to_column(archive)),
        )

    def take_readable(self, large: bool, count: int) -> list[WorkItem]:
        """Return archives that can be read, soonest expiry first; they are being fetched now.

        Args:
            large: whether large or small ones are wanted.
            count: most that are wanted.
        """
        query = f"""SELECT {_ITEM} FROM work WHERE stage = 'readable' AND large = ?
            ORDER BY expires, number LIMIT ?"""  # noqa: S608 - constants
        with self._lock:
            self._write()
            items = [_item(row) for row in self._connection.execute(query, (large, count))]
            self._connection.executemany(
                "UPDATE work SET stage = 'fetching' WHERE number = ?",
                [(item.number,) for item in items],
            )
        return items

    def to_fetch(self) -> Iterator[WorkItem]:
        """Yield what can be read and is not fetched, soonest expiry first."""
        last: tuple[int, int] = (-1, -1)
        query = f"""SELECT {_ITEM} FROM work WHERE stage IN ('readable', 'fetching')
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
        for row in self._pages(f"stage = '{stage.value}' AND reason <> '' AND NOT told", _ITEM):
            yield _item(row)

    def note_told(self, number: int) -> None:
        """Note that what became of an archive is told."""
        self._change("UPDATE work SET told = 1 WHERE number = ?", (number,))

    def soonest_expiry(self) -> datetime | None:
        """Return when the first of what is left to fetch expires, None if nothing does."""
        rows = self._rows(
            """SELECT expires FROM work WHERE stage IN ('readable', 'fetching')
            AND expires < ? ORDER BY expires LIMIT 1""",
            _NEVER,
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
            self._write()
            return self._connection.execute(query, values).fetchall()

    def _change(self, statement: str, values: tuple[object, ...]) -> None:
        with self._lock:
            self._write()
            self._connection.execute(statement, values)

    def _write(self) -> None:
        if self._page:
            page, self._page = self._page, []
            self._connection.executemany(_INSERT, page)


_ITEM = (
    "number, archive, path, size, mtime, tree_hash, expires, requested, readable, "
    "replace_existing, here, reason"
)
_INSERT = """INSERT INTO work
    (archive, path, size, mtime, tree_hash, created, stage, replace_existing, here, reason)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"""
_TABLES = (
    f"""CREATE TABLE work (
        number INTEGER PRIMARY KEY, archive NOT NULL, path NOT NULL, size INTEGER,
        mtime TEXT NOT NULL, tree_hash TEXT, created INTEGER NOT NULL, stage TEXT NOT NULL,
        replace_existing INTEGER NOT NULL, here INTEGER NOT NULL, reason TEXT NOT NULL,
        expires INTEGER, requested INTEGER, readable INTEGER,
        planned INTEGER NOT NULL DEFAULT 0, told INTEGER NOT NULL DEFAULT 0,
        large INTEGER GENERATED ALWAYS AS (ifnull(size, 0) >= {LARGE}) STORED
    )""",
    "CREATE INDEX by_archive ON work (archive)",
    "CREATE INDEX readable ON work (large, expires, number) WHERE stage = 'readable'",
    "CREATE INDEX left ON work (expires, number) WHERE stage IN ('readable', 'fetching')",
    "CREATE INDEX by_stage ON work (stage, number)",
    "CREATE TABLE totals (stage TEXT PRIMARY KEY, archives INTEGER, bytes INTEGER) WITHOUT ROWID",
    """CREATE TRIGGER came AFTER INSERT ON work BEGIN
        INSERT INTO totals VALUES (new.stage, 1, ifnull(new.size, 0))
        ON CONFLICT DO UPDATE SET archives = archives + 1, bytes = bytes + excluded.bytes;
    END""",
    """CREATE TRIGGER moved AFTER UPDATE OF stage, size ON work BEGIN
        UPDATE totals SET archives = archives - 1, bytes = bytes - ifnull(old.size, 0)
        WHERE stage = old.stage;
        INSERT INTO totals VALUES (new.stage, 1, ifnull(new.size, 0))
        ON CONFLICT DO UPDATE SET archives = archives + 1, bytes = bytes + excluded.bytes;
    END""",
)


def _item(row: Sequence[Any]) -> WorkItem:
    item = WorkItem(*row)
    return item._replace(
        archive=to_text(row[1]),
        path=to_text(row[2]),
        mtime=int(row[4]),
        replace=bool(item.replace),
        here=bool(item.here),
    )
