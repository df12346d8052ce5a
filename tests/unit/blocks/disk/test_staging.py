"""What a dead process left is removed, even before anybody noticed its death."""

import os
import subprocess
from pathlib import Path

import pytest

from casfs.blocks.disk.staging import Temporary
from casfs.errors import ConfigError
from casfs.private import PrivateDirectory


def whole(path):
    path.write_bytes(b"whole")
    return path


def test_a_process_that_was_killed_and_not_waited_for_is_dead(tmp_path):
    ours = Temporary(tmp_path)
    with subprocess.Popen(["sleep", "60"]) as process:
        theirs = ours.create(Path)
        theirs = theirs.with_name(theirs.name.replace(f"@{os.getpid()}@", f"@{process.pid}@"))
        theirs.write_bytes(b"half")
        ours.make()
        assert theirs.exists()
        process.kill()
        # Until it has ended, and without asking for its status.
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        ours.make()
        assert not theirs.exists()


def test_a_number_that_no_process_can_have_is_that_of_a_dead_one(tmp_path):
    ours = Temporary(tmp_path)
    name = ours.create(Path).name
    for number in ("99999999999", "9" * 40):
        theirs = tmp_path / name.replace(f"@{os.getpid()}@", f"@{number}@")
        theirs.touch()
        ours.make()
        assert not theirs.exists()


def test_what_eviction_removes_between_making_and_moving_is_made_again(tmp_path, monkeypatch):
    ours = Temporary(tmp_path / "temporary")
    ours.make()
    staged, place = ours.create(whole), tmp_path / "ab" / "cd" / "kept"
    real, left = ours.private.make_below, 5

    def make_below(path, checked=False):
        nonlocal left
        real(path, checked)
        if left and path == place.parent:
            left -= 1
            path.rmdir()
            path.parent.rmdir()

    monkeypatch.setattr(ours.private, "make_below", make_below)
    ours.place(staged, place)
    assert place.read_bytes() == b"whole"
    assert left == 0


def test_the_directory_is_made_again_when_somebody_removed_it(tmp_path):
    ours = Temporary(tmp_path / "temporary")
    ours.make()
    ours.directory.rmdir()
    assert ours.create(whole).read_bytes() == b"whole"


def test_a_directory_that_is_a_link_by_now_is_refused(tmp_path):
    ours = Temporary(tmp_path / "cache" / "temporary", PrivateDirectory(tmp_path / "cache"))
    ours.make()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    staged = ours.create(whole)
    (tmp_path / "cache" / "ab").symlink_to(elsewhere)
    with pytest.raises(ConfigError, match="symbolic link"):
        ours.place(staged, tmp_path / "cache" / "ab" / "cd" / "0" / "1")
    assert not list(elsewhere.iterdir())
