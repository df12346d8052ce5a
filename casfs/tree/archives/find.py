"""Archives whose path matches a pattern."""

import fnmatch
import re
from collections.abc import Callable, Iterator

from casfs.tree.archives.entries import Archive, Scope, join
from casfs.tree.archives.walk import archives_in, folders_in
from casfs.tree.sqlite.database import Database

_SPECIAL = re.compile(r"[*?[]")


def find(
    database: Database, folder: Callable[[str], int | None], pattern: str, scope: Scope
) -> Iterator[Archive]:
    """Yield the archives of a vault whose path matches a pattern.

    Args:
        database: keeps them.
        folder: returns the number of the folder at a path, None if there is none.
        pattern: of the shell, for the whole path; `*` stands for `/` too.
        scope: what is asked for.
    """
    matches = re.compile(fnmatch.translate(pattern)).match
    # Nothing outside the folders that the pattern names can match.
    top = _SPECIAL.split(pattern, maxsplit=1)[0].rpartition("/")[0]
    number = folder(top)
    # What is still to be looked at of each folder on the way down: no folder is held whole.
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
    """Yield number and path of the folders in a folder."""
    for child, name in folders_in(database, number, scope):
        yield child, join(path, name)
