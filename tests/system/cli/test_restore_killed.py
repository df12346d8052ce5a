"""`casfs restore` that is killed, runs out of room, or meets outputs that have expired."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.support.disks import disk
from tests.support.emulator.running import running_anew
from tests.support.restore_stress import RestoreStress
from tests.support.restores import MIB, VAULT, manifest, restores, sizes_of, states


def test_kills_lose_nothing_and_nothing_is_asked_or_paid_for_twice(tmp_path):
    with restores(tmp_path, sizes_of(40), "--job-seconds", "1", lifetime=20) as vault:
        stress = RestoreStress(vault, tmp_path / "dest")
        stress.run(kills=4, longest=4.0)
        stress.check()


def test_what_expired_is_requested_again_with_consent_alone(tmp_path):
    sizes = {"a.bin": 5 * MIB, "b.bin": 3}
    with restores(tmp_path, sizes, "--job-seconds", "0.2", lifetime=8.0) as vault:
        destination = tmp_path / "dest"
        assert vault.run("request", VAULT, "--all", "-y", "--wait")[0] == 0
        time.sleep(8.5)
        # They are gone, and -y is no consent to paying for them twice.
        status, output, errors = vault.restore(destination, "-y")
        assert status == 4, output + errors
        assert "--rerequest yes" in errors
        assert sum(vault.requested().values()) == 2
        status, output, errors = vault.restore(destination, "-y", "--rerequest", "yes")
        assert status == 0, output + errors
        vault.check(destination)
        assert set(vault.requested().values()) == {2}


def test_a_full_disk_ends_the_restore_and_it_goes_on_once_there_is_room(tmp_path):
    sizes = {"large.bin": 14 * MIB, "small.bin": 5}
    with (
        restores(tmp_path, sizes, "--job-seconds", "0.2") as vault,
        disk(tmp_path / "disk", 12 * MIB) as small,
    ):
        destination = small / "dest"
        status, output, errors = vault.restore(destination, "-y")
        assert status == 75, output + errors
        assert f"the disk at {small} is full; make room and run the same command again" in errors
        assert not (destination / "large.bin").exists()
        with running_anew(vault.emulator):
            fetched = vault.fetched()
            _make_room(small, 40 * MIB)
            status, output, errors = vault.restore(destination, "-y")
            assert status == 0, output + errors
            vault.check(destination)
            assert set(vault.requested().values()) == {1}
            # What is on the disk is not fetched again; what was in memory may be.
            assert vault.fetched() - fetched < sizes["large.bin"]
        assert set(states(destination).values()) == {"verified"}
        statuses = [line["status"] for line in manifest(destination) if line["type"] == "end"]
        assert statuses == [75, 0]


def _make_room(small: Path, size: int) -> None:
    assert os.system(f"mount -o remount,size={size} {small}") == 0


_KILLED = """
import os, signal, sys
from casfs.restore.destination import placing
from casfs.restore.destination.recorder import Recorder

def kill(*_):
    os.kill(os.getpid(), signal.SIGKILL)

def link_and_end(old, new, **more):
    link(old, new, **more)
    if str(old).endswith(".part"):
        kill()

def refuse(*_, **more):
    raise PermissionError(1, "files have no times here")

link, moments = os.link, sys.argv.pop(1).split("+")
if "no times" in moments:
    os.utime = refuse
if "linked" in moments:
    placing._renameat2 = None
    os.link = link_and_end
if "named" in moments:
    Recorder._record = kill
from casfs.cli.main import main
main()
"""


@pytest.mark.parametrize("moment", ["linked", "named"])
def test_what_has_its_name_and_is_not_recorded_is_neither_skipped_nor_fetched_again(
    tmp_path, moment
):
    sizes = {"a.bin": 3, "b/c.bin": 2 * MIB + 1}
    with restores(tmp_path, sizes, "--job-seconds", "0.2", dialect="oas") as vault:
        destination = tmp_path / "dest"
        command = [sys.executable, "-c", _KILLED, moment, "restore", VAULT, destination, "-y"]
        done = subprocess.run(command, env=vault.environment, timeout=60)
        assert done.returncode == -signal.SIGKILL
        named = [path for path in sizes if (destination / path).exists()]
        assert named
        status, output, errors = vault.restore(destination, "--rerequest", "never")
        assert status == 0, output + errors
        vault.check(destination)
        assert states(destination) == dict.fromkeys(sizes, "verified")
        # The other may have been on its way.
        assert {path: vault.fetched(path) for path in named} == {p: sizes[p] for p in named}
        assert set(vault.requested().values()) == {1}
        os.utime(destination / "a.bin", (1, 1))
        (destination / ".casfs-restore/manifest.jsonl").unlink()
        status, output, errors = vault.restore(destination, "--checksum")
        assert (status, "restored 0 " in output + errors) == (0, True), output + errors


def test_what_has_its_name_is_known_by_its_bytes_where_neither_size_nor_time_tell(tmp_path):
    sizes = {"a.bin": 3, "b.bin": 8 * MIB}
    with restores(tmp_path, sizes, "--job-seconds", "0.2") as vault:
        assert vault.run("request", VAULT, "--all", "-y", "--wait")[0] == 0
        for now, options in (
            ("no times", ["--include", "a.bin"]),
            ("as usual", ["--include", "a.bin", "--overwrite", "always"]),
            ("as usual", ["--include", "a.bin", "--checksum"]),
        ):
            destination = tmp_path / " ".join([now, *options])
            _kill_once_named(vault, f"{now}+named", destination, *options)
            fetched = vault.fetched()
            done = _start(vault, now, destination, *options)
            assert done.returncode == 0, done.stderr
            assert states(destination) == {"a.bin": "verified"}
            assert sorted(os.listdir(destination)) == [".casfs-restore", "a.bin"]
            assert vault.fetched() == fetched
        destination = tmp_path / "other bytes"
        _kill_once_named(vault, "named", destination, *options)
        (destination / "a.bin").write_bytes(b"abc")
        status, output, errors = vault.restore(
            destination, "-y", "--include", "a.bin", "--overwrite", "always"
        )
        assert status == 0, output + errors
        assert "written before" not in output + errors
        assert (destination / "a.bin").read_bytes() == vault.files["a.bin"]
        check_that_it_is_finished_though_nothing_else_can_be(vault, tmp_path / "lost")


def check_that_it_is_finished_though_nothing_else_can_be(vault, destination):
    _kill_once_named(vault, "named", destination, "--bwlimit", "1M")
    assert (destination / "a.bin").exists()
    assert not (destination / "b.bin").exists()
    vault.emulator.sql("DELETE FROM jobs WHERE kind = 'archive'")
    status, output, errors = vault.restore(destination, "-y")
    assert status == 1, output + errors
    assert "written before" in output
    assert states(destination) == {"a.bin": "verified", "b.bin": "failed"}


def _kill_once_named(vault, moment, destination, *options):
    done = _start(vault, moment, destination, *options)
    assert done.returncode == -signal.SIGKILL, done.stderr


def _start(vault, moment, destination, *options):
    command = [sys.executable, "-c", _KILLED, moment, "restore", VAULT, destination, "-y", *options]
    return subprocess.run(
        command, env=vault.environment, timeout=60, capture_output=True, text=True
    )
