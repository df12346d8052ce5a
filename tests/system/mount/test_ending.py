"""A mount ends soon, whatever stalls: requests, connections, the disk, a reader that was killed."""

import contextlib
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.command import CASFS
from tests.support.mounting import Mount, mounted
from tests.support.processes import wait_until
from tests.support.running_origin import RunningOrigin, content
from tests.support.served import MIB

JOB = {"JobId": "j", "@size": 40 * MIB}
STALLED = {"when": {"call": "output", "behind": 8 * MIB}, "do": {"stall": 1000}}
SILENT = {"when": {"call": "output", "behind": 8 * MIB}, "do": {"hang": True}}
BOUND = 10
"""Seconds: twice what is promised, for a busy machine; nothing here ends by itself in that time."""
LIBRARIES = ["fuse3", "fuse"]


@pytest.fixture
def origin(tmp_path: Path) -> Iterator[RunningOrigin]:
    with RunningOrigin(tmp_path / "origin", {"v": {"jobs": [JOB]}}) as running:
        yield running


def by_command(mount: Mount) -> None:
    mount.umount()


def by_fusermount(mount: Mount) -> None:
    # It may be busy for a moment: `casfs status` of other tests looks at every mount.
    wait_until(lambda: not mount.run("fusermount", "-u", mount.mountpoint).returncode, "its end")


def by_signal(mount: Mount) -> None:
    os.kill(mount.pid, signal.SIGTERM)


WAYS = [by_command, by_fusermount, by_signal]


def assert_ends(mount: Mount, end: Callable[[Mount], None]) -> None:
    started = time.monotonic()
    end(mount)
    wait_until(lambda: not mount.processes(), "the mount's process to end")
    assert time.monotonic() - started < BOUND
    assert not mount.is_mounted()


def read_until_it_stalls(mount: Mount) -> int:
    """Begin to read all, and return the reader's process once it waits for what does not come."""
    reading = mount.begin(Path.read_bytes, mount.job("v", "j", "output"))
    wait_until(lambda: mount.status()["counters"]["read_bytes"] >= 8 * MIB, "what comes")
    wait_until(reading.waits, "the reader to wait")
    return reading.pid


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("end", WAYS)
@pytest.mark.parametrize("rule", [STALLED, SILENT], ids=["stalled", "silent"])
def test_the_reader_of_a_stalled_output_was_killed(
    origin: RunningOrigin,
    home: Path,
    rule: dict[str, object],
    end: Callable[[Mount], None],
    library: str,
) -> None:
    origin.misbehave(rule)
    with mounted(home, origin.url, FUSE_LIBRARY_NAME=library) as mount:
        reader = read_until_it_stalls(mount)
        os.kill(reader, signal.SIGKILL)
        os.waitpid(reader, 0)
        assert_ends(mount, end)


def test_a_reader_still_waits(origin: RunningOrigin, home: Path) -> None:
    origin.misbehave(STALLED)
    with mounted(home, origin.url) as mount:
        reader = read_until_it_stalls(mount)
        refused = mount.run(CASFS, "umount", mount.mountpoint)
        assert (refused.returncode, "--lazy" in refused.stderr) == (1, True)
        assert_ends(mount, by_signal)
        os.waitpid(reader, 0)


@contextlib.contextmanager
def accepting_nothing(port: int) -> Iterator[None]:
    """Listen on a port of 127.0.0.1 so that every connection to it waits to be made."""
    with contextlib.ExitStack() as stack:
        listening = stack.enter_context(socket.socket())
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(("127.0.0.1", port))
        listening.listen(0)
        for _ in range(4):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(("127.0.0.1", port))
        yield


def test_a_connection_is_not_made(origin: RunningOrigin, home: Path) -> None:
    with mounted(home, origin.url, CASFS_LISTING_TTL=0, CASFS_CONNECT_TIMEOUT=60) as mount:
        origin.stop()
        with accepting_nothing(origin.port):
            listing = mount.begin(os.listdir, mount.path("vaults", "v", "jobs"))
            wait_until(listing.waits, "the listing to wait")
            os.kill(listing.pid, signal.SIGKILL)
            assert_ends(mount, by_signal)
            os.waitpid(listing.pid, 0)


SLOW_DISK = """
import time
from casfs.blocks.disk.output_store import OutputStore
OutputStore.write = lambda *_: time.sleep(600)
from casfs.cli.main import main
main()
"""


@pytest.mark.parametrize("end", WAYS)
def test_the_disk_of_the_cache_hangs(
    origin: RunningOrigin, home: Path, end: Callable[[Mount], None]
) -> None:
    with mounted(home, origin.url, program=(sys.executable, "-c", SLOW_DISK)) as mount:
        assert mount.read("vaults", "v", "jobs", "j", "output") == content(JOB)
        assert_ends(mount, end)


def is_taken_away(mount: Mount) -> bool:
    """Try to take a mount away, which never takes long."""
    started = time.monotonic()
    done = mount.run(CASFS, "umount", mount.mountpoint)
    assert time.monotonic() - started < 2 * BOUND
    return done.returncode == 0


def test_a_mount_that_answers_nothing_is_taken_away(origin: RunningOrigin, home: Path) -> None:
    with mounted(home, origin.url) as mount:
        os.kill(mount.pid, signal.SIGSTOP)
        try:
            # `casfs status` of other tests may wait for this mount, which keeps it busy.
            wait_until(lambda: is_taken_away(mount), "the mount to be free", seconds=180)
            assert not mount.is_mounted()
        finally:
            os.kill(mount.pid, signal.SIGCONT)
        wait_until(lambda: not mount.processes(), "the mount's process to end")
