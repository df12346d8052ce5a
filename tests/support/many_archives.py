"""A vault whose catalog has very many archives that nobody retrieved."""

import hashlib
from collections.abc import Iterator

from casfs.client import Client
from casfs.tree.archives.ingest import Ingest, Inventory
from casfs.tree.descriptions.rules import DEFAULT
from casfs.tree.inventory.entry import ArchiveEntry
from tests.support.vaults import EARLY, Read, description


def catalog_many(client: Client, vault: str, count: int) -> None:
    """Take an inventory of so many archives into the catalog, as a job would bring it."""
    inventory = Inventory(vault, f"inventory of {count}", None, full=False)
    Ingest(client.retrievals.database).take(inventory, Read(_entries(count)), DEFAULT)


def _entries(count: int) -> Iterator[ArchiveEntry]:
    for number in range(count):
        digest = hashlib.sha256(b"%d" % number).hexdigest()
        path = f"{number // 1000:04}/{number:08}.bin"
        yield ArchiveEntry(digest + digest[:40], description(path), EARLY, 4096, digest)
