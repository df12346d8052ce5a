"""What libfuse and fusermount print goes into the log, and the last line into the message."""

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from casfs.mount.library_output import LibraryOutput
from tests.support.command import CASFS
from tests.support.mounting import Mount, mounted
from tests.support.processes import SECONDS
from tests.support.served import Served

LIBRARIES = ["fuse3", "fuse"]


@pytest.fixture
def unmounted(service: Served, home: Path) -> Iterator[Mount]:
    mount = Mount(home, service.url)
    yield mount
    mount.remove()


@pytest.mark.parametrize("library", LIBRARIES)
def test_why_a_mount_failed_is_in_one_line_and_in_the_log(unmounted: Mount, library: str) -> None:
    unmounted.environment["FUSE_LIBRARY_NAME"] = library
    done = unmounted.start("-o", "max_read=many")
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"casfs: {unmounted.mountpoint} could not be mounted: ")
    assert "max_read=many" in line or library == "fuse"
    assert "WARNING casfs.mount.library_output: fuse" in unmounted.log


@pytest.mark.parametrize(
    ("printed", "reason"),
    [
        ("fusermount3: could not determine username\n", "could not .*; only users with an entry"),
        (
            "fusermount3: failed to open /dev/fuse: Permission denied\n",
            "failed .*; .*: chmod 666 /dev/fuse",
        ),
        ("fuse: device not found, try 'modprobe fuse' first\n", "device not found, .*; load"),
        ("fuse: something else\n", "something else$"),
        ("", "libfuse does not say why$"),
    ],
)
def test_a_reason_says_what_to_do(printed: str, reason: str) -> None:
    reading, writing = os.pipe()
    os.write(writing, printed.encode())
    os.close(writing)
    output = LibraryOutput()
    output.read(reading)
    assert re.match(reason, output.reason)


@pytest.mark.parametrize("library", LIBRARIES)
def test_in_front_the_log_still_reaches_standard_error(unmounted: Mount, library: str) -> None:
    unmounted.environment["FUSE_LIBRARY_NAME"] = library
    process = unmounted.start_in_front("-o", "debug")
    unmounted.list()
    process.terminate()
    _, errors = process.communicate(timeout=SECONDS)
    assert process.returncode == 0
    assert " INFO casfs.mount.daemon: " in errors
    printed = [line for line in errors.splitlines() if "casfs.mount.library_output: " in line]
    assert any("unique" in line for line in printed)
    # Each line of the library's is one of the log.
    assert all(line[:4].isdigit() for line in errors.splitlines())


def test_a_mount_that_died_makes_status_fail(service: Served, home: Path) -> None:
    with mounted(home / "dead", service.url) as dead, mounted(home / "alive", service.url) as alive:
        dead.kill()
        for arguments in ([], ["--json"], [str(dead.mountpoint)]):
            done = alive.run(CASFS, "status", *arguments)
            assert done.returncode == 1
            (line,) = done.stderr.splitlines()
            assert str(dead.mountpoint) in line
            assert "run: casfs umount" in line
        assert str(alive.mountpoint) in alive.run(CASFS, "status").stdout
