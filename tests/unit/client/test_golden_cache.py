"""A cache that an earlier version made, committed as it was, still gives back all that it holds.

`casfs` at 069bc9c made it: of an emulator at port 9 with three archives and an inventory, `catalog
refresh`, and a copy of all that a mount showed. When the format changes on purpose, its version
changes with it, and this cache must still be read.
"""

import os
import shutil
import sqlite3
import tarfile
from pathlib import Path

import pytest

from casfs.client import Client
from casfs.config import Config
from casfs.credentials import Credentials
from casfs.tree.sqlite.schema import VERSION

ARCHIVE = Path(__file__).parents[2] / "support" / "golden" / "cache-069bc9c.tar.gz"
ENDPOINT = "http://127.0.0.1:9"
"""Nobody listens there: all must come from the cache."""
FILES = {
    "docs/a.txt": b"casfs golden cache\n" * 100,
    "docs/two blocks.bin": b"0123456789abcdef" * 65536 + b"the rest of it\n",
    "empty-ish": b"x",
}


@pytest.fixture
def cache(tmp_path):
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(tmp_path, filter="data")
    for path in [tmp_path / "cache", *(tmp_path / "cache").rglob("*")]:
        os.chown(path, os.getuid(), os.getgid())
        path.chmod(0o700 if path.is_dir() else 0o600)
    yield tmp_path / "cache"
    shutil.rmtree(tmp_path / "cache")


def client_of(cache):
    return Client(
        Config(
            endpoint=ENDPOINT,
            account="1250000000",
            credentials=Credentials("golden", "not-a-secret-000000000000"),
            cache_dir=cache,
            attempts=1,
            deadline=5.0,
        )
    )


def read_all(client, path):
    file = client.open(client.stat(path))
    try:
        return bytes(file.pread(file.size, 0))
    finally:
        file.close()


def test_a_cache_of_an_earlier_version_is_read_by_names_without_the_service(cache):
    with client_of(cache) as client:
        for name, data in FILES.items():
            path = f"/vaults/golden/archives/{name}"
            assert read_all(client, path) == data
            assert client.attributes(client.stat(path))["verified"] == "yes"


def test_a_cache_of_an_earlier_version_is_read_by_jobs_and_inventory_too(cache):
    with client_of(cache) as client:
        outputs = set()
        for job in client.list("/vaults/golden/jobs"):
            names = {node.path.rpartition("/")[2] for node in client.list(job.path)}
            if "inventory.csv" in names:
                table = read_all(client, f"{job.path}/inventory.csv")
                assert table.count(b"\n") == 1 + len(FILES)
                assert b'"docs/two blocks.bin"' in table
            else:
                outputs.add(read_all(client, f"{job.path}/output"))
        assert outputs == set(FILES.values())


def test_the_format_on_disk_is_the_one_that_was_committed(cache):
    """Else whoever changes it has to change its version, and to read this one still."""
    blocks = {path.relative_to(cache).parts[0] for path in cache.rglob("*") if path.is_file()}
    assert blocks == {"CACHEDIR.TAG", "blocks-1", "catalog-1"}
    with client_of(cache) as client:
        assert read_all(client, "/vaults/golden/archives/empty-ish") == b"x"
    assert {path.name for path in cache.iterdir()} == blocks
    (catalog,) = cache.glob("catalog-1/*.sqlite")
    connection = sqlite3.connect(catalog)
    try:
        (version,) = connection.execute("PRAGMA user_version").fetchone()
    finally:
        connection.close()
    assert version == VERSION
