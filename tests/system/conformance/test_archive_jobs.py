"""Archives by name whose jobs bring parts of them, or expire: readable while all of it is there."""

import errno
import hashlib
import json
import os
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.emulated_service import VAULT, Service, serving
from tests.support.mounting import Mount, mounted
from tests.support.served import MIB
from tests.system.conformance.archives import ARCHIVES, attributes_of, refresh, settings_of

SIZE = 9 * MIB + 77
NAMES = ["joined", "other"]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@contextmanager
def vault(dialect: str, root: Path, parts: bool = True) -> Iterator[Service]:
    """A catalogued vault; range jobs bring `joined`, unless `parts` is False."""
    with serving(dialect, root, {"joined": SIZE, "other": 5}) as service:
        service.add_inventory("listed")
        if parts:
            service.add_part("joined", "left", 0, 4 * MIB)
            service.add_part("joined", "right", 3 * MIB, SIZE)
            service.emulator.expire(service.jobs["joined"])
        yield service


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def blocks_read(service: Service) -> Counter[tuple[str, int]]:
    """How often each block of each job was sent."""
    counted: Counter[tuple[str, int]] = Counter()
    for entry in service.emulator.outputs():
        if "/listed/" not in entry.path:
            first, _, last = str(entry.range).removeprefix("bytes=").partition("-")
            job = entry.path.split("/")[-2]
            counted.update((job, block) for block in range(int(first) // MIB, int(last) // MIB + 1))
    return counted


def readable(mount: Mount) -> list[str]:
    return mount.list(ARCHIVES)


def test_range_jobs_cover_it_and_it_outlives_them(dialect: str, tmp_path: Path, home: Path) -> None:
    with vault(dialect, tmp_path) as service:
        expected = hashlib.sha256(service.files["joined"]).hexdigest()
        with mounted(home, service.emulator.url, **settings_of(service)) as mount:
            refresh(mount)
            assert readable(mount) == NAMES
            path = mount.path(ARCHIVES, "joined")
            assert mount.ask(digest, path) == expected
            read = blocks_read(service)
            assert set(read.values()) == {1}
            left, right = 4, 7
            assert sorted(read) == [("left", b) for b in range(left)] + [
                ("right", b) for b in range(1, right)
            ]
            told = mount.ask(attributes_of, path)
            assert (told["verified"], told["job-id"]) == ("yes", "left right")
            service.emulator.expire("left")
            assert readable(mount) == NAMES, "all of it is in the cache"
            assert mount.ask(digest, path) == expected
            assert "left" not in mount.list("vaults", VAULT, "jobs"), "not all it brought is"
            assert mount.errno(os.stat, mount.path("vaults", VAULT, "jobs", "left")) == errno.ENOENT
            service.emulator.expire("right")
            assert readable(mount) == NAMES
            service.emulator.stop()
            mount.umount()
            assert mount.start().returncode == 0
            assert readable(mount) == NAMES
            assert mount.ask(digest, path) == expected


def test_without_one_of_its_range_jobs_it_is_gone(dialect: str, tmp_path: Path, home: Path) -> None:
    with (
        vault(dialect, tmp_path) as service,
        mounted(home, service.emulator.url, **settings_of(service)) as mount,
    ):
        refresh(mount)
        assert readable(mount) == NAMES
        service.emulator.expire("right")
        assert readable(mount) == ["other"]
        assert mount.errno(os.stat, mount.path(ARCHIVES, "joined")) == errno.ENOENT
        service.add_part("joined", "again", 3 * MIB, SIZE)
        service.change_job("again", completed=time.time() + 3600)
        assert readable(mount) == ["other"]
        service.emulator.finish("again")
        assert readable(mount) == NAMES
        data = mount.ask(Path.read_bytes, mount.path(ARCHIVES, "joined"))
        assert data == service.files["joined"]


def read_around(path: Path, mount: Mount, service: Service) -> tuple[list[str], int | None]:
    """Open a file, let its job expire, and return what is listed then, and the errno of a read."""
    with path.open("rb", buffering=0) as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_RANDOM)
        os.pread(file.fileno(), 4096, 0)
        service.emulator.expire(service.jobs["joined"])
        listed = sorted(os.listdir(path.parent))
        try:
            os.pread(file.fileno(), 4096, SIZE - 4096)
        except OSError as error:
            return listed, error.errno
        return listed, None


def test_what_has_expired_stays_if_it_is_whole(dialect: str, tmp_path: Path, home: Path) -> None:
    with (
        vault(dialect, tmp_path, parts=False) as service,
        mounted(home, service.emulator.url, **settings_of(service)) as mount,
    ):
        refresh(mount)
        kept = mount.path(ARCHIVES, "other")
        assert mount.ask(Path.read_bytes, kept) == service.files["other"]
        before = mount.ask(os.stat, kept)
        service.emulator.expire(service.jobs["other"])
        listed, failure = mount.ask(read_around, mount.path(ARCHIVES, "joined"), mount, service)
        assert (listed, failure) == (["other"], errno.ESTALE)
        assert mount.errno(os.stat, mount.path(ARCHIVES, "joined")) == errno.ENOENT
        service.emulator.stop()
        mount.umount()
        assert mount.start().returncode == 0
        assert readable(mount) == ["other"]
        assert mount.ask(Path.read_bytes, kept) == service.files["other"]
        told = mount.ask(attributes_of, kept)
        assert (told["verified"], told["cached"]) == ("yes", "5")
        assert "expires" not in told
        after = mount.ask(os.stat, kept)
        assert (after.st_mtime_ns, after.st_ino) == (before.st_mtime_ns, before.st_ino)


def test_an_inventory_that_contradicts_the_jobs_is_reported(
    dialect: str, tmp_path: Path, home: Path
) -> None:
    with (
        serving(dialect, tmp_path, {"joined": SIZE, "other": 5}) as service,
        mounted(home, service.emulator.url, **settings_of(service)) as mount,
    ):
        archive = service.archives["other"]
        facts = {"ArchiveId": archive, "CreationDate": "2020-01-01T00:00:00Z", "Size": 6}
        listed = {"ArchiveList": [{**facts, "ArchiveDescription": "other"}]}
        service.add_inventory_output("listed", json.dumps(listed).encode())
        refresh(mount)
        assert readable(mount) == ["by-id", "other"]
        assert mount.errno(Path.read_bytes, mount.path(ARCHIVES, "other")) == errno.EIO
        assert "contradict its inventory" in mount.log
        assert mount.read(service.output("other")) == service.files["other"]
