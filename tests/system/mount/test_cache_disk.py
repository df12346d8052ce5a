"""A cache disk that is full, emptied, read-only or damaged: the mount works, and says which."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.command import CASFS
from tests.support.disks import disk, fill, make_read_only, use_up_inodes
from tests.support.emulator.running import RunningEmulator, running_emulator
from tests.support.mounting import Mount, mounted
from tests.support.processes import wait_until
from tests.support.random_data import random_bytes
from tests.support.served import MIB, VAULT, Served

FILES = {name: random_bytes(size, name) for name, size in {"a": 3 * MIB + 5, "b": 2 * MIB}.items()}


@pytest.fixture(scope="module")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningEmulator]:
    folder = tmp_path_factory.mktemp("emulator")
    files = folder / "files"
    files.mkdir()
    for name, data in FILES.items():
        (files / name).write_bytes(data)
    with running_emulator(
        folder / "root", "--seed", f"{VAULT}={files}", "--seed-inventory"
    ) as running:
        yield running


@pytest.fixture
def service(emulator: RunningEmulator) -> Served:
    return Served(emulator, FILES)


def inventory_job(service: Served) -> str:
    ((job,),) = service.emulator.sql("SELECT id FROM jobs WHERE archive IS NULL")
    return str(job)


def assert_all_there(service: Served, mount: Mount) -> None:
    """Everything that there is, as a program sees it that reads it all."""
    assert mount.list("vaults") == [VAULT]
    job = inventory_job(service)
    csv = mount.read("vaults", VAULT, "jobs", job, "inventory.csv")
    assert csv.count(b"\n") == 1 + len(FILES)
    wait_until(
        lambda: set(mount.list("vaults", VAULT, "archives")) >= set(FILES), "archives to have names"
    )
    for name, data in FILES.items():
        assert mount.read(*service.output(name)) == data
        assert mount.read("vaults", VAULT, "archives", name) == data
    assert set(mount.list("vaults", VAULT, "jobs")) == {*service.jobs.values(), job}


@pytest.mark.parametrize("kind", ["full", "no inodes", "read-only"])
@pytest.mark.parametrize("when", ["before", "while mounted"])
def test_a_disk_that_takes_nothing(
    service: Served, home: Path, tmp_path: Path, kind: str, when: str
) -> None:
    def spoil(folder: Path) -> None:
        if kind == "full":
            fill(folder)
        elif kind == "no inodes":
            use_up_inodes(folder)
        else:
            make_read_only(folder)

    told = {
        "full": "is full",
        "no inodes": "has no free inodes",
        "read-only": "is read-only",
    }[kind]
    with disk(tmp_path / "disk", 16 * MIB, files=200) as folder:
        if when == "before":
            spoil(folder)
        with mounted(home, service.url, CASFS_CACHE_DIR=folder / "cache") as mount:
            if when != "before":
                assert mount.list("vaults") == [VAULT]
                spoil(folder)
            assert_all_there(service, mount)
            assert f"the disk at {folder} {told}" in mount.log
            assert " ERROR " not in mount.log
            assert " CRITICAL " not in mount.log
        assert list(folder.glob("cache/blocks-1/temporary/*")) == []


def test_what_is_known_of_a_full_disk_is_still_known(
    service: Served, home: Path, tmp_path: Path
) -> None:
    """Though the service is away: the catalogue goes on in memory with what the disk has."""
    with (
        disk(tmp_path / "disk", 16 * MIB) as folder,
        mounted(home, service.url, CASFS_CACHE_DIR=folder / "cache") as mount,
    ):
        assert_all_there(service, mount)
        mount.umount()
        fill(folder)
        assert mount.start().returncode == 0
        assert_all_there(service, mount)
        assert "keeping the catalog in memory" in mount.log


@pytest.mark.parametrize("command", ["vaults", "jobs"])
def test_commands_work_on_a_full_disk(
    service: Served, home: Path, tmp_path: Path, command: str
) -> None:
    with disk(tmp_path / "disk", MIB) as folder:
        fill(folder)
        mount = Mount(home, service.url, {"CASFS_CACHE_DIR": folder / "cache"})
        done = mount.run(CASFS, command, *([VAULT] if command == "jobs" else []))
        assert done.returncode == 0, done.stderr
        assert f"the disk at {folder} is full" in done.stderr


def test_an_emptied_cache_is_filled_again(service: Served, home: Path) -> None:
    with mounted(home, service.url) as mount:
        assert_all_there(service, mount)
        cache = mount.cache / "casfs"
        for path in cache.iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        assert_all_there(service, mount)
        mount.umount()
        assert list(cache.glob("catalog-1/*.sqlite")) != []
        assert " ERROR " not in mount.log


def test_a_cache_that_is_removed_as_a_whole_is_made_again(service: Served, home: Path) -> None:
    with mounted(home, service.url, CASFS_MEMORY_SIZE="1M") as mount:
        assert mount.list("vaults") == [VAULT]
        shutil.rmtree(mount.cache / "casfs")
        assert_all_there(service, mount)
        mount.umount()
        assert len(mount.cached_blocks()) >= 6
        assert " ERROR " not in mount.log


@pytest.mark.parametrize("at", [0, 4096, 3 * 4096, "middle"])
def test_zeros_in_the_catalogue_are_mended_in_the_same_start(
    service: Served, home: Path, at: int | str
) -> None:
    with mounted(home, service.url) as mount:
        assert_all_there(service, mount)
        mount.umount()
        (sqlite,) = mount.cache.glob("casfs/catalog-1/*.sqlite")
        content = bytearray(sqlite.read_bytes())
        start = len(content) // 8192 * 4096 if at == "middle" else int(at)
        content[start : start + 8 * 4096] = bytes(len(content[start : start + 8 * 4096]))
        sqlite.write_bytes(content)
        assert mount.start().returncode == 0
        assert_all_there(service, mount)
        assert " ERROR " not in mount.log
