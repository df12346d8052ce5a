"""Reads an inventory of whichever form."""

from collections.abc import Iterator
from typing import Any, Protocol

from casfs.errors import InventoryError
from casfs.tree.inventory.csv_reading import open_csv
from casfs.tree.inventory.entries import ArchiveEntry
from casfs.tree.inventory.json_reading import JsonReader
from casfs.tree.inventory.text import Source, Text


class InventoryReader(Protocol):
    """An inventory being read, once, in memory that does not grow with it.

    Attributes:
        facts: what stands beside the list of archives, such as VaultARN and InventoryDate;
            complete once `batches` has ended. CSV has none.
    """

    facts: dict[str, Any]

    def batches(self) -> Iterator[list[ArchiveEntry]]:
        """Yield all entries in order, up to 1000 at a time.

        Raises:
            InventoryError: the inventory is malformed or cut off; what was yielded is not all.
        """
        ...


def open_inventory(file: Source) -> InventoryReader:
    """Return a reader of an inventory; what it begins with tells whether it is JSON or CSV.

    Raises:
        InventoryError: there is nothing in it.
        OSError: as `file` does, here and while it is read.
    """
    text = Text(file)
    first = text.blanks()
    if not first:
        raise InventoryError("the inventory is empty; fetch it again")
    return JsonReader(text) if is_json(first) else open_csv(text)


def is_json(first: str) -> bool:
    """Tell by its first character whether an inventory is JSON; an archive's id begins so never."""
    return first in "{["
