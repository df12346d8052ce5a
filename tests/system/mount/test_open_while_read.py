"""A file that somebody reads is opened by others at once, and they share the kernel's pages."""

import contextlib
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.support.mounting import Mount, mounted
from tests.support.processes import wait_until
from tests.support.running_origin import RunningOrigin, content
from tests.support.served import MIB

SIZE = 48 * MIB
PREFIX = 8 * MIB
BOUND = 10
"""Seconds; an open that waited for what is held back would take a minute."""


def job(hashes: bool = True) -> dict[str, object]:
    return {"JobId": "j", "@size": SIZE, "@hashes": hashes}


@pytest.fixture
def held(tmp_path: Path) -> Path:
    """While this file is there, nothing comes of what lies behind the prefix."""
    path = tmp_path / "held"
    path.touch()
    return path


@contextlib.contextmanager
def serving(tmp_path: Path, home: Path, held: Path, **facts: bool) -> Iterator[Mount]:
    vaults = {"v": {"jobs": [job(**facts)]}}
    with RunningOrigin(tmp_path / "origin", vaults) as origin:
        when = {"call": "output", "behind": PREFIX}
        origin.misbehave({"when": when, "do": {"wait": str(held)}})
        with mounted(home, origin.url, CASFS_ACCESS_KEY_ID="k") as mount:
            try:
                yield mount
            finally:
                held.unlink(missing_ok=True)


def has_served(mount: Mount, least: int) -> bool:
    served: int = mount.status()["counters"]["read_bytes"]
    return served >= least


def first_byte(path: Path) -> tuple[bytes, float]:
    """Open a file and read one byte; tell how long that took."""
    started = time.monotonic()
    with path.open("rb", buffering=0) as file:
        return file.read(1), time.monotonic() - started


def test_who_opens_a_file_waits_for_no_other_reader(tmp_path: Path, home: Path, held: Path) -> None:
    with serving(tmp_path, home, held) as mount:
        path = mount.job("v", "j", "output")
        reading = mount.begin(Path.read_bytes, path)
        wait_until(partial(has_served, mount, PREFIX), "the prefix")
        wait_until(reading.waits, "the reader to wait for the rest")
        first, seconds = mount.ask(first_byte, path)
        assert first == content(job())[:1]
        assert seconds < BOUND
        held.unlink()
        assert reading() == content(job())


def test_readers_that_follow_each_other_share_what_the_kernel_has(
    tmp_path: Path, home: Path, held: Path
) -> None:
    """Each begins while the one before is in the middle of the file."""
    held.unlink()
    with serving(tmp_path, home, held) as mount:
        path = mount.job("v", "j", "output")
        readers = []
        for number in range(1, 9):
            readers.append(mount.begin(Path.read_bytes, path))
            wait_until(partial(has_served, mount, number * SIZE // 16), "the readers to go on")
        assert [reader() == content(job()) for reader in readers] == [True] * 8
        assert mount.status()["counters"]["read_bytes"] <= 1.2 * SIZE


def two_passes(path: Path) -> tuple[bytes, bytes]:
    return path.read_bytes(), path.read_bytes()


def test_bytes_that_nothing_vouches_for_are_read_again(
    tmp_path: Path, home: Path, held: Path
) -> None:
    held.unlink()
    with serving(tmp_path, home, held, hashes=False) as mount:
        both = mount.ask(two_passes, mount.job("v", "j", "output"))
        assert both == (content(job()), content(job()))
        assert mount.status()["counters"]["read_bytes"] >= 2 * SIZE
