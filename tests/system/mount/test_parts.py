"""Jobs whose output is not a whole archive: parts of one, aligned or not, and inventories."""

import json
import os
from datetime import datetime
from pathlib import Path

import pytest

from casfs.treehash import SHA256
from tests.support.mounting import Mount, mounted
from tests.support.served import MIB, VAULT, served

SIZE = 21 * MIB + 77


def attribute(mount: Mount, path: Path, name: str) -> str:
    return mount.ask(os.getxattr, path, f"user.casfs.{name}").decode()


@pytest.mark.parametrize(
    ("first", "stop", "hashed"),
    [
        (8 * MIB, 16 * MIB, True),
        (16 * MIB, SIZE, True),
        (3 * MIB, 9 * MIB, False),
        (5 * MIB, SIZE, False),
    ],
)
def test_a_part_of_an_archive(
    tmp_path: Path, home: Path, first: int, stop: int, hashed: bool
) -> None:
    with served(tmp_path, {"file": SIZE}) as service:
        part = f"{first}-{stop - 1}"
        job = service.emulator.retrieve(VAULT, service.archives["file"], RetrievalByteRange=part)
        with mounted(home, service.url) as mount:
            path, data = mount.job(VAULT, job, "output"), service.files["file"][first:stop]
            assert mount.ask(os.stat, path).st_size == len(data)
            assert mount.ask(Path.read_bytes, path) == data
            names = mount.ask(os.listxattr, path)
            assert ("user.casfs.tree-hash" in names) == hashed
            if hashed:
                expected = SHA256.root(SHA256.leaves(data)).hex()
                assert attribute(mount, path, "tree-hash") == expected
                assert attribute(mount, path, "verified") == "yes"
        assert len(service.blocks()) == len(set(service.blocks()))


def test_a_part_with_a_byte_that_is_always_wrong(tmp_path: Path, home: Path) -> None:
    """The service vouches for subtrees of the archive: those alone are withheld."""
    with served(tmp_path, {"file": SIZE}, "--hash-on-unaligned-job", "present") as service:
        job = service.emulator.retrieve(
            VAULT, service.archives["file"], RetrievalByteRange=f"{3 * MIB}-{19 * MIB - 1}"
        )
        service.spoil("file", 4 * MIB + 5)
        with mounted(home, service.url, CASFS_ATTEMPTS=2) as mount:
            data = service.files["file"][3 * MIB : 19 * MIB]

            def read_after_the_wrong_subtree() -> bytes:
                with mount.job(VAULT, job, "output").open("rb", buffering=0) as file:
                    os.lseek(file.fileno(), 5 * MIB, os.SEEK_SET)
                    return file.readall()

            copy = home / "copy"
            done = mount.run("cp", "--", mount.job(VAULT, job, "output"), copy)
            assert done.returncode == 1
            assert data.startswith(copy.read_bytes())
            assert copy.stat().st_size <= MIB
            assert mount.ask(read_after_the_wrong_subtree) == data[5 * MIB :]


@pytest.mark.parametrize("form", ["JSON", "CSV"])
def test_an_inventory(tmp_path: Path, home: Path, form: str) -> None:
    with served(tmp_path, {"a": 5, "b": 6}) as service:
        job = service.emulator.start(VAULT, Type="inventory-retrieval", Format=form)
        expected = service.emulator.output(VAULT, job).content
        with mounted(home, service.url) as mount:
            path = mount.job(VAULT, job, "output")
            facts = mount.ask(os.stat, path)
            completed = datetime.fromisoformat(
                service.emulator.describe(VAULT, job)["CompletionDate"]
            )
            assert (facts.st_size, facts.st_mtime) == (len(expected), completed.timestamp())
            assert mount.ask(Path.read_bytes, path) == expected
            if form == "JSON":
                assert len(json.loads(expected)["ArchiveList"]) == 2
