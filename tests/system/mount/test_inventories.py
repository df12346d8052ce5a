"""Inventory files in a real mount, of every service: exact, made once, never half."""

import csv
import errno
import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from casfs.emulator.dialects.registry import DIALECTS
from tests.support.command import CASFS
from tests.support.emulated_service import VAULT, Service, serving
from tests.support.mounting import Mount, mounted
from tests.support.processes import freeze, wait_until
from tests.support.served import MIB

NAMES = ["one", "two", "three", "four", "five"]
TEXTS = {
    "one": "plain",
    "two": 'a "quoted", C:\\dir\\',
    "three": "C:\\x\\",
    "four": "",
    "five": "photos, 2019.jpg",
}
"""Descriptions that every service can hold, by the seeded file."""
MANY = 60_000
OWN_NAMES = {
    "cas": ("VaultQCS", "SHA256TreeHash"),
    "glacier": ("VaultARN", "SHA256TreeHash"),
    "oas": ("VaultId", "ArchiveTreeEtag"),
}


def add_many(service: Service) -> None:
    service.emulator.sql(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)"
        " INSERT INTO archives SELECT printf('%0138d', i), vault, 'photo, ' || i, i, created,"
        " tree_hash, deleted, NULL FROM n, archives WHERE id = ?",
        MANY,
        service.archives["one"],
    )


def rows_of(data: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(data.decode().splitlines(keepends=True)))


