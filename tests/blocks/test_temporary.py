"""What a dead process left is removed, even before anybody noticed its death."""

import os
import subprocess

from casfs.blocks.disk.staging import Temporary


def test_a_process_that_was_killed_and_not_waited_for_is_dead(tmp_path):
    ours = Temporary(tmp_path)
    with subprocess.Popen(["sleep", "60"]) as process:
        theirs = ours.new()
        theirs = theirs.with_name(theirs.name.replace(f"@{os.getpid()}@", f"@{process.pid}@"))
        theirs.write_bytes(b"half")
        ours.make()
        assert theirs.exists()
        process.kill()
        # Until it has ended, and without asking for its status.
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        ours.make()
        assert not theirs.exists()


def test_what_eviction_removes_between_making_and_moving_is_made_again(tmp_path, monkeypatch):
    ours = Temporary(tmp_path / "temporary")
    ours.make()
    staged, place = ours.new(), tmp_path / "ab" / "cd" / "kept"
    staged.write_bytes(b"whole")
    real, left = ours.private.make_below, 5

    def make_below(path):
        nonlocal left
        real(path)
        if left and path == place.parent:
            left -= 1
            path.rmdir()
            path.parent.rmdir()

    monkeypatch.setattr(ours.private, "make_below", make_below)
    ours.place(staged, place)
    assert place.read_bytes() == b"whole"
    assert left == 0
