"""What is to be requested, on disk and in order: a million items take no memory."""

import sqlite3
from collections.abc import Iterator, Sequence
from typing import Any

from casfs.ledger.request import to_column, to_text
from casfs.restore.items import Item

ORDERS = {
    "created": "created, archive, first",
    "size": "size IS NULL, size, archive, first",
    "name": "name, archive, first",
}
"""Orders by name, as columns."""

_AT_ONCE = 1000
_INSERT = "INSERT INTO items VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"


class Spool:
    """Items in a temporary file, which SQLite removes. A context manager."""

    def __init__(self) -> None:
        # The empty name is a temporary file; the lock of whoever iterates keeps threads apart.
        self._connection = sqlite3.connect("", check_same_thread=False, isolation_level=None)
        self._connection.execute(
            "CREATE TABLE items "
            "(archive, name, first, last, size, created, whole, again, blocked_by)"
        )
        self._connection.execute("BEGIN")
        self._page: list[tuple[Any, ...]] = []
        self._blocked = False

    def __enter__(self) -> "Spool":
        return self

    def __exit__(self, *error: object) -> None:
        """Remove it."""
        self._connection.close()

    def add(self, item: Item) -> None:
        """Add an item."""
        self._blocked = self._blocked or item.blocked_by is not None
        archive, name, first, last, size, created, whole, again, blocked_by = item
        # Numbers and text alone: SQLite takes anything else several times as slowly.
        facts = (first, last, size, created, int(whole), int(again), blocked_by)
        self._page.append((to_column(archive), to_column(name), *facts))
        if len(self._page) == _AT_ONCE:
            self._write()

    def items(self, order: str, again: bool, skip: int = 0) -> Iterator[Item]:
        """Yield the items in an order of `ORDERS`, those aside that wait for an answer.

        Args:
            order: its name.
            again: whether those are wanted that were requested before.
            skip: how many of the first ones are left out.
        """
        self._write()
        where = "blocked_by IS NULL" if again else "blocked_by IS NULL AND NOT again"
        rows = self._connection.execute(
            f"SELECT * FROM items WHERE {where} ORDER BY {ORDERS[order]} LIMIT -1 OFFSET ?",  # noqa: S608 - constants
            (skip,),
        )
        yield from map(_item, rows)

    def waiting_for(self, number: int) -> list[Item]:
        """Return the items that are requested once a request turns out not to be accepted.

        Args:
            number: of the request.
        """
        if not self._blocked:
            return []
        self._write()
        self._connection.execute("CREATE INDEX IF NOT EXISTS by_blocker ON items (blocked_by)")
        rows = self._connection.execute("SELECT * FROM items WHERE blocked_by = ?", (number,))
        return [_item(row) for row in rows]

    def find(self, archive: str, first: int, last: int) -> Item | None:
        """Return the item for a range of an archive, None if there is none."""
        self._write()
        self._connection.execute("CREATE INDEX IF NOT EXISTS by_archive ON items (archive)")
        rows = self._connection.execute(
            "SELECT * FROM items WHERE archive = ? AND first = ? AND last = ?",
            (to_column(archive), first, last),
        ).fetchall()
        return _item(rows[0]) if rows else None

    def _write(self) -> None:
        self._connection.executemany(_INSERT, self._page)
        self._page = []


def _item(row: Sequence[Any]) -> Item:
    item = Item(*row)
    return item._replace(
        archive=to_text(row[0]),
        name=to_text(row[1]),
        whole=bool(item.whole),
        again=bool(item.again),
    )
