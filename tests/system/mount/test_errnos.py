"""Each row of the table of errors: what happened, and the errno that a program reading sees."""

import errno
import json
import os
import re
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.emulator.running import running_emulator
from tests.support.mounting import Mount, mounted
from tests.support.processes import freeze
from tests.support.served import MIB, VAULT, Served, served

ONE = {"file": 9 * MIB}


def read_at(path: Path, size: int, offset: int) -> bytes:
    """Read past the kernel's cache and its read-ahead: exactly what is asked for."""
    with path.open("rb", buffering=0) as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_RANDOM)
        return os.pread(file.fileno(), size, offset)


def error_line(mount: Mount) -> str:
    """The one line of the log about one read that failed.

    The kernel may read twice what one program asked for once: such lines say the same.
    """
    lines = [line.partition(" ERROR ")[2] for line in mount.log.splitlines()]
    lines = [re.sub(r"request id \S+", "request id", line) for line in lines if line]
    assert len(set(lines)) == 1, mount.log
    return next(line for line in reversed(mount.log.splitlines()) if " ERROR " in line)


def test_what_does_not_exist(service: Served, mount: Mount) -> None:
    job = service.jobs["small"]
    for parts in (
        ("nothing",),
        (".casfs", "nothing"),
        ("vaults", "nothing"),
        ("vaults", "nothing", "jobs", job),
        ("vaults", VAULT, "nothing"),
        ("vaults", VAULT, "jobs", "nothing"),
        ("vaults", VAULT, "jobs", job, "nothing"),
        ("vaults", VAULT, "jobs", job, "inventory.json"),
    ):
        assert mount.errno(os.stat, mount.path(*parts)) == errno.ENOENT, parts
        assert mount.errno(os.listdir, mount.path(*parts)) == errno.ENOENT, parts
        assert mount.errno(Path.read_bytes, mount.path(*parts)) == errno.ENOENT, parts


def test_a_file_is_no_folder_and_a_folder_no_file(service: Served, mount: Mount) -> None:
    output = mount.path(*service.output("small"))
    assert mount.errno(os.listdir, output) == errno.ENOTDIR
    assert mount.errno(os.stat, output / "x") == errno.ENOTDIR
    assert mount.errno(Path.read_bytes, mount.path("vaults")) == errno.EISDIR
    assert mount.errno(os.readlink, output) == errno.EINVAL


def test_a_job_that_turns_out_to_be_running(tmp_path: Path, home: Path) -> None:
    with served(tmp_path, ONE) as service, mounted(home, service.url) as mount:
        path = mount.path(*service.output("file"))
        assert mount.stat(*service.output("file")).st_size == 9 * MIB
        service.run_on("file")
        assert mount.errno(read_at, path, 4096, 0) == errno.EAGAIN
        service.emulator.finish(service.jobs["file"])
        assert mount.ask(read_at, path, 4096, 0) == service.files["file"][:4096]


@pytest.mark.parametrize("described", [False, True])
def test_an_expired_output_that_is_cached_in_part(
    tmp_path: Path, home: Path, described: bool
) -> None:
    options = ["--expired-job", "described" if described else "gone"]
    with served(tmp_path, ONE, *options) as service, mounted(home, service.url) as mount:
        path, data = mount.path(*service.output("file")), service.files["file"]
        assert mount.ask(read_at, path, 4096, 5 * MIB) == data[5 * MIB : 5 * MIB + 4096]
        service.emulator.expire(service.jobs["file"])
        assert mount.errno(read_at, path, 4096, 2 * MIB) == errno.ESTALE
        assert mount.ask(read_at, path, 9000, 5 * MIB + 7) == data[5 * MIB + 7 : 5 * MIB + 9007]
        assert "a new job for the same archive brings it back" in error_line(mount)


def test_an_expired_output_disappears_unless_it_is_whole(tmp_path: Path, home: Path) -> None:
    with served(tmp_path, {"part": 9 * MIB, "whole": 3 * MIB + 1}) as service:
        part, whole = service.output("part"), service.output("whole")
        with mounted(home, service.url) as mount:
            mount.ask(read_at, mount.path(*part), 1, 0)
            before = mount.stat(*whole)
            assert mount.read(*whole) == service.files["whole"]
        for job in service.jobs.values():
            service.emulator.expire(job)
        asked = len(service.emulator.outputs())
        with mounted(home, service.url, CASFS_LISTING_TTL=0) as mount:
            assert mount.list("vaults", VAULT, "jobs") == [service.jobs["whole"]]
            assert mount.errno(os.stat, mount.path(*part)) == errno.ENOENT
            assert mount.list(*whole[:-1]) == ["job.json", "output"]
            told = json.loads(mount.read(*whole[:-1], "job.json"))
            assert (told["JobId"], told["Retained"]) == (service.jobs["whole"], True)
            assert mount.read(*whole) == service.files["whole"]
            after = mount.stat(*whole)
            assert (after.st_mtime_ns, after.st_ino) == (before.st_mtime_ns, before.st_ino)
        assert len(service.emulator.outputs()) == asked


