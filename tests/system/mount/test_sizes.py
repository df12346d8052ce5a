"""Odd outputs in a real mount: they hide nothing else, and programs get their true lengths."""

import errno
import json
import os
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.mounting import Mount, mounted
from tests.support.running_origin import RunningOrigin

TEXT = json.dumps({"VaultQCS": "q", "InventoryDate": None, "ArchiveList": []})
LONG = TEXT + " " * 3_000_000
INVENTORY = {"Action": "InventoryRetrieval"}
JOBS: dict[str, dict[str, Any]] = {
    "good": {"@size": 3000},
    "empty": {"@size": 0, "ArchiveSizeInBytes": 0},
    "empty-untold": {"@size": 0, "ArchiveSizeInBytes": None, "RetrievalByteRange": None},
    "behind": {"@size": 3001, "RetrievalByteRange": "0-9999999"},
    "longer": INVENTORY | {"@text": LONG, "InventorySizeInBytes": 10_000},
    "shorter": INVENTORY | {"@text": TEXT, "InventorySizeInBytes": 10_000},
    "untold": INVENTORY | {"@text": TEXT, "InventorySizeInBytes": None},
    "told": INVENTORY | {"@text": TEXT},
}
SIZES = {"good": 3000, "behind": 3001, "empty": 0, "empty-untold": 0, "longer": len(LONG)}
SIZES |= dict.fromkeys(("shorter", "untold", "told"), len(TEXT))


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningOrigin]:
    jobs = [{"JobId": name, **facts} for name, facts in JOBS.items()]
    with RunningOrigin(tmp_path_factory.mktemp("origin"), {"v": {"jobs": jobs}}) as running:
        yield running


@pytest.fixture
def mount(origin: RunningOrigin, tmp_path: Path) -> Iterator[Mount]:
    with mounted(tmp_path / "home", origin.url, CASFS_LISTING_TTL=0) as made:
        yield made


def assert_all(copy: Path) -> None:
    assert {path.parent.name: path.stat().st_size for path in copy.glob("*/output")} == SIZES
    assert (copy / "longer" / "output").read_text() == LONG
    assert len(list(copy.glob("*/job.json"))) == len(JOBS)


@pytest.mark.parametrize("tool", ["cp", "rsync", "tar"])
def test_every_tool_copies_all_without_an_error(mount: Mount, tmp_path: Path, tool: str) -> None:
    jobs, copy = mount.path("vaults", "v", "jobs"), tmp_path / "copy"
    if tool == "cp":
        mount.good("cp", "-r", "-T", jobs, copy)
    elif tool == "rsync":
        mount.good("rsync", "-a", f"{jobs}/", copy)
    else:
        mount.good("tar", "-C", jobs, "-cf", tmp_path / "tar", ".")
        with tarfile.open(tmp_path / "tar") as archive:
            archive.extractall(copy, filter="data")
    assert_all(copy)
    verified = {
        name: mount.ask(os.getxattr, mount.job("v", name, "output"), "user.casfs.verified")
        for name in JOBS
    }
    assert {name for name, value in verified.items() if value == b"yes"} == {"good", "behind"}


def test_ls_and_find_show_sizes(mount: Mount) -> None:
    jobs = mount.path("vaults", "v", "jobs")
    found = mount.good("find", jobs, "-name", "output", "-printf", "%P %s\n").splitlines()
    assert {line.split("/")[0]: int(line.split()[1]) for line in found} == SIZES
    assert mount.good("ls", "-lR", jobs).count(" job.json") == len(JOBS)


def test_one_that_cannot_be_measured_fails_by_itself(origin: RunningOrigin, mount: Mount) -> None:
    refusal = {"status": 400, "error": "InvalidParameterValueException"}
    origin.misbehave({"when": {"call": "output", "job": "untold"}, "do": refusal})
    try:
        folder = mount.job("v", "untold")
        names = ["inventory.csv", "inventory.json", "job.json", "output"]
        assert mount.list("vaults", "v", "jobs", "untold") == names
        done = mount.run("ls", "-l", folder)
        assert done.returncode == 1
        assert "job.json" in done.stdout
        assert mount.errno(os.stat, folder / "output") == errno.EIO
        assert b"InventoryRetrieval" in mount.read("vaults", "v", "jobs", "untold", "job.json")
    finally:
        origin.misbehave()
    assert mount.stat("vaults", "v", "jobs", "untold", "output").st_size == len(TEXT)
