"""What stands in one folder, row by row, in the order of an index."""

from collections.abc import Iterator

from casfs.tree.archives.entries import SELECT, Archive, Row, Scope
from casfs.tree.sqlite.database import Database
from casfs.tree.sqlite.values import NO_TIME, Value

_AT_ONCE = 1000
"""Rows that a query brings: the next one goes on behind the last of them."""


def folders_in(database: Database, folder: int, scope: Scope) -> Iterator[tuple[int, str]]:
    """Yield number and name of the folders in a folder, by name."""
    name = ""
    while rows := database.rows(_FOLDERS[scope], folder, name, _AT_ONCE):
        yield from rows
        name = rows[-1][1]


def archives_in(database: Database, folder: int, path: str, scope: Scope) -> Iterator[Archive]:
    """Yield the archives in a folder, by the name they came with, older ones of a name first.

    Args:
        database: keeps them.
        folder: number of the folder.
        path: path of the folder.
        scope: what is asked for.
    """
    last: tuple[Value, ...] = ("", NO_TIME, "")
    while found := database.rows(_ARCHIVES[scope], folder, *last, _AT_ONCE):
        rows = [Row._make(row) for row in found]
        yield from (row.archive(path) for row in rows)
        last = (rows[-1].name, rows[-1].created, rows[-1].id)


_FOLDERS = {
    Scope.ALL: """SELECT number, name FROM folders INDEXED BY folders_by_name
        WHERE parent = ? AND name > ? ORDER BY name LIMIT ?""",
    Scope.READABLE: """SELECT number, name FROM folders INDEXED BY readable_folders
        WHERE parent = ? AND name > ? AND readable > 0 ORDER BY name LIMIT ?""",
}
_BEHIND = """folder = ? AND (name, created, id) > (?, ?, ?)
    ORDER BY name, created, id LIMIT ?"""
_ARCHIVES = {
    Scope.ALL: f"{SELECT} INDEXED BY archives_by_name WHERE {_BEHIND}",
    Scope.READABLE: f"{SELECT} INDEXED BY readable_by_name WHERE readable = 1 AND {_BEHIND}",
}