def test_a_later_job_for_the_same_archive_finds_what_is_cached(tmp_path: Path, home: Path) -> None:
    with served(tmp_path, ONE) as service:
        with mounted(home, service.url) as mount:
            assert mount.read(*service.output("file")) == service.files["file"]
        service.emulator.expire(service.jobs["file"])
        later = service.emulator.retrieve(VAULT, service.archives["file"])
        asked = len(service.emulator.outputs())
        with mounted(home, service.url, CASFS_LISTING_TTL=0) as mount:
            read = mount.read("vaults", VAULT, "jobs", later, "output")
            assert read == service.files["file"]
        assert len(service.emulator.outputs()) == asked


def test_credentials_that_are_refused_from_now_on(tmp_path: Path, home: Path) -> None:
    with served(tmp_path, ONE) as service, mounted(home, service.url) as mount:
        path = mount.path(*service.output("file"))
        mount.stat(*service.output("file"))
        port = service.emulator.port
        service.emulator.stop()
        other = {"CASFS_SECRET_ACCESS_KEY": "another secret"}
        with running_emulator(service.emulator.root, "--port", str(port), env=other):
            assert mount.errno(read_at, path, 4096, MIB) == errno.EACCES
            assert mount.list("vaults") == [VAULT]
        line = error_line(mount)
        assert f"/vaults/{VAULT}/jobs/{service.jobs['file']}/output" in line
        assert re.search(r"request id \S+", line)
        assert "check the keys" in line


def test_an_error_is_one_line_that_names_what_was_read(tmp_path: Path, home: Path) -> None:
    with served(tmp_path, ONE, fault={"error-500@output": 1}) as service:
        with mounted(home, service.url, CASFS_ATTEMPTS=2) as mount:
            path = mount.path(*service.output("file"))
            assert mount.errno(read_at, path, 4096, 3 * MIB) == errno.EIO
            line = error_line(mount)
        assert f"vaults/{VAULT}/jobs/{service.jobs['file']}/output" in line
        assert f"bytes {3 * MIB}-{3 * MIB + 4095}" in line
        assert service.emulator.outputs()[-1].request_id in line
        assert "try again later" in line


@pytest.mark.parametrize("gone", [True, False], ids=["stopped", "hanging"])
@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"CASFS_DEADLINE": 60, "CASFS_ATTEMPTS": 2}, errno.EIO),
        ({"CASFS_DEADLINE": 1, "CASFS_ATTEMPTS": 1000}, errno.ETIMEDOUT),
    ],
    ids=["inside", "past"],
)
def test_a_service_that_does_not_answer(
    tmp_path: Path, home: Path, gone: bool, settings: dict[str, Any], expected: int
) -> None:
    with served(tmp_path, ONE) as service:
        settings = {"CASFS_READ_TIMEOUT": 0.3, "CASFS_LISTING_TTL": 0, **settings}
        with mounted(home, service.url, **settings) as mount:
            path = mount.path(*service.output("file"))
            mount.stat(*service.output("file"))
            if gone:
                service.emulator.stop()
            else:
                freeze(service.emulator.pid)
            try:
                assert mount.errno(read_at, path, 4096, MIB) == expected
                # What was listed before is listed as it was.
                assert mount.list("vaults") == [VAULT]
                assert mount.status()["counters"]["stale_listings"] >= 1
                # What was not is an error, and in time.
                jobs = mount.path("vaults", VAULT, "jobs")
                assert mount.errno(os.listdir, jobs) == expected
                mount.umount()
            finally:
                if not gone:
                    os.kill(service.emulator.pid, signal.SIGCONT)


def write(path: Path) -> None:
    os.close(os.open(path, os.O_WRONLY))


def read_and_write(path: Path) -> None:
    os.close(os.open(path, os.O_RDWR))


def cut(path: Path) -> None:
    os.close(os.open(path, os.O_RDONLY | os.O_TRUNC))


def create(path: Path) -> None:
    os.close(os.open(path.parent / "new", os.O_WRONLY | os.O_CREAT | os.O_EXCL))


WRITES: dict[str, Callable[[Path], object]] = {
    "write": write,
    "read and write": read_and_write,
    "cut": cut,
    "create": create,
    "truncate": lambda path: os.truncate(path, 0),
    "unlink": os.unlink,
    "rename": lambda path: os.rename(path, path.parent / "new"),
    "mkdir": lambda path: os.mkdir(path.parent / "new"),
    "rmdir": lambda path: os.rmdir(path.parent),
    "mknod": lambda path: os.mknod(path.parent / "new"),
    "symlink": lambda path: os.symlink("x", path.parent / "new"),
    "link": lambda path: os.link(path, path.parent / "new"),
    "chmod": lambda path: os.chmod(path, 0o777),
    "chown": lambda path: os.chown(path, 1, 1),
    "utime": lambda path: os.utime(path, (0, 0)),
    "setxattr": lambda path: os.setxattr(path, "user.casfs.verified", b"yes"),
    "removexattr": lambda path: os.removexattr(path, "user.casfs.job-id"),
}


@pytest.mark.parametrize("name", WRITES)
def test_every_write_is_refused(service: Served, mount: Mount, name: str) -> None:
    for parts in (service.output("small"), (".casfs", "status.json")):
        assert mount.errno(WRITES[name], mount.path(*parts)) == errno.EROFS, parts


def test_a_program_may_ask_whether_it_may_write(service: Served, mount: Mount) -> None:
    path = mount.path(*service.output("small"))
    assert mount.ask(os.access, path, os.R_OK)
    assert not mount.ask(os.access, path, os.W_OK)
    assert not mount.ask(os.access, path, os.X_OK)
