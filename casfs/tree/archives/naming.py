"""What a description says, as columns of an archive; derived again when the rules change."""

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

from casfs.tree.archives.directory_rows import DirectoryRows, settle_directories
from casfs.tree.archives.entries import COMPRESSED, ENCRYPTED, IS_DIRECTORY
from casfs.tree.descriptions.decode import decode
from casfs.tree.descriptions.rules import RuleSet
from casfs.tree.sqlite.database import Database
from casfs.tree.sqlite.values import LARGEST, NO_TIME, Value, loaded, size_or_none
from casfs.tree.tree_tuning import TUNING

_DECODER = 3
"""Raise it when `decode` returns other names than before, so that they are derived again."""
_LARGEST_MARKER = 1
"""The largest marker of a directory, in bytes."""


class Names(NamedTuple):
    """What a description says.

    Attributes:
        directory: path of the archive's directory, or of the one it marks; None without a name.
        columns: name, rule, mtime, flags, original_size.
    """

    directory: tuple[str, ...] | None
    columns: tuple[Value, ...]

    def row(self, directories: DirectoryRows) -> tuple[Value, ...]:
        """Return the columns, starting with that of the directory."""
        number = None if self.directory is None else directories.number(self.directory)
        return (number, *self.columns)


def read_names(description: str | None, size: int | None, rules: RuleSet) -> Names:
    """Return what a description says by these rules about an archive of `size` bytes."""
    found = decode(description, rules)
    if found.is_directory and (size or 0) > _LARGEST_MARKER:
        # The marker of a directory holds nothing that somebody could miss.
        found = replace(found, is_directory=False)
    flags = (
        found.is_directory * IS_DIRECTORY
        | found.compressed * COMPRESSED
        | found.encrypted * ENCRYPTED
    )
    mtime: Value = found.mtime
    if found.mtime is not None and abs(found.mtime) > LARGEST:
        mtime = str(found.mtime)
    directory: tuple[str, ...] | None = found.path
    name = None
    if not found.path:
        directory = None
    elif not found.is_directory:
        directory, name = found.path[:-1], found.path[-1]
    return Names(directory, (name, found.rule, mtime, flags, size_or_none(found.original_size)))


def is_outdated(database: Database, vault: str, rules: RuleSet) -> bool:
    """Return whether names are cataloged that other rules gave, or an earlier casfs.

    Raises:
        CasfsError: the catalog cannot be read.
    """
    return bool(database.rows(_OUTDATED, vault, _text(rules)))


def use_rules(
    database: Database, vault: str, rules: RuleSet, on_batch: Callable[[], None] = lambda: None
) -> None:
    """Derive names again, from what is cataloged, if the rules or the decoder have changed.

    Args:
        database: stores them.
        vault: name of the vault.
        rules: the rules to use.
        on_batch: is called now and then; what it raises ends the work, which the next call resumes.

    Raises:
        CasfsError: the catalog cannot be written.
    """
    text = _text(rules)
    if database.rows(_DONE, vault, text):
        return
    with database.transaction() as connection:
        root = DirectoryRows(connection, vault).vault
        connection.execute(_BEGIN, (root, text))
    while rows := database.rows(_NEXT, root, text, root, TUNING.transaction_archives):
        on_batch()
        named = [
            (number, tuple(current), read_names(loaded(description), size, rules))
            for number, description, size, *current in rows
        ]
        with database.transaction(bulk=True) as connection:
            directories = DirectoryRows(connection, vault)
            values = [(names.row(directories), current, number) for number, current, names in named]
            connection.executemany(
                _RENAME, [(*new, number) for new, current, number in values if new != current]
            )
            settle_directories(connection)
            connection.execute(_DONE_UPTO, (rows[-1][0], root, text))
    with database.transaction() as connection:
        connection.execute(_DONE_UPTO, (None, root, text))


def _text(rules: RuleSet) -> str:
    return f"{_DECODER} {rules!r}"


_DONE = """SELECT 1 FROM rules WHERE text = ?2 AND upto IS NULL
    AND vault = (SELECT number FROM folders WHERE parent = 0 AND name = ?1)"""
_OUTDATED = """SELECT 1 FROM rules WHERE (text <> ?2 OR upto IS NOT NULL)
    AND vault = (SELECT number FROM folders WHERE parent = 0 AND name = ?1)"""
# What was started with the same rules continues where it stopped; a new vault has nothing to do.
_BEGIN = """INSERT INTO rules VALUES (?, ?, 0) ON CONFLICT DO UPDATE
    SET text = excluded.text, upto = 0 WHERE text <> excluded.text"""
_NEXT = """SELECT number, description, size,
    folder, name, rule, mtime, flags, original_size FROM archives
    WHERE number > (SELECT upto FROM rules WHERE vault = ? AND text = ?) AND vault = ?
    ORDER BY number LIMIT ?"""
# An archive without any date keeps the time of its first job.
_RENAME = f"""UPDATE archives SET folder = ?1, name = ?2, rule = ?3,
    mtime = CASE WHEN ?4 IS NULL AND created = {NO_TIME} THEN mtime ELSE ?4 END, flags = ?5,
    original_size = ?6 WHERE number = ?7"""  # noqa: S608 - a number
_DONE_UPTO = "UPDATE rules SET upto = ? WHERE vault = ? AND text = ?"
