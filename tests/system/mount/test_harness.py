"""The harness itself: a mount that hangs is ended and removed, and fails only its own test."""

import contextlib
import os
from pathlib import Path

import pytest

from tests.support.mounting import Mount, fusermount, mounted
from tests.support.processes import HungError, freeze, marked_processes
from tests.support.served import Served


def test_a_mount_that_hangs_is_ended_and_removed(service: Served, home: Path) -> None:
    with mounted(home, service.url) as mount:
        pid = mount.pid
        freeze(pid)
        with pytest.raises(HungError):
            mount.ask(os.listdir, mount.mountpoint, seconds=0.5)
        assert marked_processes(mount._mark) == []
        assert mount.is_mounted()
    assert not mount.is_mounted()


def test_a_program_that_hangs_on_a_mount_is_ended(service: Served, home: Path) -> None:
    with mounted(home, service.url) as mount:
        freeze(mount.pid)
        with pytest.raises(HungError):
            mount.run("find", mount.mountpoint, seconds=0.5)
    assert not mount.is_mounted()
    assert mount.processes() == []


def test_a_stopped_mount_that_nobody_touched_is_removed(service: Served, home: Path) -> None:
    with mounted(home, service.url) as mount:
        freeze(mount.pid)
    assert not mount.is_mounted()
    assert mount.processes() == []


def test_a_mount_is_removed_when_its_test_fails(service: Served, home: Path) -> None:
    def failing() -> Mount:
        with mounted(home, service.url) as mount:
            kept.append(mount)
            raise ZeroDivisionError

    kept: list[Mount] = []
    with pytest.raises(ZeroDivisionError):
        failing()
    assert not kept[0].is_mounted()
    assert kept[0].processes() == []


def test_a_file_left_open_does_not_keep_a_mount(service: Served, home: Path) -> None:
    with mounted(home, service.url) as mount:
        # What a test should not do; kept open on purpose.
        descriptor = os.open(mount.path(*service.output("small")), os.O_RDONLY)
        assert fusermount("-u", mount.mountpoint).returncode != 0
    assert not mount.is_mounted()
    with contextlib.suppress(OSError):
        os.close(descriptor)
    assert mount.processes() == []
