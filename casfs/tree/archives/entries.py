"""What the catalog returns: archives and directories of a vault."""

from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Any, NamedTuple

from casfs.tree.descriptions.generated_names import second_name
from casfs.tree.sqlite.values import loaded, to_time

IS_DIRECTORY, COMPRESSED, ENCRYPTED = 1, 2, 4
"""Bits of the column `flags`."""


class Scope(Enum):
    """Which archives are wanted, and the directories that contain such archives."""

    READABLE = 1
    ALL = 0

    @property
    def least(self) -> int:
        """Return the least `readable` of an archive or a directory."""
        return self.value


@dataclass(frozen=True, slots=True)
class Subdirectory:
    """A directory of a vault.

    Attributes:
        path: from the top of the vault, without a leading slash; "" is the top itself.
        newest: mtime in nanoseconds since 1970 of the newest archive in it that can be read; None
            if none can, or for the top.
    """

    path: str
    newest: int | None = None


@dataclass(frozen=True, slots=True)
class Archive:
    """An archive of a vault; times are UTC, sizes bytes, None is unknown.

    Attributes:
        id: as the service writes it.
        path: its place in the vault, as `Subdirectory.path`; None for one without a name, and for a
            directory marker: these are reached by id alone.
        description: as it was uploaded.
        created: when it was uploaded.
        tree_hash: of the whole archive, as the service writes it.
        rule: which one decoded the description, "" for none.
        mtime: nanoseconds since 1970: from the description, else when it was uploaded.
        is_directory: it is the marker of a directory.
        compressed: its bytes are compressed, and are not the file.
        encrypted: its bytes are encrypted, and are not the file.
        original_size: of the file before that.
        readable: there are jobs that cover all of it.
        newest: no newer archive has its name.
        number: tells it apart from all others of the account.
    """

    id: str
    path: str | None
    description: str | None
    created: datetime | None
    size: int | None
    tree_hash: str | None
    rule: str
    mtime: int
    is_directory: bool
    compressed: bool
    encrypted: bool
    original_size: int | None
    readable: bool
    newest: bool
    number: int = 0


Entry = Archive | Subdirectory

SELECT = """SELECT id, description, created, size, tree_hash, folder, name, rule, mtime,
    flags, original_size, readable,
    NOT EXISTS (SELECT 1 FROM archives AS newer WHERE newer.folder = one.folder
                AND newer.name = one.name AND newer.created > one.created)
    AND NOT EXISTS (SELECT 1 FROM archives AS newer WHERE newer.folder = one.folder
                    AND newer.name = one.name AND newer.created = one.created
                    AND newer.number <> one.number AND newer.id > one.id) AS newest,
    NOT EXISTS (SELECT 1 FROM folders WHERE folders.parent = one.folder
                AND folders.name = one.name) AS no_folder, number
    FROM archives AS one"""
"""Selects archives, and whether a newer one, or a directory, has the name of each.

`number` shows from an index, without the row, that an archive is not newer than itself.
"""


class ArchiveRow(NamedTuple):
    """A row of `SELECT`."""

    id: Any
    description: Any
    created: int
    size: int | None
    tree_hash: Any
    directory: int | None
    name: str | None
    rule: str
    mtime: Any
    flags: int
    original_size: int | None
    readable: int
    newest: int
    no_directory: int
    number: int

    @property
    def plain(self) -> bool:
        """Return whether it keeps its own name."""
        return bool(self.newest and self.no_directory)

    @property
    def shown_name(self) -> str | None:
        """Return the name in its directory; None for what is reached by id alone."""
        if self.name is None or self.plain:
            return self.name
        return second_name(self.name, to_time(self.created), loaded(self.id))

    def archive(self, directory: str) -> Archive:
        """Return the archive of this row, which is in the directory at this path."""
        name = self.shown_name
        mtime = int(self.mtime) if self.mtime is not None else max(0, self.created) * 1000
        return Archive(
            loaded(self.id),
            None if name is None else join(directory, name),
            loaded(self.description),
            to_time(self.created),
            self.size,
            loaded(self.tree_hash),
            self.rule,
            mtime,
            bool(self.flags & IS_DIRECTORY),
            bool(self.flags & COMPRESSED),
            bool(self.flags & ENCRYPTED),
            self.original_size,
            bool(self.readable),
            bool(self.newest),
            self.number,
        )


def join(directory: str, name: str) -> str:
    """Return the path of something in a directory."""
    return f"{directory}/{name}" if directory else name
