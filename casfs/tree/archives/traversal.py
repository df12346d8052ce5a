"""Walks through the directories of a vault's archives, a page of rows at a time."""

import fnmatch
import re
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from casfs.tree.archives.entries import SELECT, Archive, ArchiveRow, Scope, join
from casfs.tree.sqlite.database import Database
from casfs.tree.sqlite.values import NO_TIME, Value
from casfs.tree.tree_tuning import TUNING

_SPECIAL = re.compile(r"[*?[]")


class KnownDirectory(NamedTuple):
    """A row of `folders`; `newest` is as in `Subdirectory`."""

    number: int
    name: str
    newest: int | None


def known_directory(row: tuple[Any, ...]) -> KnownDirectory:
    """Return a row of `SELECT number, name, newest FROM folders`."""
    number, name, newest = row
    return KnownDirectory(number, name, None if newest is None else int(newest))


def find_archives(
    database: Database, directory: Callable[[str], int | None], pattern: str, scope: Scope
) -> Iterator[Archive]:
    """Yield the archives of a vault whose path matches a pattern.

    Args:
        database: stores them.
        directory: returns the number of the directory at a path, None if there is none.
        pattern: of the shell, for the whole path; `*` matches `/` too.
        scope: what is wanted.
    """
    matches = re.compile(fnmatch.translate(pattern)).match
    # Nothing outside the directory that the pattern begins with can match.
    top = _SPECIAL.split(pattern, maxsplit=1)[0].rpartition("/")[0]
    number = directory(top)
    # What is left of each directory on the way down: no directory is held as a whole.
    ways = [iter([] if number is None else [(number, top)])]
    while ways:
        number, path = next(ways[-1], (None, ""))
        if number is None:
            ways.pop()
            continue
        for archive in archives_in(database, number, path, scope):
            if archive.path is not None and matches(archive.path):
                yield archive
        ways.append(_below(database, number, path, scope))


def _below(database: Database, number: int, path: str, scope: Scope) -> Iterator[tuple[int, str]]:
    """Yield number and path of the directories in a directory."""
    for row in directories_in(database, number, scope):
        yield row.number, join(path, row.name)


def directories_in(database: Database, directory: int, scope: Scope) -> Iterator[KnownDirectory]:
    """Yield the directories in a directory, by name."""
    name = ""
    while rows := database.rows(_DIRECTORIES[scope], directory, name, TUNING.query_rows):
        yield from map(known_directory, rows)
        name = rows[-1][1]


def archives_in(database: Database, directory: int, path: str, scope: Scope) -> Iterator[Archive]:
    """Yield the archives in a directory by their own names, older ones of a name first.

    Args:
        database: stores them.
        directory: number of the directory.
        path: path of the directory.
        scope: what is wanted.
    """
    last: tuple[Value, ...] = ("", NO_TIME, "")
    while found := database.rows(_ARCHIVES[scope], directory, *last, TUNING.query_rows):
        rows = [ArchiveRow._make(row) for row in found]
        yield from (row.archive(path) for row in rows)
        last = (rows[-1].name, rows[-1].created, rows[-1].id)


_DIRECTORIES = {
    Scope.ALL: """SELECT number, name, newest FROM folders INDEXED BY folders_by_name
        WHERE parent = ? AND name > ? ORDER BY name LIMIT ?""",
    Scope.READABLE: """SELECT number, name, newest FROM folders INDEXED BY readable_folders
        WHERE parent = ? AND name > ? AND readable > 0 ORDER BY name LIMIT ?""",
}
_BEHIND = """folder = ? AND (name, created, id) > (?, ?, ?)
    ORDER BY name, created, id LIMIT ?"""
_ARCHIVES = {
    Scope.ALL: f"{SELECT} INDEXED BY archives_by_name WHERE {_BEHIND}",
    Scope.READABLE: f"{SELECT} INDEXED BY readable_by_name WHERE readable = 1 AND {_BEHIND}",
}
