"""Outputs that stall, beside others: these come at once, and whoever waits has an error in time."""

import contextlib
import errno
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.mounting import Mount, mounted
from tests.support.processes import wait_until
from tests.support.running_origin import RunningOrigin, content
from tests.support.served import MIB

STALLED = [f"stalled{number}" for number in range(16)]
WELL = [f"well{number}" for number in range(4)]
JOBS: dict[str, dict[str, Any]] = {
    **{name: {"JobId": name, "@size": 32 * MIB, "@seed": 0} for name in STALLED},
    **{name: {"JobId": name, "@size": 12 * MIB, "@seed": 1} for name in WELL},
}
BOUND = 30
"""Seconds, generous for what takes a fraction of one; what waits for a stalled output takes 120."""
LIBRARIES = ["fuse3", "fuse"]
WAYS: dict[str, dict[str, Any]] = {
    "silent": {"hang": True},
    "in the body": {"stall": MIB // 2},
    "slowly": {"rate": 1 << 15},
    "an error each time": {"status": 500, "html": "<h1>busy</h1>"},
}


@contextlib.contextmanager
def stalling(
    tmp_path: Path, home: Path, do: dict[str, Any], behind: int = 0, **settings: Any
) -> Iterator[Mount]:
    """A mount of 16 outputs that stall behind some bytes, and of some that do not."""
    with RunningOrigin(tmp_path / "origin", {"v": {"jobs": list(JOBS.values())}}) as origin:
        rules = [
            {"when": {"call": "output", "job": name, "behind": behind}, "do": do}
            for name in STALLED
        ]
        origin.misbehave(*rules)
        origin.make_ready("v")
        with mounted(home, origin.url, **settings) as mount:
            yield mount


def output(mount: Mount, name: str) -> Path:
    return mount.job("v", name, "output")


@contextlib.contextmanager
def readers(mount: Mount, names: list[str]) -> Iterator[None]:
    """Readers of all of these, which wait; killed at the end."""
    begun = [mount.begin(Path.read_bytes, output(mount, name)) for name in names]
    try:
        for one in begun:
            wait_until(one.waits, "the readers to wait")
        yield
    finally:
        for one in begun:
            os.kill(one.pid, signal.SIGKILL)


def timed_read(path: Path) -> tuple[bytes, float]:
    started = time.monotonic()
    data = path.read_bytes()
    return data, time.monotonic() - started


def assert_comes_at_once(mount: Mount, name: str) -> None:
    data, seconds = mount.ask(timed_read, output(mount, name))
    assert data == content(JOBS[name])
    assert seconds < BOUND


@pytest.mark.parametrize(
    ("way", "library"), [*((way, "fuse3") for way in WAYS), ("silent", "fuse")]
)
def test_a_healthy_output_beside_16_that_stall(
    tmp_path: Path, home: Path, way: str, library: str
) -> None:
    with (
        stalling(tmp_path, home, WAYS[way], FUSE_LIBRARY_NAME=library) as mount,
        readers(mount, STALLED),
    ):
        for name in WELL:
            assert_comes_at_once(mount, name)
        assert mount.list("vaults", "v", "jobs") == sorted(JOBS)
        assert mount.ask(os.statvfs, mount.mountpoint).f_namemax == 255


def test_what_is_fetched_ahead_holds_not_all_places(tmp_path: Path, home: Path) -> None:
    """On a slow line all that may be fetched ahead of a reader is under way when it stalls."""
    name, wells = "large", [JOBS[other] for other in WELL]
    jobs = [{"JobId": name, "@size": 80 * MIB}, *wells]
    with RunningOrigin(tmp_path / "origin", {"v": {"jobs": jobs}}) as origin:
        origin.misbehave(
            {"when": {"call": "output", "job": name, "behind": 16 * MIB}, "do": {"hang": True}},
            {"when": {"call": "output", "job": name}, "do": {"rate": 8 * MIB}},
        )
        with mounted(home, origin.url, CASFS_CONNECTIONS=2) as mount, readers(mount, [name]):
            for other in WELL:
                assert_comes_at_once(mount, other)


def test_a_transfer_in_one_piece_beside_16_that_stall(tmp_path: Path, home: Path) -> None:
    """From a server that ignores ranges each output comes in one piece."""
    with RunningOrigin(tmp_path / "origin", {"v": {"jobs": list(JOBS.values())}}) as origin:
        stalled = {"whole": True, "stall": 2 * MIB}
        origin.misbehave(
            *({"when": {"call": "output", "job": name}, "do": stalled} for name in STALLED),
            {"when": {"call": "output"}, "do": {"whole": True}},
        )
        with mounted(home, origin.url) as mount, readers(mount, STALLED):
            for name in WELL:
                assert_comes_at_once(mount, name)


DEADLINE = 5


def timed_failure(path: Path, offset: int) -> tuple[int, float]:
    """Read on from an offset until it fails; tell with which errno, and after how long."""
    started = time.monotonic()
    try:
        with path.open("rb", buffering=0) as file:
            file.seek(offset)
            started = time.monotonic()
            while file.read(MIB):
                started = time.monotonic()
    except OSError as error:
        return error.errno or 0, time.monotonic() - started
    return 0, 0.0


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("do", [WAYS["silent"], {"stall": 0}], ids=["silent", "no body"])
def test_whoever_waits_has_an_error_within_the_deadline(
    tmp_path: Path, home: Path, do: dict[str, Any], library: str
) -> None:
    """The kernel asks once more for what failed; two who read one file wait for the same pages."""
    settings = {"CASFS_DEADLINE": DEADLINE, "FUSE_LIBRARY_NAME": library}
    with stalling(tmp_path, home, do, behind=8 * MIB, **settings) as mount:
        path = output(mount, STALLED[0])
        begun = [mount.begin(timed_failure, path, offset * MIB) for offset in (0, 0, 8)]
        for one in begun:
            number, seconds = one()
            assert number == errno.ETIMEDOUT
            # Not twice as long.
            assert seconds < 2 * DEADLINE
