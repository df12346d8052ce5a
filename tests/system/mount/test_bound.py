"""A mount that is bound to another place, or that a container has: who takes away what."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from casfs.mount import mountpoints
from tests.support.command import CASFS
from tests.support.mounting import Mount, mounted
from tests.support.processes import wait_until
from tests.support.served import VAULT, Served

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="binds mounts")


@pytest.fixture
def own(service: Served, home: Path) -> Iterator[Mount]:
    """A mount that a test may take away."""
    with mounted(home, service.url) as found:
        yield found


@pytest.fixture
def bound(own: Mount, tmp_path: Path) -> Iterator[Path]:
    """Where the mount is bound to; what is there at the end goes first."""
    place = tmp_path / "bound"
    place.mkdir()
    yield place
    subprocess.run(["umount", "-l", place], capture_output=True, check=False)


def bind(mount: Mount, place: Path, *parts: str) -> None:
    mount.good("mount", "--bind", mount.path(*parts), place)


def test_the_other_place_is_taken_away_alone(own: Mount, bound: Path) -> None:
    bind(own, bound)
    done = own.run(CASFS, "umount", bound)
    assert done.returncode == 0
    assert done.stderr.endswith(
        f"{bound} is unmounted; the same mount is still at {own.mountpoint}\n"
    )
    assert not os.path.ismount(bound)
    assert own.list() == [".casfs", "vaults"]
    assert own.umount().stderr == ""
    assert own.processes() == []


def test_what_is_bound_elsewhere_goes_on_there(own: Mount, bound: Path) -> None:
    bind(own, bound)
    assert f"the same mount is still at {bound}\n" in own.umount().stderr
    assert not own.is_mounted()
    assert sorted(own.ask(os.listdir, bound)) == [".casfs", "vaults"]
    assert own.run(CASFS, "umount", bound).stderr == ""
    assert own.processes() == []


def test_a_directory_of_it_that_is_bound_says_of_what_it_is(own: Mount, bound: Path) -> None:
    bind(own, bound, "vaults", VAULT)
    wanted = f"{bound} is a bind mount of /vaults/{VAULT} of the casfs mount {own.mountpoint}"
    done = own.run(CASFS, "status", bound)
    assert done.returncode == 1
    assert wanted in done.stderr
    # Not `good`: of every mount it tells, and one of another test may give no answer.
    assert wanted in own.run(CASFS, "status").stdout
    assert own.run(CASFS, "umount", bound).returncode == 0
    assert own.umount().stderr == ""


def test_a_container_that_has_it_is_named(own: Mount) -> None:
    (process,) = own.processes()
    command = ["unshare", "--mount", "--propagation", "private", "sh", "-c", "echo; exec sleep 99"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as container:
        try:
            assert container.stdout is not None
            assert container.stdout.readline() == b"\n"
            told = own.umount().stderr
            assert f"process {container.pid} still has it mounted in another" in told
            assert own.processes() == [process]
        finally:
            container.kill()
    wait_until(lambda: not own.processes(), "the mount to end with the container")


def test_a_container_that_this_user_may_not_look_into_is_not_waited_for(
    own: Mount, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(mountpoints, "holders", lambda device: [])
    command = ["unshare", "--mount", "--propagation", "private", "sh", "-c", "echo; exec sleep 99"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as container:
        try:
            assert container.stdout is not None
            assert container.stdout.readline() == b"\n"
            mountpoints.unmount(str(own.mountpoint), lazy=False)
            assert "a process of another user in another mount namespace" in caplog.text
        finally:
            container.kill()
    wait_until(lambda: not own.processes(), "the mount to end with the container")


def test_the_directory_that_became_a_mount_point_can_be_asked(own: Mount) -> None:
    own.umount()
    script = f"{CASFS} mount . && {CASFS} status . && {CASFS} umount ."
    done = subprocess.run(
        ["sh", "-c", script],
        cwd=own.mountpoint,
        env=own.environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout.startswith("mounted on")
    assert own.processes() == []
