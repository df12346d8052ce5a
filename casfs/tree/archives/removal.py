"""Takes archives out of the catalogue that a vault does not hold any more."""

from collections.abc import Iterator

from casfs.tree.archives.folders import remove_emptied
from casfs.tree.database import Database

_ROWS_AT_ONCE = 20_000
"""Rows that a transaction looks at."""


def remove_unlisted(database: Database, vault: int, inventory: int, date: int) -> None:
    """Remove archives that a full inventory does not list, though they are older than it.

    One that a job brings stays while it does.

    Args:
        database: keeps them.
        vault: number of the vault.
        inventory: number of the inventory.
        date: when it was, as `to_microseconds` has it.
    """
    for first in _windows(database):
        window = {"first": first, "last": first + _ROWS_AT_ONCE - 1}
        facts = {"vault": vault, "inventory": inventory, "date": date}
        with database.transaction(bulk=True) as connection:
            connection.execute(_UNLIST, window | facts)
            connection.execute(_REMOVE_UNLISTED, window | {"vault": vault})
            remove_emptied(connection)


def _windows(database: Database) -> Iterator[int]:
    """Yield the number that each window of rows begins with."""
    ((last,),) = database.rows("SELECT ifnull(max(number), 0) FROM archives")
    yield from range(1, last + 1, _ROWS_AT_ONCE)


_UNLIST = """UPDATE archives SET listed = 0
    WHERE number BETWEEN :first AND :last AND vault = :vault AND created < :date
    AND listed <> :inventory
    AND listed NOT IN (SELECT number FROM inventories WHERE vault = :vault AND date > :date)"""
_REMOVE_UNLISTED = """DELETE FROM archives
    WHERE number BETWEEN :first AND :last AND vault = :vault AND listed = 0
    AND NOT EXISTS (SELECT 1 FROM jobs WHERE jobs.hash = archives.hash)"""
