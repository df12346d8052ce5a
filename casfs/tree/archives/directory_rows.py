"""The directories of vaults as rows: created for their first entry, removed with their last.

The table is named `folders`, as it was when the first catalogs were written.
"""

import sqlite3

from casfs.tree.sqlite.schema import NEWEST

_FIND = "SELECT number FROM folders WHERE parent = ? AND name = ?"
_MAKE = "INSERT INTO folders (parent, name) VALUES (?, ?)"
_REMOVE_EMPTY = """DELETE FROM folders WHERE number = ? AND parent > 0
    AND NOT EXISTS (SELECT 1 FROM archives WHERE archives.folder = folders.number)
    AND NOT EXISTS (SELECT 1 FROM folders AS child WHERE child.parent = folders.number)"""
# A trigger passes the time on to the directories above.
_TIME = f"""UPDATE folders SET newest = {NEWEST}
    WHERE number IN (SELECT folder FROM aged)"""  # noqa: S608 - constants
_TOP = 0
"""The parent of vaults."""


class DirectoryRows:
    """The row numbers of a vault's directories, valid for one transaction.

    Args:
        connection: of the transaction.
        vault: its name.
    """

    def __init__(self, connection: sqlite3.Connection, vault: str) -> None:
        self._connection = connection
        self.vault = self._number(_TOP, vault)
        self._numbers: dict[tuple[str, ...], int] = {(): self.vault}

    def number(self, path: tuple[str, ...]) -> int:
        """Return the number of a directory, creating it if need be."""
        number = self._numbers.get(path)
        if number is None:
            number = self._number(self.number(path[:-1]), path[-1])
            self._numbers[path] = number
        return number

    def _number(self, parent: int, name: str) -> int:
        found = self._connection.execute(_FIND, (parent, name)).fetchone()
        if found is None:
            return self._connection.execute(_MAKE, (parent, name)).lastrowid or 0
        return int(found[0])


def settle_directories(connection: sqlite3.Connection) -> None:
    """Update the times of directories, and remove empty ones, in the transaction that changed them.

    One update for each directory and transaction: a directory of 100,000 archives would otherwise
    be looked at for each of them.
    """
    connection.execute(_TIME)
    connection.execute("DELETE FROM aged")
    query = "SELECT folder FROM emptied"
    while emptied := connection.execute(query).fetchall():
        connection.execute("DELETE FROM emptied")
        # A directory that is removed may leave its parent empty, which a trigger records.
        connection.executemany(_REMOVE_EMPTY, emptied)
