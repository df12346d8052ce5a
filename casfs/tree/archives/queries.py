"""Archives and directories of a vault, found by index."""

import itertools
import json
from collections.abc import Iterator, Sequence
from typing import Any

from casfs.errors import NotFoundError
from casfs.tree.archives.completeness import Completeness, completeness
from casfs.tree.archives.entries import (
    IS_DIRECTORY,
    SELECT,
    Archive,
    ArchiveRow,
    Entry,
    Scope,
    Subdirectory,
    join,
)
from casfs.tree.archives.traversal import (
    KnownDirectory,
    archives_in,
    directories_in,
    find_archives,
    known_directory,
)
from casfs.tree.descriptions.generated_names import parse_second_name
from casfs.tree.sqlite.database import Database
from casfs.tree.sqlite.schema import ARCHIVE_TIME, IS_MARKER, PLACE
from casfs.tree.sqlite.values import NO_TIME, hash_of, loaded, storable, to_microseconds
from casfs.tree.tree_tuning import TUNING


class Archives:
    """The known archives, by name; as of the last `Ingest.take` and `Readable.refresh`.

    Args:
        database: stores it.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def entries(self, vault: str, directory: str, scope: Scope) -> Iterator[Entry]:
        """Yield the entries of a directory: directories by name, then archives by their own names.

        Entries are read as they are asked for: a large directory takes no memory, and changes
        meanwhile may or may not show.

        Args:
            vault: name of the vault.
            directory: path of the directory, "" for the top, which is always there.
            scope: what is wanted.

        Raises:
            NotFoundError: there is no such directory.
            CasfsError: the catalog cannot be read; also during iteration.
        """
        number = self._directory(vault, directory, scope)
        if number is None and not directory:
            return iter(())
        if number is None:
            raise NotFoundError(
                f"there is no directory {directory!r} among the archives of {vault}"
            )
        return self._entries(number, directory, scope)

    def entry(self, vault: str, path: str, scope: Scope) -> Entry | None:
        """Return what is at a path, None if nothing is.

        Raises:
            CasfsError: the catalog cannot be read.
        """
        if not path:
            return Subdirectory(path)
        directory, slash, name = path.rpartition("/")
        parent = None if slash and not directory else self._directory(vault, directory, scope)
        if parent is None:
            return None
        child = self._child(parent, name, scope)
        if child is not None:
            return Subdirectory(path, child.newest)
        row = self._named(parent, name)
        return None if row is None or row.readable < scope.least else row.archive(directory)

    def shared_prefix(self, vault: str, directory: str) -> str:
        """Return what the names of all archives in a directory begin with.

        Raises:
            CasfsError: the catalog cannot be read.
        """
        number = self._directory(vault, directory, Scope.ALL)
        if number is None:
            return ""
        ((first,),), ((last,),) = (self._database.rows(one, number) for one in (_FIRST, _LAST))
        pairs = zip(first or "", last or "", strict=False)
        same = itertools.takewhile(lambda pair: pair[0] == pair[1], pairs)
        return "".join(one for one, _ in same)

    def newest(self, vault: str) -> tuple[int | None, int | None]:
        """Return mtimes in nanoseconds since 1970 of the newest archives that can be read.

        Returns:
            that of the newest with a name, and that of the newest that is reached by id alone;
            None where there is none.

        Raises:
            CasfsError: the catalog cannot be read.
        """
        row = self._child(0, vault, Scope.ALL)
        if row is None:
            return None, None
        nameless = self._database.rows(_NEWEST_NAMELESS, -row.number)
        return row.newest, int(nameless[0][0]) if nameless else None

    def by_id(self, vault: str, archive_id: str) -> Archive | None:
        """Return an archive, None if it is not known.

        Raises:
            CasfsError: the catalog cannot be read.
        """
        rows = self._database.rows(_BY_ID, hash_of(vault, archive_id), storable(archive_id))
        if not rows:
            return None
        return self._archive(ArchiveRow._make(rows[0]), _no_paths())

    def by_ids(self, vault: str, archive_ids: Sequence[str]) -> Iterator[Archive]:
        """Yield those of some archives that are known, in any order.

        Raises:
            CasfsError: the catalog cannot be read.
        """
        wanted, paths = set(archive_ids), _no_paths()
        hashes = json.dumps([hash_of(vault, archive_id) for archive_id in archive_ids])
        for row in map(ArchiveRow._make, self._database.rows(_BY_IDS, hashes)):
            if loaded(row.id) in wanted:
                yield self._archive(row, paths)

    def readable_nameless(self, vault: str) -> Iterator[Archive]:
        """Yield the readable archives of a vault that are reached by id alone, in order.

        Raises:
            CasfsError: the catalog cannot be read.
        """
        return self._by_id(_READABLE_NAMELESS, vault)

    def nameless(self, vault: str) -> Iterator[Archive]:
        """Yield every archive of a vault that is reached by id alone; scans all of them.

        Raises:
            CasfsError: the catalog cannot be read.
        """
        return self._by_id(_NAMELESS, vault)

    def marked_directories(self, vault: str) -> Iterator[tuple[str, int]]:
        """Yield each directory that an archive marks, and its mtime; scans all archives.

        Raises:
            CasfsError: the catalog cannot be read.
        """
        after: Any = ""
        while rows := self._database.rows(_MARKERS, vault, after, TUNING.query_rows):
            for row in map(ArchiveRow._make, rows):
                path = self._path(row.directory or 0)
                yield path, row.archive(path).mtime
            after = rows[-1][0]

    def sizes(self, vault: str) -> Iterator[tuple[str, int, str | None]]:
        """Yield id, bytes and tree hash of every archive of a vault whose size is known.

        Raises:
            CasfsError: the catalog cannot be read.
        """
        number = 0
        while rows := self._database.rows(_SIZES, number, vault, TUNING.query_rows):
            yield from ((loaded(one), size, loaded(digest)) for _, one, size, digest in rows)
            number = rows[-1][0]

    def find(self, vault: str, pattern: str, scope: Scope) -> Iterator[Archive]:
        """Yield the archives whose path matches a pattern, one directory after the other.

        Args:
            vault: name of the vault.
            pattern: of the shell, for the whole path: `*` matches anything, `/` too, `?` one
                character, `[...]` one of these; letters match exactly.
            scope: what is wanted.

        Raises:
            CasfsError: the catalog cannot be read; also during iteration.
        """
        return find_archives(
            self._database, lambda path: self._directory(vault, path, scope), pattern, scope
        )

    def completeness(self, vault: str, archives: int | None, waiting: int) -> Completeness:
        """Return how much of a vault is cataloged; see the function `completeness`."""
        return completeness(self._database, vault, archives, waiting)

    def _entries(self, number: int, directory: str, scope: Scope) -> Iterator[Entry]:
        for row in directories_in(self._database, number, scope):
            yield Subdirectory(join(directory, row.name), row.newest)
        yield from archives_in(self._database, number, directory, scope)

    def _by_id(self, query: str, vault: str) -> Iterator[Archive]:
        after: Any = ""
        paths = _no_paths()
        while rows := self._database.rows(query, vault, after, TUNING.query_rows):
            yield from (self._archive(row, paths) for row in map(ArchiveRow._make, rows))
            after = rows[-1][0]

    def _archive(self, row: ArchiveRow, paths: dict[int | None, str]) -> Archive:
        """Return the archive of a row; `paths` are those of directories that are known so far."""
        if row.directory not in paths:
            paths[row.directory] = self._path(row.directory or 0)
        return row.archive(paths[row.directory])

    def _directory(self, vault: str, path: str, scope: Scope) -> int | None:
        row = self._child(0, vault, Scope.ALL)
        for name in path.split("/") if path else ():
            if row is None:
                return None
            row = self._child(row.number, name, scope)
        return None if row is None else row.number

    def _child(self, parent: int, name: str, scope: Scope) -> KnownDirectory | None:
        rows = self._database.rows(_CHILD, parent, storable(name), scope.least)
        return known_directory(rows[0]) if rows else None

    def _path(self, directory: int) -> str:
        names = [name for _, name in sorted(self._database.rows(_NAMES, directory))]
        return "/".join(names[-2::-1])

    def _named(self, directory: int, name: str) -> ArchiveRow | None:
        """Return the archive that is shown under this name."""
        for row in map(ArchiveRow._make, self._database.rows(_NEWEST, directory, storable(name))):
            if row.plain:
                return row
        second = parse_second_name(name)
        if second is None or isinstance(storable(name), bytes):
            return None
        created = to_microseconds(second.created)
        until = created if created == NO_TIME else created + 999_999
        values = (directory, second.first_name, created, until)
        for row in map(ArchiveRow._make, self._database.rows(_OLDER, *values)):
            if row.shown_name == name:
                return row
        if second.first_names is None:
            return None
        # The name was cut for the mark: any name that begins alike is a candidate.
        for row in map(
            ArchiveRow._make, self._database.rows(_OLDER_OF_CUT, directory, *second.first_names)
        ):
            if row.shown_name == name:
                return row
        return None


def _no_paths() -> dict[int | None, str]:
    return {None: ""}


_CHILD = "SELECT number, name, newest FROM folders WHERE parent = ? AND name = ? AND readable >= ?"
_NAMES = """WITH RECURSIVE above (depth, parent, name) AS (
    SELECT 0, parent, name FROM folders WHERE number = ?
    UNION ALL
    SELECT depth + 1, folders.parent, folders.name
    FROM above JOIN folders ON folders.number = above.parent
) SELECT depth, name FROM above"""
"""The name of a directory, at depth 0, and of each above it; the last is that of the vault."""
_BY_ID = f"{SELECT} WHERE hash = ? AND id = ?"
_BY_IDS = f"{SELECT} WHERE hash IN (SELECT value FROM json_each(?))"  # noqa: S608 - constants
_NEWEST = f"{SELECT} WHERE folder = ? AND name = ? ORDER BY created DESC, id DESC LIMIT 1"
_OLDER = f"{SELECT} WHERE folder = ? AND name = ? AND created BETWEEN ? AND ?"
_OLDER_OF_CUT = f"{SELECT} WHERE folder = ? AND name BETWEEN ? AND ?"
# One query for both would read all names.
_FIRST = "SELECT min(name) FROM archives WHERE folder = ?"
_LAST = "SELECT max(name) FROM archives WHERE folder = ?"
_OF_VAULT = """WHERE vault = (SELECT number FROM folders WHERE parent = 0 AND name = ?)
    AND id > ?"""
_SIZES = """SELECT number, id, size, tree_hash FROM archives WHERE number > ?
    AND vault = (SELECT number FROM folders WHERE parent = 0 AND name = ?)
    AND size IS NOT NULL ORDER BY number LIMIT ?"""
_READABLE_NAMELESS = f"""{SELECT} INDEXED BY readable_nameless {_OF_VAULT}
    AND readable = 1 AND folder IS NULL ORDER BY id LIMIT ?"""
_NEWEST_NAMELESS = f"""SELECT {ARCHIVE_TIME} FROM archives INDEXED BY readable_by_time
    WHERE readable = 1 AND {PLACE} = ? AND ({IS_MARKER}) = 0
    ORDER BY CAST({ARCHIVE_TIME} AS REAL) DESC, {ARCHIVE_TIME} DESC LIMIT 1"""  # noqa: S608 - constants
_NAMELESS = f"{SELECT} {_OF_VAULT} AND name IS NULL ORDER BY id LIMIT ?"
_MARKERS = f"""{SELECT} {_OF_VAULT} AND name IS NULL AND folder IS NOT NULL
    AND flags & {IS_DIRECTORY} ORDER BY id LIMIT ?"""
