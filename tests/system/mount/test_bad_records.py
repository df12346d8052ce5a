"""A mount with an inventory that has a bad record: no shorter file, unless it was asked for."""

import csv
import errno
import json
from pathlib import Path

import pytest

from tests.support.mounting import mounted
from tests.support.processes import wait_until
from tests.support.running_origin import RunningOrigin

ARCHIVES = [
    {"ArchiveId": "a0", "ArchiveDescription": "dir/zero", "Size": 5},
    {"ArchiveId": "bad", "ArchiveDescription": "dir/bad", "Size": -5},
    {"ArchiveId": "a1", "ArchiveDescription": "dir/one", "Size": 5},
]
TEXT = json.dumps({"InventoryDate": "2026-01-01T00:00:00Z", "ArchiveList": ARCHIVES})
JOBS = [
    {"JobId": "i", "Action": "InventoryRetrieval", "@text": TEXT},
    {"JobId": "j0", "ArchiveId": "a0", "@text": "bytes"},
    {"JobId": "j1", "ArchiveId": "bad", "@text": "other"},
]


@pytest.fixture(scope="module")
def origin(tmp_path_factory):
    with RunningOrigin(tmp_path_factory.mktemp("origin"), {"v": {"jobs": JOBS}}) as running:
        yield running


@pytest.mark.parametrize("skip", [False, True])
def test_a_bad_record(origin, home, skip):
    options = ["--skip-bad-records"] if skip else []
    with mounted(home, origin.url, *options) as mount:
        job = "vaults/v/jobs/i"
        assert mount.read(job, "inventory.json") == TEXT.encode() == mount.read(job, "output")
        if skip:
            rows = csv.DictReader(mount.read(job, "inventory.csv").decode().splitlines())
            assert [row["ArchiveId"] for row in rows] == ["a0", "a1"]
        else:
            assert mount.errno(Path.read_bytes, mount.path(job, "inventory.csv")) == errno.EIO
            assert "--skip-bad-records" in mount.log
        wait_until(lambda: "dir" in mount.list("vaults/v/archives"), "the inventory")
        assert mount.list("vaults/v/archives/dir") == ["zero"]
        assert mount.read("vaults/v/archives/by-id", "bad") == b"other"
