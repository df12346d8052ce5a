"""Extended attributes: what is known of an output, beside its bytes."""

import errno
import hashlib
import os
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from casfs.treehash import SHA256
from tests.support.command import CASFS
from tests.support.emulated_service import VAULT as OF_ARCHIVES
from tests.support.emulated_service import Service, serving
from tests.support.mounting import Mount, mounted
from tests.support.served import MIB, VAULT, Served, served

OF_CONTENT = ["archive-id", "description", "tree-hash"]
"""What is listed of an output; of an archive, `created` as well."""
CHANGING = ["cached", "expires", "job-id", "verified"]
"""What is answered by name only: in a copy it would soon be wrong."""
ARCHIVES = f"vaults/{OF_ARCHIVES}/archives"
MANY = 150


@pytest.fixture(scope="module")
def archives(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A vault with a directory of many small archives, and an inventory of it."""
    with serving("cas", tmp_path_factory.mktemp("archives"), {"x": 1}) as running:
        running.add_archives({f"many-{number}": b"%d" % number for number in range(MANY)})
        running.emulator.sql(
            "UPDATE archives SET description = replace(id, '-', '/') WHERE id LIKE 'many-%'"
        )
        running.add_inventory("inventory")
        yield running


@pytest.fixture(scope="module")
def archives_mount(archives: Service, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mount]:
    with mounted(tmp_path_factory.mktemp("mount"), archives.emulator.url) as running:
        running.good(CASFS, "catalog", "refresh", OF_ARCHIVES)
        yield running


def attributes(path: Path) -> dict[str, str]:
    names = {name.removeprefix("user.casfs.") for name in os.listxattr(path)}
    return {name: get(path, name) for name in sorted({*names, *CHANGING})}


def get(path: Path, name: str) -> str:
    return os.getxattr(path, f"user.casfs.{name}").decode()


def listed(mount: Mount, path: Path) -> list[str]:
    """The short names of the attributes that are listed, and that a copy therefore keeps."""
    return sorted(name.removeprefix("user.casfs.") for name in mount.ask(os.listxattr, path))


def attribute(mount: Mount, path: Path, name: str) -> str:
    return mount.ask(os.getxattr, path, f"user.casfs.{name}").decode()


def read_at(path: Path, size: int, offset: int) -> bytes:
    with path.open("rb", buffering=0) as file:
        return os.pread(file.fileno(), size, offset)


def test_all_attributes_of_an_output(tmp_path: Path, home: Path) -> None:
    with served(tmp_path, {"file": 2 * MIB + 5}) as service, mounted(home, service.url) as mount:
        path = mount.path(*service.output("file"))
        job = service.emulator.describe(VAULT, service.jobs["file"])
        found = mount.ask(attributes, path)
        assert list(found) == sorted(OF_CONTENT + CHANGING)
        assert listed(mount, path) == OF_CONTENT
        assert found["archive-id"] == service.archives["file"]
        assert found["job-id"] == service.jobs["file"]
        assert found["description"] == "file"
        data = service.files["file"]
        assert found["tree-hash"] == SHA256.root(SHA256.leaves(data)).hex()
        expires = datetime.fromisoformat(found["expires"])
        assert expires == datetime.fromisoformat(job["CompletionDate"]) + timedelta(hours=24)
        assert (found["verified"], found["cached"]) == ("no", "0")
        # Looking at attributes reads no output.
        assert service.emulator.outputs() == []


def test_verified_and_cached_follow_what_was_read(tmp_path: Path, home: Path) -> None:
    with served(tmp_path, {"file": 4 * MIB + 5}) as service:
        with mounted(home, service.url) as mount:
            path = mount.path(*service.output("file"))
            mount.ask(read_at, path, 10, 2 * MIB)
            assert attribute(mount, path, "verified") == "partial"
            mount.umount()
            assert mount.start().returncode == 0
            assert attribute(mount, path, "verified") == "partial"
            assert int(attribute(mount, path, "cached")) in (MIB, 2 * MIB, 3 * MIB)
            digest = hashlib.sha256(mount.read(*service.output("file"))).digest()
            assert digest == hashlib.sha256(service.files["file"]).digest()
            assert attribute(mount, path, "verified") == "yes"
        with mounted(home, service.url) as mount:
            assert attribute(mount, path, "verified") == "yes"
            assert attribute(mount, path, "cached") == str(4 * MIB + 5)


def test_a_small_file_as_a_whole(service: Served, mount: Mount) -> None:
    path = mount.path(*service.output("small"))
    mount.read(*service.output("small"))
    assert attribute(mount, path, "verified") == "yes"


def test_what_has_no_attributes(service: Served, mount: Mount) -> None:
    job = service.jobs["small"]
    for path in (mount.job(VAULT, job), mount.job(VAULT, job, "job.json"), mount.path("vaults")):
        assert mount.ask(os.listxattr, path) == []
        assert mount.errno(os.getxattr, path, "user.casfs.job-id") == errno.ENODATA
    output = mount.path(*service.output("small"))
    for name in ("user.casfs.other", "user.other", "security.selinux", "system.posix_acl_access"):
        assert mount.errno(os.getxattr, output, name) in (errno.ENODATA, errno.ENOTSUP)


def test_programs_that_copy_attributes_succeed(service: Served, mount: Mount, home: Path) -> None:
    home.mkdir()
    mount.good("cp", "-a", mount.path(*service.output("odd")), home / "copy")
    assert (home / "copy").read_bytes() == service.files["odd"]
    mount.good("rsync", "-aX", mount.path(*service.output("odd")), home / "synced")
    assert (home / "synced").read_bytes() == service.files["odd"]
    # Nothing that changes sticks to a copy.
    for copy in ("copy", "synced"):
        assert sorted(os.listxattr(home / copy)) == [f"user.casfs.{name}" for name in OF_CONTENT]


def test_a_text_longer_than_an_attribute_can_be_is_cut(tmp_path: Path, home: Path) -> None:
    with served(tmp_path, {"file": 5}) as service:
        service.emulator.sql("UPDATE archives SET description = ''")
        service.emulator.sql("UPDATE jobs SET description = ?", "é" * 40_000)
        with mounted(home, service.url) as mount:
            path = mount.path(*service.output("file"))
            assert attribute(mount, path, "description") == "é" * 32_768


def test_what_changes_of_an_archive_is_answered_by_name_only(
    archives: Service, archives_mount: Mount
) -> None:
    folder = archives_mount.path(ARCHIVES, "many")
    for path in (folder / "0", archives_mount.path(ARCHIVES, "by-id", "many-0")):
        assert listed(archives_mount, path) == sorted([*OF_CONTENT, "created"])
        assert attribute(archives_mount, path, "rule") == "plain"
        assert attribute(archives_mount, path, "job-id") == "job-many-0"
        assert attribute(archives_mount, path, "verified") in ("no", "yes")
        hash_ = SHA256.root(SHA256.leaves(b"0")).hex()
        assert attribute(archives_mount, path, "tree-hash") == hash_


def test_attributes_cost_a_copy_little(
    archives: Service, archives_mount: Mount, tmp_path: Path
) -> None:
    """`cp -a` asks ten times for each file; it took six times as long as without attributes."""
    seconds: dict[str, list[float]] = {"-a": [], "-r --preserve=mode,ownership,timestamps": []}
    source = archives_mount.path(ARCHIVES, "many")
    archives_mount.good("cp", "-r", source, tmp_path / "cached")
    for turn in range(3):
        for options, took in seconds.items():
            start = time.monotonic()
            copy = tmp_path / f"{turn}{len(options)}"
            archives_mount.good("cp", *options.split(), source, copy)
            took.append(time.monotonic() - start)
    with_attributes, without = (min(took) for took in seconds.values())
    # Half as much again on an idle machine.
    assert with_attributes < 3 * without
