"""Archives whose record in an inventory cannot be read: all that is known is that they exist."""

from collections.abc import Sequence

from casfs.tree.archives.directory_rows import DirectoryRows
from casfs.tree.sqlite.database import Database
from casfs.tree.sqlite.values import NO_TIME, hash_of, storable


def put_unread(database: Database, vault: str, inventory: int, ids: Sequence[str]) -> None:
    """Catalog archives by their ids alone; what is known of them from elsewhere stays.

    Args:
        database: stores them.
        vault: name of the vault.
        inventory: number of the inventory that has the records.
        ids: identifiers of the archives.

    Raises:
        CasfsError: the catalog cannot be written.
    """
    if not ids:
        return
    with database.transaction(bulk=True) as connection:
        root = DirectoryRows(connection, vault).vault
        rows = ((hash_of(vault, one), root, storable(one), NO_TIME, inventory) for one in ids)
        connection.executemany(_PUT, rows)


_PUT = """INSERT INTO archives (hash, vault, id, created, rule, flags, listed)
    VALUES (?, ?, ?, ?, '', 0, ?) ON CONFLICT (hash) DO UPDATE
    SET listed = excluded.listed WHERE id = excluded.id"""
