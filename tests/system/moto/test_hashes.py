"""Bytes that come without a hash: marked as such, until the whole output has been checked."""

import errno
import filecmp
import os
from pathlib import Path

import pytest

from casfs.treehash import SHA256
from tests.support.mounting import Mount
from tests.system.moto.restoring import LONG, long_output, mount_of
from tests.system.moto.serving import MIB, Amazon, behind_nginx

RANGES = pytest.mark.parametrize("ranges", [False, True], ids=["no-ranges", "ranges"])


def verified(mount: Mount, output: Path) -> bytes:
    return mount.ask(os.getxattr, output, "user.casfs.verified")


def test_bytes_of_which_nobody_knows_a_hash_stay_unverified(
    amazon: Amazon, files: Path, tmp_path: Path
) -> None:
    with mount_of(amazon.url, tmp_path / "home") as mount:
        output = long_output(amazon, mount)
        assert verified(mount, output) == b"no"
        mount.good("cp", output, tmp_path / "copy")
        assert filecmp.cmp(tmp_path / "copy", files / output.parent.name, shallow=False)
        assert verified(mount, output) == b"no"
        assert mount.status()["counters"]["unchecked_blocks"] == -(-LONG // MIB)


@RANGES
def test_bytes_are_verified_when_all_match_the_hash_of_their_job(
    amazon: Amazon, files: Path, tmp_path: Path, ranges: bool
) -> None:
    right = {job: SHA256.root(SHA256.leaves(data)).hex() for job, data in amazon.files.items()}
    with (
        behind_nginx(tmp_path / "nginx", amazon, ranges, hashes=right) as service,
        mount_of(service.url, tmp_path / "home") as mount,
    ):
        output = long_output(amazon, mount)
        assert verified(mount, output) == b"no"
        mount.good("cp", output, tmp_path / "copy")
        assert filecmp.cmp(tmp_path / "copy", files / output.parent.name, shallow=False)
        assert verified(mount, output) == b"yes"


@RANGES
def test_bytes_that_do_not_match_the_hash_of_their_job_make_no_copy(
    amazon: Amazon, tmp_path: Path, ranges: bool
) -> None:
    wrong = dict.fromkeys(amazon.files, "0" * 64)
    with (
        behind_nginx(tmp_path / "nginx", amazon, ranges, hashes=wrong) as service,
        mount_of(service.url, tmp_path / "home") as mount,
    ):
        output = long_output(amazon, mount)
        done = mount.run("cp", output, tmp_path / "copy")
        assert (done.returncode, os.strerror(errno.EIO) in done.stderr) == (1, True)
        assert verified(mount, output) == b"no"
