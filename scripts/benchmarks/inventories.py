"""What the contestants of the scenario `inventories` run, each in a process of its own.

python -m benchmarks.inventories CONTESTANT INVENTORY
"""

import sys
from collections.abc import Callable, Iterable
from pathlib import Path

HASH = "SHA256TreeHash"
_MOST_MEMORY = 1 << 32
_OUT = "'/dev/stdout'"
_IN_PLACE = "USE_TMP_FILE false"
"""A device must not be replaced by a file."""


def _write(pieces: Iterable[bytes]) -> None:
    for piece in pieces:
        sys.stdout.buffer.write(piece)


def json_to_csv(inventory: Path) -> None:
    """Convert with casfs."""
    from casfs.tree.inventory.reading import open_inventory
    from casfs.tree.inventory.writing import to_csv

    with inventory.open("rb") as file:
        _write(to_csv(HASH, open_inventory(file).batches()))


def csv_to_json(inventory: Path) -> None:
    """Convert with casfs."""
    from casfs.tree.inventory.reading import open_inventory
    from casfs.tree.inventory.writing import to_json

    facts = {"VaultARN": None, "InventoryDate": None}
    with inventory.open("rb") as file:
        _write(to_json(facts, HASH, open_inventory(file).batches()))


def reader(inventory: Path) -> None:
    """Read with casfs, and write nothing."""
    from casfs.tree.inventory.reading import open_inventory

    with inventory.open("rb") as file:
        for _ in open_inventory(file).batches():
            pass


def ijson(inventory: Path) -> None:
    """Read JSON with ijson's parser in C, and write nothing."""
    from ijson.backends import yajl2_c

    with inventory.open("rb") as file:
        for _ in yajl2_c.items(file, "ArchiveList.item"):
            pass


def duckdb_to_csv(inventory: Path) -> None:
    """Convert JSON with DuckDB."""
    import duckdb

    listed = "unnest(ArchiveList, recursive := true)"
    duckdb.sql(
        f"COPY (SELECT {listed} FROM read_json('{inventory}', "  # noqa: S608 - a path of ours
        f"maximum_object_size = {_MOST_MEMORY - 1})) TO {_OUT} (FORMAT csv, HEADER, {_IN_PLACE})"
    )


def duckdb_to_json(inventory: Path) -> None:
    """Convert CSV with DuckDB, which cannot read all that a service may write."""
    import duckdb

    duckdb.sql(
        f"COPY (SELECT * FROM read_csv('{inventory}', header = true, "  # noqa: S608 - as above
        f"quote = '\"', escape = '\\')) TO {_OUT} (FORMAT json, ARRAY, {_IN_PLACE})"
    )


CONTESTANTS: dict[str, Callable[[Path], None]] = {
    one.__name__: one
    for one in (json_to_csv, csv_to_json, reader, ijson, duckdb_to_csv, duckdb_to_json)
}

if __name__ == "__main__":
    name, inventory = sys.argv[1:]
    CONTESTANTS[name](Path(inventory))