@pytest.fixture(scope="module", params=DIALECTS)
def service(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    root = tmp_path_factory.mktemp(request.param)
    sizes = {name: 10 + number for number, name in enumerate(NAMES)}
    with serving(request.param, root, sizes) as running:
        for name, text in TEXTS.items():
            running.describe_archive(name, text)
        yield running


@pytest.mark.parametrize("form", ["JSON", "CSV"])
def test_both_files_list_every_archive(service: Service, form: str, home: Path) -> None:
    if (service.dialect, form) == ("oas", "CSV"):
        return  # it knows no CSV
    folder = service.add_inventory(f"job-{form}", form)
    vault_name, hash_name = OWN_NAMES[service.dialect]
    with mounted(home, service.emulator.url, **service.settings) as mount:
        assert mount.list(folder) == ["inventory.csv", "inventory.json", "job.json", "output"]
        output = mount.read(folder, "output")
        in_json, in_csv = mount.read(folder, "inventory.json"), mount.read(folder, "inventory.csv")
        facts = {name: mount.stat(folder, name) for name in mount.list(folder)}
        job_id = mount.ask(os.getxattr, mount.path(folder, "inventory.csv"), "user.casfs.job-id")
    assert facts["inventory.json"].st_size == len(in_json)
    assert facts["inventory.csv"].st_size == len(in_csv)
    assert len({facts[name].st_mtime_ns for name in facts}) == 1
    assert len({facts[name].st_ino for name in facts}) == 4
    if form == "JSON":
        assert in_json == output
    listed = json.loads(in_json)
    assert listed[vault_name]
    assert (listed["InventoryDate"] is None) == (form == "CSV")
    archives = {archive["ArchiveId"]: archive for archive in listed["ArchiveList"]}
    rows = rows_of(in_csv)
    assert list(rows[0]) == [
        "ArchiveId", "ArchiveDescription", "CreationDate", "Size", hash_name
    ]  # fmt: skip
    assert len(rows) == len(archives) == len(TEXTS)
    for name, text in TEXTS.items():
        archive = archives[service.archives[name]]
        assert archive["ArchiveDescription"] == text
        assert archive["Size"] == len(service.files[name])
    for row in rows:
        assert row == {name: str(archives[row["ArchiveId"]][name]) for name in row}
    assert job_id.decode() == f"job-{form}"


def test_only_who_wants_a_size_reads_the_output(service: Service, home: Path) -> None:
    folder = service.add_inventory("job-listed", "JSON")
    with mounted(home, service.emulator.url, **service.settings) as mount:
        before = len(service.emulator.outputs())
        listed = mount.good("ls", mount.path(folder)).split()
        assert listed == ["inventory.csv", "inventory.json", "job.json", "output"]
        found = mount.good("find", mount.path(folder), "-type", "f", "-printf", "%f\n").split()
        assert sorted(found) == listed
        assert len(service.emulator.outputs()) == before
        told = mount.good("ls", "-l", mount.path(folder))
        sizes = {line.split()[-1]: int(line.split()[4]) for line in told.splitlines()[1:]}
        assert {name: len(mount.read(folder, name)) for name in listed} == sizes


def test_cat_writes_either_form(service: Service, home: Path) -> None:
    service.add_inventory("job-cat", "JSON")
    mount = Mount(home, service.emulator.url, service.settings)
    in_csv = mount.good(CASFS, "cat", "--inventory", "csv", VAULT, "job-cat")
    in_json = mount.good(CASFS, "cat", "--inventory", "json", VAULT, "job-cat")
    ids = [archive["ArchiveId"] for archive in json.loads(in_json)["ArchiveList"]]
    assert [row["ArchiveId"] for row in rows_of(in_csv.encode())] == ids
    refused = mount.run(CASFS, "cat", "--inventory", "csv", VAULT, service.jobs["one"])
    assert refused.returncode == 1
    assert "retrieves an archive, not an inventory" in refused.stderr


def test_two_who_look_at_once_cost_one_reading(tmp_path: Path, home: Path) -> None:
    with serving("glacier", tmp_path, {"one": 10}) as service:
        add_many(service)
        folder = service.add_inventory("job", "CSV")
        with mounted(home, service.emulator.url, **service.settings) as mount:
            paths = [mount.path(folder, f"inventory.{form}") for form in ("csv", "csv", "json")]
            looking = [mount.begin(os.stat, path) for path in paths]
            sizes = [done().st_size for done in looking]
            assert sizes[0] == sizes[1] == len(mount.read(folder, "inventory.csv"))
            asked = [entry.range for entry in service.emulator.outputs()]
            assert len(asked) == len(set(asked))
            assert len(kept(mount)) == 2


def test_killed_while_it_is_made(tmp_path: Path, home: Path) -> None:
    with serving("glacier", tmp_path, {"one": 10}, "--rate", str(MIB)) as service:
        add_many(service)
        folder = service.add_inventory("job", "JSON")
        with mounted(home, service.emulator.url, **service.settings) as mount:
            mount.ask(read_some, mount.path(folder, "output"))
            wait_until(lambda: any(file.name == "1" for file in mount.cached_blocks()), "a block")
            freeze(service.emulator.pid)
            try:
                looking = mount.begin(os.stat, mount.path(folder, "inventory.csv"))
                # The beginning is made of what is there; for the rest it waits.
                wait_until(lambda: any(map(is_text, temporary(mount))), "a file being made")
                mount.kill()
            finally:
                os.kill(service.emulator.pid, signal.SIGCONT)
            with pytest.raises(OSError):  # noqa: PT011 - ENOTCONN or ECONNABORTED
                looking()
            assert kept(mount) == []
            mount.umount()
            assert mount.start().returncode == 0
            assert temporary(mount) == []
            size = mount.stat(folder, "inventory.csv").st_size
            data = mount.read(folder, "inventory.csv")
            assert len(data) == size
            assert len(rows_of(data)) == MANY + 1
            assert len(kept(mount)) == 1


def test_a_cut_inventory_is_refused_and_its_output_is_not(tmp_path: Path, home: Path) -> None:
    with serving("glacier", tmp_path, {"one": 10}) as service:
        folder = service.add_inventory("job", "JSON")
        with mounted(home, service.emulator.url, **service.settings) as mount:
            mount.list(folder)
            output = service.emulator.root / "inventories" / "job"
            data = output.read_bytes()
            # As long as before, but no JSON any more.
            output.write_bytes(data[:-2] + b"  ")
            path = mount.path(folder, "inventory.csv")
            assert mount.errno(os.stat, path) == errno.EIO
            assert "inventory.csv of the output of job job" in mount.log
            assert mount.read(folder, "output") == data[:-2] + b"  "
            assert kept(mount) == []


def test_a_retained_inventory_needs_no_service(tmp_path: Path, home: Path) -> None:
    with serving("glacier", tmp_path, {"one": 10}) as service:
        folder = service.add_inventory("job", "CSV")
        settings = {**service.settings, "CASFS_LISTING_TTL": "0", "CASFS_ATTEMPTS": "1"}
        with mounted(home, service.emulator.url, **settings) as mount:
            mount.read(folder, "output")
            service.emulator.expire("job")
            assert len(rows_of(mount.read(folder, "inventory.csv"))) == 1
        service.emulator.stop()
        with mounted(home, service.emulator.url, **settings) as mount:
            assert len(rows_of(mount.read(folder, "inventory.csv"))) == 1
            assert len(json.loads(mount.read(folder, "inventory.json"))["ArchiveList"]) == 1


def kept(mount: Mount) -> list[Path]:
    return list(mount.cache.rglob("blocks-*/*/*/kept"))


def temporary(mount: Mount) -> list[Path]:
    return list(mount.cache.rglob("blocks-*/temporary/*"))


def is_text(file: Path) -> bool:
    """Tell whether a file that is being written is a CSV, not a block."""
    try:
        with file.open("rb") as opened:
            return opened.read(9) == b"ArchiveId"
    except FileNotFoundError:
        return False


def read_some(path: Path) -> None:
    with path.open("rb") as file:
        file.read(2 * MIB)
