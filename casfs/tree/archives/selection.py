"""Archives as they are requested: a few facts each, in the order of the catalog, as a stream."""

import json
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import NamedTuple

from casfs.tree.archives.entries import Archive
from casfs.tree.sqlite.database import Database
from casfs.tree.sqlite.values import NO_TIME, hash_of, loaded, to_microseconds, to_time

_AT_ONCE = 1000


class Selected(NamedTuple):
    """An archive that is to be requested.

    Attributes:
        id: as the service writes it.
        name: its path, or its own name; "" for one without a name.
        size: bytes, None if unknown.
        created: microseconds since 1970, before all others if unknown.
        tree_hash: of the whole archive in hexadecimal, None if unknown.
        cataloged: the catalog knows it.
    """

    id: str
    name: str
    size: int | None
    created: int
    tree_hash: str | None
    cataloged: bool = True

    @property
    def uploaded(self) -> datetime | None:
        """Return when it was uploaded, UTC."""
        return to_time(self.created)


def selected(archive: Archive) -> Selected:
    """Return the facts of an archive that was found by its path."""
    created = to_microseconds(archive.created)
    return Selected(archive.id, archive.path or "", archive.size, created, archive.tree_hash)


def every_archive(database: Database, vault: str) -> Iterator[Selected]:
    """Yield every archive of a vault, older ones of a name and nameless ones included.

    Raises:
        CasfsError: the catalog cannot be read; also during iteration.
    """
    number = 0
    while rows := database.rows(_ALL, number, vault, _AT_ONCE):
        for _, one, size, created, tree_hash, name in rows:
            yield Selected(loaded(one), loaded(name) or "", size, created, loaded(tree_hash))
        number = rows[-1][0]


def archives_by_id(database: Database, vault: str, ids: Iterable[str]) -> Iterator[Selected]:
    """Yield the archives with some ids, in their order; unknown ones, too.

    Raises:
        CasfsError: the catalog cannot be read; also during iteration.
    """
    page: list[str] = []
    for one in ids:
        page.append(one)
        if len(page) == _AT_ONCE:
            yield from _page_by_id(database, vault, page)
            page = []
    yield from _page_by_id(database, vault, page)


def _page_by_id(database: Database, vault: str, ids: list[str]) -> Iterator[Selected]:
    hashes = json.dumps([hash_of(vault, one) for one in ids])
    found = {}
    for _, one, size, created, tree_hash, name in database.rows(_BY_HASH, hashes):
        id_ = loaded(one)
        found[id_] = Selected(id_, loaded(name) or "", size, created, loaded(tree_hash))
    for one in ids:
        yield found.get(one) or Selected(one, "", None, NO_TIME, None, cataloged=False)


_FACTS = "SELECT number, id, size, created, tree_hash, name FROM archives"
_ALL = f"""{_FACTS} WHERE number > ?
    AND vault = (SELECT number FROM folders WHERE parent = 0 AND name = ?)
    ORDER BY number LIMIT ?"""  # noqa: S608 - constants
_BY_HASH = f"{_FACTS} WHERE hash IN (SELECT value FROM json_each(?))"  # noqa: S608 - constants
