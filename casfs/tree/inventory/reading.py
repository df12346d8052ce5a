"""Reads an inventory in either form."""

from collections.abc import Iterator
from typing import Any, Protocol

from casfs.errors import InventoryError
from casfs.tree.inventory.bad_records import OnBad, refuse
from casfs.tree.inventory.csv_reading import open_csv
from casfs.tree.inventory.entry import ArchiveEntry
from casfs.tree.inventory.json_reading import JsonReader
from casfs.tree.inventory.text import ByteSource, InventoryText


class InventoryReader(Protocol):
    """An inventory being read, once, in constant memory."""

    @property
    def facts(self) -> dict[str, Any]:
        """What is beside the list of archives, such as VaultARN and InventoryDate.

        It is complete once `batches` is exhausted. CSV has none.
        """
        ...

    def batches(self) -> Iterator[list[ArchiveEntry]]:
        """Yield all entries in order, up to 1000 at a time.

        Raises:
            InventoryError: the inventory is malformed or truncated as a whole, or has a bad record
                that is rejected; what was yielded is not all.
        """
        ...


def open_inventory(file: ByteSource, on_bad: OnBad = refuse) -> InventoryReader:
    """Return a reader of an inventory; its beginning decides whether it is JSON or CSV.

    Args:
        file: the inventory.
        on_bad: is called with each record that cannot be read; by default the first one raises.

    Raises:
        InventoryError: it is empty.
        OSError: as `file` does, here and while it is read.
    """
    text = InventoryText(file)
    return JsonReader(text, on_bad) if _is_json(text) else open_csv(text, on_bad)


def starts_as_json(file: ByteSource) -> bool:
    """Return whether an inventory is JSON, by its beginning; otherwise it is CSV.

    Raises:
        InventoryError, OSError: as `open_inventory`.
    """
    return _is_json(InventoryText(file))


def _is_json(text: InventoryText) -> bool:
    first = text.blanks()
    if not first:
        raise InventoryError("the inventory is empty; download it again")
    # No identifier of an archive begins with these.
    return first in "{["
