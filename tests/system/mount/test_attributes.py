"""Extended attributes: what is known of an output, beside its bytes."""

import errno
import hashlib
import os
from datetime import datetime, timedelta
from pathlib import Path

from casfs.treehash import SHA256
from tests.support.mounting import Mount, mounted
from tests.support.served import MIB, VAULT, Served, served

ALL = ["archive-id", "cached", "description", "expires", "job-id", "tree-hash", "verified"]


def attributes(path: Path) -> dict[str, str]:
    return {name: os.getxattr(path, name).decode() for name in sorted(os.listxattr(path))}


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
        assert list(found) == [f"user.casfs.{name}" for name in ALL]
        assert found["user.casfs.archive-id"] == service.archives["file"]
        assert found["user.casfs.job-id"] == service.jobs["file"]
        assert found["user.casfs.description"] == "file"
        data = service.files["file"]
        assert found["user.casfs.tree-hash"] == SHA256.root(SHA256.leaves(data)).hex()
        expires = datetime.fromisoformat(found["user.casfs.expires"])
        assert expires == datetime.fromisoformat(job["CompletionDate"]) + timedelta(hours=24)
        assert (found["user.casfs.verified"], found["user.casfs.cached"]) == ("no", "0")
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


def test_a_text_longer_than_an_attribute_can_be_is_cut(tmp_path: Path, home: Path) -> None:
    with served(tmp_path, {"file": 5}) as service:
        service.emulator.sql("UPDATE archives SET description = ''")
        service.emulator.sql("UPDATE jobs SET description = ?", "é" * 40_000)
        with mounted(home, service.url) as mount:
            path = mount.path(*service.output("file"))
            assert attribute(mount, path, "description") == "é" * 32_768
