"""A server that sends no tree hash with its answers: only the job's own tells, at the end."""

import errno
import filecmp
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.mounting import Mount, mounted
from tests.system.origin.serving import MIB, VAULT, Origin, nginx

SIZES = {"good": 20 * MIB + 5, "bad": 20 * MIB + 5}


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Origin]:
    with nginx(tmp_path_factory.mktemp("origin"), SIZES, hashes=False) as running:
        with running.files["bad"].open("r+b") as file:
            file.seek(3 * MIB)
            byte = file.read(1)
            file.seek(3 * MIB)
            file.write(bytes([byte[0] ^ 1]))
        yield running


@pytest.fixture
def mount(origin: Origin, tmp_path: Path) -> Iterator[Mount]:
    with mounted(tmp_path / "home", origin.url) as running:
        yield running


def verified(mount: Mount, job: str) -> bytes:
    return mount.ask(os.getxattr, mount.job(VAULT, job, "output"), "user.casfs.verified")


def test_right_bytes_are_verified_once_all_are_there(
    origin: Origin, mount: Mount, tmp_path: Path
) -> None:
    assert verified(mount, "good") == b"no"
    mount.good("cp", mount.job(VAULT, "good", "output"), tmp_path / "copy")
    assert filecmp.cmp(tmp_path / "copy", origin.files["good"], shallow=False)
    assert verified(mount, "good") == b"yes"


def test_wrong_bytes_never_make_a_copy_that_succeeds(mount: Mount, tmp_path: Path) -> None:
    """Not at the first try, and not from what the kernel kept of it."""
    for _ in range(3):
        done = mount.run("cp", mount.job(VAULT, "bad", "output"), tmp_path / "copy")
        assert (done.returncode, os.strerror(errno.EIO) in done.stderr) == (1, True)
        assert verified(mount, "bad") == b"no"


def test_who_reads_on_after_another_met_the_mismatch_meets_it_too(mount: Mount) -> None:
    output = mount.job(VAULT, "bad", "output")

    def read_in_turns() -> list[int | None]:
        with open(output, "rb", buffering=0) as first, open(output, "rb", buffering=0) as second:
            failures: list[int | None] = []
            for file in (first, second, first):
                file.seek(0)
                try:
                    while file.read(MIB):
                        pass
                    failures.append(None)
                except OSError as error:
                    failures.append(error.errno)
            return failures

    assert mount.ask(read_in_turns) == [errno.EIO] * 3
