"""Removes archives from the catalog that are no longer in their vault."""

import json
from collections.abc import Collection, Iterator

from casfs.tree.archives.directory_rows import settle_directories
from casfs.tree.sqlite.database import Database
from casfs.tree.tree_tuning import TUNING


def remove_unlisted(
    database: Database, vault: int, inventories: Collection[int], date: int
) -> None:
    """Remove archives that are older than a full inventory, and that it does not list.

    An archive stays as long as a job retrieves it.

    Args:
        database: stores them.
        vault: number of the vault.
        inventories: number of the inventory, or of those that form a full one together.
        date: when it was made, as `to_microseconds` returns it.
    """
    facts = {"vault": vault, "inventories": json.dumps(list(inventories)), "date": date}
    for first in _windows(database):
        window = {"first": first, "last": first + TUNING.removal_rows - 1}
        with database.transaction(bulk=True) as connection:
            connection.execute(_UNLIST, window | facts)
            connection.execute(_REMOVE_UNLISTED, window | {"vault": vault})
            settle_directories(connection)


def _windows(database: Database) -> Iterator[int]:
    """Yield the first number of each window of rows."""
    ((last,),) = database.rows("SELECT ifnull(max(number), 0) FROM archives")
    yield from range(1, last + 1, TUNING.removal_rows)


_UNLIST = """UPDATE archives SET listed = 0
    WHERE number BETWEEN :first AND :last AND vault = :vault AND created < :date
    AND listed NOT IN (SELECT value FROM json_each(:inventories))
    AND listed NOT IN (SELECT number FROM inventories WHERE vault = :vault AND date > :date)"""
_REMOVE_UNLISTED = """DELETE FROM archives
    WHERE number BETWEEN :first AND :last AND vault = :vault AND listed = 0
    AND NOT EXISTS (SELECT 1 FROM jobs WHERE jobs.hash = archives.hash)"""
