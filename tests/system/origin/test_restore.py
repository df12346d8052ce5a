"""The main job against a server that nobody here wrote: cp, tar and rsync give identical bytes."""

import collections
import filecmp
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.mounting import Mount, mounted
from tests.system.origin.serving import MIB, VAULT, Origin, nginx

SIZES = {
    "one": 1,
    "under": MIB - 1,
    "block": MIB,
    "over": MIB + 1,
    "seven": 15 * MIB // 2,
    "sixty-four": 64 * MIB + 3,
    "-hundred-and-sixty": 160 * MIB,
}
READERS = 8


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Origin]:
    with nginx(tmp_path_factory.mktemp("origin"), SIZES) as running:
        yield running


@pytest.fixture
def mount(origin: Origin, tmp_path: Path) -> Iterator[Mount]:
    origin.forget()
    with mounted(tmp_path / "home", origin.url) as running:
        yield running


def assert_identical(origin: Origin, jobs: Path) -> None:
    assert sorted(os.listdir(jobs)) == sorted(SIZES)
    for job, file in origin.files.items():
        assert filecmp.cmp(file, jobs / job / "output", shallow=False), job


def assert_asked_well(origin: Origin) -> None:
    """Every range is aligned, every block was asked for once, and all were."""
    for job, first, stop in origin.ranges():
        assert first % MIB == 0
        assert stop % MIB == 0 or stop == SIZES[job]
    asked = collections.Counter(origin.blocks())
    assert asked == {
        (job, block): 1 for job, size in SIZES.items() for block in range(-(-size // MIB))
    }


def test_cp(origin: Origin, mount: Mount, tmp_path: Path) -> None:
    mount.good("cp", "-r", mount.path("vaults", VAULT, "jobs"), tmp_path / "restored")
    assert_identical(origin, tmp_path / "restored")
    assert_asked_well(origin)


def test_tar(origin: Origin, mount: Mount, tmp_path: Path) -> None:
    mount.good("tar", "-C", mount.path("vaults", VAULT), "-cf", tmp_path / "jobs.tar", "jobs")
    mount.good("tar", "-C", tmp_path, "-xf", tmp_path / "jobs.tar")
    assert_identical(origin, tmp_path / "jobs")
    assert_asked_well(origin)


def test_rsync_and_a_remount_that_asks_for_no_output(
    origin: Origin, mount: Mount, tmp_path: Path
) -> None:
    jobs, restored = f"{mount.path('vaults', VAULT, 'jobs')}/", tmp_path / "restored"
    # The time of a directory is that of the newest job in it, once its jobs were listed.
    os.listdir(jobs)
    mount.good("rsync", "-a", jobs, restored)
    assert_identical(origin, restored)
    assert_asked_well(origin)

    mount.umount()
    origin.forget()
    assert mount.start().returncode == 0
    assert mount.good("rsync", "-ac", "--itemize-changes", jobs, restored) == ""
    assert origin.ranges() == []


def test_readers_at_once_ask_for_each_block_once(origin: Origin, mount: Mount) -> None:
    output = mount.job(VAULT, "-hundred-and-sixty", "output")
    expected = origin.files["-hundred-and-sixty"]
    ends = [mount.begin(filecmp.cmp, expected, output, False) for _ in range(READERS)]
    assert all(end() for end in ends)
    asked = collections.Counter(job_block for job_block in origin.blocks())
    assert asked == {("-hundred-and-sixty", block): 1 for block in range(160)}
