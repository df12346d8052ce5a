"""What the contestants of the scenario `inventories` run, each in a process of its own.

python -m benchmarks.inventories CONTESTANT INVENTORY TARGET
"""

import sys
from collections.abc import Callable, Iterable
from pathlib import Path

HASH = "SHA256TreeHash"
_MOST_MEMORY = 1 << 32


def _write(target: Path, pieces: Iterable[bytes]) -> None:
    with target.open("wb") as file:
        for piece in pieces:
            file.write(piece)


def json_to_csv(inventory: Path, target: Path) -> None:
    """Convert with casfs."""
    from casfs.tree.inventory.reading import open_inventory
    from casfs.tree.inventory.writing import to_csv

    with inventory.open("rb") as file:
        _write(target, to_csv(HASH, open_inventory(file).batches()))


def csv_to_json(inventory: Path, target: Path) -> None:
    """Convert with casfs."""
    from casfs.tree.inventory.reading import open_inventory
    from casfs.tree.inventory.writing import to_json

    facts = {"VaultARN": None, "InventoryDate": None}
    with inventory.open("rb") as file:
        _write(target, to_json(facts, HASH, open_inventory(file).batches()))


def reader(inventory: Path, target: Path) -> None:
    """Read with casfs, and write nothing."""
    from casfs.tree.inventory.reading import open_inventory

    del target
    with inventory.open("rb") as file:
        for _ in open_inventory(file).batches():
            pass


def ijson(inventory: Path, target: Path) -> None:
    """Read JSON with ijson's parser in C, and write nothing."""
    from ijson.backends import yajl2_c

    del target
    with inventory.open("rb") as file:
        for _ in yajl2_c.items(file, "ArchiveList.item"):
            pass


def duckdb_to_csv(inventory: Path, target: Path) -> None:
    """Convert JSON with DuckDB."""
    import duckdb

    listed = "unnest(ArchiveList, recursive := true)"
    duckdb.sql(
        f"COPY (SELECT {listed} FROM read_json('{inventory}', "  # noqa: S608 - a path of ours
        f"maximum_object_size = {_MOST_MEMORY - 1})) TO '{target}' (FORMAT csv, HEADER)"
    )


def duckdb_to_json(inventory: Path, target: Path) -> None:
    """Convert CSV with DuckDB, which cannot read all that a service may write."""
    import duckdb

    duckdb.sql(
        f"COPY (SELECT * FROM read_csv('{inventory}', header = true, "  # noqa: S608 - as above
        f"quote = '\"', escape = '\\')) TO '{target}' (FORMAT json, ARRAY)"
    )


CONTESTANTS: dict[str, Callable[[Path, Path], None]] = {
    one.__name__: one
    for one in (json_to_csv, csv_to_json, reader, ijson, duckdb_to_csv, duckdb_to_json)
}

if __name__ == "__main__":
    name, inventory, target = sys.argv[1:]
    CONTESTANTS[name](Path(inventory), Path(target))
