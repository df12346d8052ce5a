"""The status of a mount that another user made: it may say anything, and be of any length."""

import importlib.resources
import json
import os
import threading
from pathlib import Path

import pytest
from click.testing import CliRunner

from casfs.cli import mounting
from casfs.errors import MountError
from casfs.mount import mount_status, mountpoints
from casfs.mount.mount_table import Mount
from casfs.mount.mount_tuning import MountTuning

STRANGER = 54321


@pytest.fixture
def theirs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where another user's file system is mounted that calls itself casfs."""
    mount = Mount(str(tmp_path), "fuse.casfs", "0:1000000", "/", STRANGER)
    for module in (mount_status, mountpoints, mounting):
        monkeypatch.setattr(module, "find", lambda path: mount)
        monkeypatch.setattr(module, "mounts", lambda: [mount])
    (tmp_path / ".casfs").mkdir()
    return tmp_path


def say(mountpoint: Path, text: str) -> None:
    (mountpoint / ".casfs" / "status.json").write_text(text)


@pytest.mark.parametrize(
    "text",
    [
        "[" * 100_000,
        "9" * 5000,
        "[]",
        json.dumps({"pid": 1, "padding": "x" * (1 << 20)}),
        json.dumps({"counters": [1]}),
        '{"counters": {"a": 1' + "0" * 400 + "}}",
        json.dumps({"counters": {"reads": "many"}}),
        json.dumps({"counters": {"reads": {"a": {"b": 1}}}}),
        json.dumps({"counters": {"reads": None}}),
    ],
)
def test_what_is_not_the_status_of_a_mount_is_one_error(theirs: Path, text: str) -> None:
    say(theirs, text)
    with pytest.raises(MountError) as caught:
        mount_status.status(str(theirs))
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 500


def test_a_file_without_end_is_read_in_part(theirs: Path) -> None:
    (theirs / ".casfs" / "status.json").symlink_to("/dev/zero")
    with pytest.raises(MountError):
        mount_status.status(str(theirs))


def test_all_mounts_are_asked_at_once_and_none_is_waited_for_longer_than_allowed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    all_are_asked, never = threading.Barrier(3), threading.Event()

    def status(mountpoint: str) -> dict[str, str]:
        all_are_asked.wait(30)
        if mountpoint == "/hangs":
            never.wait(30)
        if mountpoint == "/dead":
            raise MountError("dead")
        return {"endpoint": mountpoint}

    monkeypatch.setattr(mount_status, "status", status)
    good, hangs, dead = mount_status.statuses(["/good", "/hangs", "/dead"], 1.0)
    never.set()
    assert good == {"endpoint": "/good"}
    assert "no answer for 1 s" in str(hangs)
    assert str(dead) == "dead"


def test_facts_of_another_type_than_expected_are_unknown(
    theirs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mounting, "_RATE_SECONDS", 0.01)
    wrong = ["[bold]", -1, 1e300, True, None, {"time": 3, "text": [1]}, "9999-99-99", "x" * 9999]
    names = json.loads(
        (importlib.resources.files("casfs") / "schemas" / "status.schema.json").read_text()
    )["properties"]
    for value in wrong:
        say(theirs, json.dumps(dict.fromkeys(names, value) | {"counters": {"read_bytes": 1}}))
        shown = CliRunner().invoke(mounting.status_command, [str(theirs)])
        assert shown.exit_code == 0, (value, shown.output)
        assert len(shown.output) < 20_000


def test_it_is_shown_as_that_users_word_alone(
    theirs: Path, caplog: pytest.LogCaptureFixture
) -> None:
    say(theirs, json.dumps({"pid": 1, "endpoint": "https://elsewhere.example"}))
    listed = CliRunner().invoke(mounting.status_command, ["--json"])
    (one,) = json.loads(listed.output)
    assert "endpoint" not in one
    assert f"user {STRANGER} mounted it" in one["error"]
    asked = CliRunner().invoke(mounting.status_command, [str(theirs)])
    assert "elsewhere.example" in asked.output
    assert f"what user {STRANGER} says" in caplog.text


def test_no_process_is_waited_for_on_its_word(
    theirs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    say(theirs, json.dumps({"pid": os.getpid()}))
    monkeypatch.setattr(mountpoints, "_unmount_command", lambda mountpoint, lazy: None)
    monkeypatch.setattr(mountpoints, "mounts", list)
    monkeypatch.setattr(mountpoints, "TUNING", MountTuning(end_wait=0.5))
    mountpoints.unmount(str(theirs), lazy=False)
