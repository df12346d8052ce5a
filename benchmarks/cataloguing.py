"""`python -m benchmarks.cataloguing FOLDER ARCHIVES RESTORED`: catalogues one vault.

A process of its own, whose memory is that of the catalogue alone. Prints figures as JSON.
"""

import base64
import json
import resource
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from casfs.credentials import Credentials
from casfs.service.base import Job
from casfs.service.cas import cas
from casfs.tree.archives.entries import Scope
from casfs.tree.archives.intake import Intake, Inventory
from casfs.tree.archives.queries import Archives
from casfs.tree.archives.readable import Readable
from casfs.tree.catalog import Catalog
from casfs.tree.database import Database
from casfs.tree.descriptions.rules import DEFAULT
from casfs.tree.inventory.reading import open_inventory

_VAULT = "catalogue"
_FILES = 1000
"""Archives in a folder."""
_STEP = 7919
"""A prime: neighbours in the inventory stand in folders far from each other."""
_DIALECT = cas("-", Credentials("AKID", "secret"), "")


def main(folder: Path, count: int, restored: int) -> None:
    """Write an inventory, take it in, restore some, list all folders."""
    inventory = folder / "inventory.json"
    _write(inventory, count)
    with closing(Database(folder / "catalog.sqlite")) as database:
        figures = _measure(database, inventory, count, restored)
    figures["memory"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps(figures))  # noqa: T201 - to whoever started this


def _measure(database: Database, inventory: Path, count: int, restored: int) -> dict[str, float]:
    intake, archives = Intake(database), Archives(database)
    started = time.perf_counter()
    with inventory.open("rb") as file:
        intake.take(Inventory(_VAULT, "one", full=True), open_inventory(file), DEFAULT)
    built = time.perf_counter() - started

    Catalog(database).list_jobs(_VAULT, _jobs(count, restored), 0.0)
    started = time.perf_counter()
    Readable(database, _parse, lambda _: False).refresh()
    refreshed = time.perf_counter() - started

    folders = [f"photos/album {number:05}" for number in range(-(-count // _FILES))]
    every = _slowest(archives, folders, Scope.ALL, count)
    readable = _slowest(archives, folders, Scope.READABLE, restored)
    started = time.perf_counter()
    found = sum(1 for _ in archives.find(_VAULT, "*00.jpg", Scope.READABLE))
    return {
        "built": count / built / 1e3,
        "refreshed": refreshed,
        "all": every * 1e3,
        "readable": readable * 1e3,
        "find": time.perf_counter() - started,
        "found": found,
    }


def _slowest(archives: Archives, folders: list[str], scope: Scope, count: int) -> float:
    """List all folders; return the seconds of the slowest."""
    slowest, total = 0.0, 0
    for folder in folders:
        started = time.perf_counter()
        total += len(list(archives.entries(_VAULT, folder, scope)))
        slowest = max(slowest, time.perf_counter() - started)
    if total != count:
        raise SystemExit(f"{total} archives of {count} were listed")
    return slowest


def _write(path: Path, count: int) -> None:
    with path.open("w", encoding="ascii") as file:
        file.write('{"VaultARN":"arn","InventoryDate":"2030-01-01T00:00:00Z","ArchiveList":[')
        for number in range(count):
            file.write("," * (number > 0) + json.dumps(_archive(number * _STEP % count)))
        file.write("]}")


def _archive(number: int) -> dict[str, object]:
    path = f"photos/album {number // _FILES:05}/picture {number:07}.jpg"
    encoded = base64.b64encode(path.encode()).decode()
    return {
        "ArchiveId": _archive_id(number),
        "ArchiveDescription": f"<m><v>4</v><p>{encoded}</p><lm>20190412T081530Z</lm></m>",
        "CreationDate": "2019-05-01T12:00:00.000Z",
        "Size": 1 << 20,
        "SHA256TreeHash": f"{number:064x}",
    }


def _archive_id(number: int) -> str:
    return f"{number:0138d}"


def _jobs(count: int, restored: int) -> Iterator[Job]:
    for number in range(restored):
        facts = {
            "JobId": f"job {number}",
            "Action": "ArchiveRetrieval",
            "StatusCode": "Succeeded",
            "ArchiveId": _archive_id(number * (count // restored)),
            "ArchiveSizeInBytes": 1 << 20,
        }
        yield _DIALECT.job(_VAULT, facts)


def _parse(vault: str, description: str) -> Job:
    return _DIALECT.job(vault, json.loads(description))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
