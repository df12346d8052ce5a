"""The main job against moto: cp, tar and rsync give identical bytes, with or without ranges."""

import filecmp
import os
from pathlib import Path

import pytest

from tests.support.processes import wait_until
from tests.system.moto.restoring import SIZES, SLACK, TOOLS, assert_identical, mount_of, restore
from tests.system.moto.serving import MIB, VAULT, Amazon, behind_nginx, moto

LARGE = 300 * MIB


@pytest.mark.parametrize("tool", TOOLS)
def test_straight_from_moto(amazon: Amazon, files: Path, tmp_path: Path, tool: str) -> None:
    with mount_of(amazon.url, tmp_path / "home") as mount:
        assert restore(mount, tool, tmp_path / "restored") == (0, "")
        assert_identical(tmp_path / "restored", files)
        assert mount.status()["counters"]["failures"] == 0


@pytest.mark.parametrize("tool", TOOLS)
def test_with_the_ranges_of_nginx(amazon: Amazon, files: Path, tmp_path: Path, tool: str) -> None:
    with (
        behind_nginx(tmp_path / "nginx", amazon, ranges=True) as service,
        mount_of(service.url, tmp_path / "home") as mount,
    ):
        assert restore(mount, tool, tmp_path / "restored") == (0, "")
        assert_identical(tmp_path / "restored", files)
        assert {answer.status for answer in service.answers()} == {206}
        # Each output is asked for its size, too.
        sent = sum(answer.size for answer in service.answers())
        assert sent <= sum(SIZES.values()) + len(SIZES) * MIB


@pytest.mark.parametrize("ranges", [False, True], ids=["no-ranges", "ranges"])
@pytest.mark.parametrize("tool", TOOLS)
def test_killed_half_way_and_resumed(
    amazon: Amazon, files: Path, tmp_path: Path, tool: str, ranges: bool
) -> None:
    """With ranges, what is in the cache is not asked for again; without, it comes once more."""
    with (
        behind_nginx(tmp_path / "nginx", amazon, ranges, held=True) as service,
        mount_of(service.url, tmp_path / "home") as mount,
    ):
        target, everything = tmp_path / "restored", sum(SIZES.values())
        restoring = mount.begin(restore, mount, tool, target)
        half = everything // MIB // 2
        wait_until(lambda: len(mount.cached_blocks()) >= half, "half of the blocks to be there")
        mount.kill()
        assert restoring()[0] != 0
        kept = sum(path.stat().st_size for path in mount.cached_blocks())
        assert kept < everything, "all was there before the kill"
        service.release()
        mount.umount("--lazy")
        assert mount.start().returncode == 0
        assert restore(mount, tool, target) == (0, "")
        assert_identical(target, files)
        assert mount.status()["counters"]["rotten_blocks"] == 0
        again = sum(answer.size for answer in service.answers() if not answer.held)
        assert again
        if ranges:
            assert again <= everything - kept + len(SIZES) * MIB
        else:
            assert again <= everything + SLACK


def test_a_large_output_without_ranges_comes_over_the_network_once(tmp_path: Path) -> None:
    """However many read it at once, and wherever they begin."""
    with (
        moto(tmp_path, {"large": LARGE}) as amazon,
        behind_nginx(tmp_path / "nginx", amazon, ranges=False) as service,
        mount_of(service.url, tmp_path / "home") as mount,
    ):
        ((job, data),) = amazon.files.items()
        (tmp_path / "file").write_bytes(data)
        output = mount.job(VAULT, job, "output")
        last = mount.begin(_byte_at, output, LARGE - 1)
        readers = [mount.begin(filecmp.cmp, tmp_path / "file", output, False) for _ in range(3)]
        assert last() == data[-1:]
        assert all(reader() for reader in readers)
        answers = service.answers()
        assert {answer.status for answer in answers} == {200}
        assert sum(answer.size for answer in answers) < LARGE + SLACK


def _byte_at(path: Path, offset: int) -> bytes:
    with path.open("rb", buffering=0) as file:
        return os.pread(file.fileno(), 1, offset)
