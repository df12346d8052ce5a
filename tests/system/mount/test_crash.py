"""Killed mounts, lost services, remounts: what was read stays read, and nothing hangs."""

import errno
import os
import signal
import time
from pathlib import Path

import pytest

from tests.support.command import CASFS
from tests.support.emulator.running import running_anew
from tests.support.mounting import Mount, mounted
from tests.support.processes import freeze, wait_until
from tests.support.served import MIB, Served, served

LONG = 3600


def cached_blocks(mount: Mount) -> set[int]:
    """The blocks of the one output that was read which are on disk, and whole."""
    return {int(file.name) for file in mount.cached_blocks() if file.stat().st_size == MIB}


def test_killed_in_the_middle_of_a_copy(tmp_path: Path, home: Path) -> None:
    """At some 8 MiB/s, so that there is a middle, on a busy machine, too."""
    blocks = 48
    with (
        served(tmp_path, {"file": blocks * MIB}, "--rate", str(MIB)) as service,
        mounted(home, service.url) as mount,
    ):
        source, copy = mount.path(*service.output("file")), home / "copy"
        copying = mount.begin(mount.run, "cp", "--", source, copy)
        wait_until(lambda: len(cached_blocks(mount)) >= 8, "some blocks to be on disk")
        mount.kill()
        assert copying().returncode != 0
        kept = cached_blocks(mount)
        assert len(kept) < blocks, "the copy was over before the kill"
        assert "died" in mount.start().stderr
        mount.umount()
        with running_anew(service.emulator) as emulator:
            asked = len(emulator.entries())
            assert mount.start().returncode == 0
            mount.good("cp", "--", source, copy)
            assert copy.read_bytes() == service.files["file"]
            again = [block for _, block in service.blocks(asked)]
            assert sorted(again) == sorted(set(range(blocks)) - kept)
            assert mount.status()["counters"]["rotten_blocks"] == 0


@pytest.mark.parametrize("running", [True, False], ids=["running", "stopped"])
@pytest.mark.parametrize("ttl", [0, LONG])
def test_a_remount_asks_for_no_output(tmp_path: Path, home: Path, running: bool, ttl: int) -> None:
    sizes = {"file": 9 * MIB + 3, "other": 5}
    with served(tmp_path, sizes) as service:
        with mounted(home, service.url, CASFS_LISTING_TTL=ttl) as mount:
            # A directory has the time of the newest that is known to be in it.
            mount.good("find", mount.path("vaults"))
            before = mount.good("find", mount.path("vaults"), "-printf", "%P %s %T@ %i\n")
            for name, data in service.files.items():
                assert mount.read(*service.output(name)) == data
        asked = len(service.emulator.outputs())
        if not running:
            service.emulator.stop()
        settings = {"CASFS_LISTING_TTL": ttl, "CASFS_ATTEMPTS": 1}
        with mounted(home, service.url, **settings) as mount:  # type: ignore[arg-type]
            after = mount.good("find", mount.path("vaults"), "-printf", "%P %s %T@ %i\n")
            assert after == before
            for name, data in service.files.items():
                assert mount.read(*service.output(name)) == data
        assert len(service.emulator.outputs()) == asked


@pytest.mark.parametrize("hanging", [False, True], ids=["stopped", "hanging"])
def test_a_lost_service_does_not_keep_a_mount(tmp_path: Path, home: Path, hanging: bool) -> None:
    with (
        served(tmp_path, dict.fromkeys(map(str, range(16)), MIB)) as service,
        mounted(home, service.url, CASFS_DEADLINE=LONG, CASFS_ATTEMPTS=1000) as mount,
    ):
        paths = [mount.path(*service.output(name)) for name in service.files]
        mount.ask(os.stat, paths[0])
        if hanging:
            freeze(service.emulator.pid)
        else:
            service.emulator.stop()
        try:
            waiting = [mount.begin(Path.read_bytes, path) for path in paths]
            for reader in waiting:
                wait_until(reader.waits, "a reader to wait")
            # The rest answers at once all the same, and so does taking it away.
            assert mount.list() == [".casfs", "vaults"]
            assert mount.stat(*service.output("0")).st_size == MIB
            assert mount.status()["pid"] == mount.pid
            mount.good("df", mount.mountpoint, seconds=20)
            begun = time.monotonic()
            mount.umount("--lazy")
            assert time.monotonic() - begun < 10
            assert not mount.is_mounted()
            os.kill(mount.pid, signal.SIGTERM)
            wait_until(lambda: not mount.processes(), "the mount to end", seconds=20)
            for reader in waiting:
                with pytest.raises(OSError):  # noqa: PT011 - EIO or ECONNABORTED
                    reader()
        finally:
            if hanging:
                os.kill(service.emulator.pid, signal.SIGCONT)


def test_umount_of_an_idle_mount_whose_service_hangs(tmp_path: Path, home: Path) -> None:
    with served(tmp_path, {"file": 24 * MIB}) as service, mounted(home, service.url) as mount:
        # Reading ahead has GETs under way when the service stops to answer.
        mount.good("head", "-c", str(3 * MIB), mount.path(*service.output("file")))
        freeze(service.emulator.pid)
        try:
            done = mount.run(CASFS, "umount", mount.mountpoint, seconds=20)
            assert (done.returncode, done.stderr) == (0, "")
            assert mount.processes() == []
        finally:
            os.kill(service.emulator.pid, signal.SIGCONT)


def test_a_mount_that_hangs_can_be_taken_away(service: Served, home: Path) -> None:
    with mounted(home, service.url) as mount:
        freeze(mount.pid)
        done = mount.run(CASFS, "umount", "--lazy", mount.mountpoint, seconds=20)
        assert (done.returncode, done.stderr) == (0, "")
        assert not mount.is_mounted()
        mount.kill()


def test_a_service_that_comes_back(tmp_path: Path, home: Path) -> None:
    with served(tmp_path, {"file": 9 * MIB}) as service:
        settings = {"CASFS_ATTEMPTS": 2, "CASFS_READ_TIMEOUT": 0.3}
        with mounted(home, service.url, **settings) as mount:  # type: ignore[arg-type]
            path = mount.path(*service.output("file"))
            mount.stat(*service.output("file"))
            freeze(service.emulator.pid)
            try:
                assert mount.errno(Path.read_bytes, path) == errno.EIO
            finally:
                os.kill(service.emulator.pid, signal.SIGCONT)
            assert mount.read(*service.output("file")) == service.files["file"]


def test_a_catalogue_that_is_damaged_is_rebuilt(service: Served, home: Path) -> None:
    with mounted(home, service.url) as mount:
        assert mount.read(*service.output("odd")) == service.files["odd"]
    (catalogue,) = home.rglob("*.sqlite")
    catalogue.write_bytes(b"no database at all" * 1000)
    with mounted(home, service.url) as mount:
        assert mount.read(*service.output("odd")) == service.files["odd"]
