"""`casfs status` and `casfs top`: what they say of real mounts, for people and for programs."""

import fcntl
import json
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
from datetime import UTC, datetime, timedelta

import pytest

from casfs.restore.progress_file import ProgressFile
from tests.support.command import CASFS
from tests.support.mounting import mounted
from tests.support.processes import wait_until
from tests.support.schemas import validator
from tests.support.served import MIB, served
from tests.support.terminal import on_terminal

_IMPATIENT = """
import sys
from casfs.cli.main import main
from casfs.mount import mount_status
from dataclasses import replace
mount_status.TUNING = replace(mount_status.TUNING, answer_seconds=1.0)
sys.exit(main())
"""
IMPATIENT = (sys.executable, "-c", _IMPATIENT)
"""A program that is `casfs`, and waits for the answer of a mount for a second."""


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    with served(tmp_path_factory.mktemp("served"), {"file": 3 * MIB, "other": 9}) as running:
        yield running


@pytest.fixture(scope="module")
def mount(service, tmp_path_factory):
    home = tmp_path_factory.mktemp("home")
    with mounted(home, service.url, CASFS_DEADLINE="2") as running:
        yield running


def test_status_is_in_words_for_people(service, mount):
    assert mount.read(*service.output("file")) == service.files["file"]
    wait_until(lambda: mount.status()["open_files"] == 0, "the file to be closed")
    text = mount.good(CASFS, "status", mount.mountpoint)
    rows = dict(re.findall(r"^ *(\w+(?: \w+)?)  +(\S.*)$", text, re.MULTILINE))
    # On a busy machine the disk may have been slow.
    assert rows["health"].strip() in ("good", "working; see the last warning")
    assert rows["service"].strip() == service.url
    assert f"process {mount.pid}" in rows["running"]
    assert re.fullmatch(r"[0-9.]+ \w+/s received, [0-9.]+ \w+/s read *", rows["rate now"])
    assert re.fullmatch(r"[0-8] of 8 *", rows["connections"])
    assert rows["open files"].strip() == "0"
    assert re.match(r"[0-9.]+ MiB of 20\.0 GiB in /.*; .* free on its disk", rows["cache"])
    assert "_" not in text.replace(str(mount.mountpoint), "").replace(str(mount.cache), "")
    # Mounts of other tests may be dead, or hang.
    assert "mounted on" in mount.run(CASFS, "status").stdout


def test_status_for_programs_has_all_that_it_had_and_more(service, mount):
    assert mount.read(*service.output("other")) == service.files["other"]
    found = json.loads(mount.good(CASFS, "status", "--json", mount.mountpoint))
    validator("status").validate(found)
    assert found["counters"]["read_bytes"] >= 9
    assert found["cache_used"] >= 0
    assert found["disk_free"] > 0
    assert found["last_answer"] > "2026"
    (one,) = [
        one
        for one in json.loads(mount.run(CASFS, "status", "--json").stdout)
        if one["mountpoint"] == str(mount.mountpoint)
    ]
    assert one["pid"] == mount.pid


def test_top_shows_mounts_until_q_or_ctrl_c(mount):
    def press(key: bytes):
        return lambda text: key if "mounted on" in text else None

    for key in (b"q", b"\x03"):
        columns = 60 if key == b"q" else 140
        shown = on_terminal([CASFS, "top"], mount.environment, columns, press(key))
        assert (shown.status, shown.modes_restored) == (0, True), shown.text
        assert shown.raw.index("\x1b[?1049h") < shown.raw.index("\x1b[?1049l")
        assert "\x1b[?25h" in shown.raw
        assert re.search(r"good|warning", shown.text)
        assert "B/s received" in shown.text
        assert "Traceback" not in shown.text


ARROWS = b"\x1b[A\x1b[D\x1bOB\x1b[1;5C\x1b[15~\x1bOq\x1bq\x1b[<0;1;1M\x1a\r ?h"
"""What arrow and function keys send, a key of the keypad, Alt-q, the mouse, and Ctrl-Z."""


def test_top_goes_on_after_any_other_key_and_fits_a_terminal_that_is_resized(mount):
    steps: list[int] = []

    def resize(columns, ours):
        fcntl.ioctl(ours, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))

    def act(text, process, ours):
        looks = text.count("q ends")
        if not steps and "mounted on" in text:
            os.write(ours, ARROWS[:-8] + b"\x1b")
            steps.append(looks)
        elif len(steps) == 1 and looks > steps[0] + 1:
            # The rest of a sequence that was begun, and keys that mean nothing.
            os.write(ours, b"[B" + ARROWS[-8:])
            resize(200, ours)
            steps.append(looks)
        elif len(steps) == 2 and looks > steps[1] + 2:
            resize(60, ours)
            steps.append(looks)
        elif len(steps) == 3 and looks > steps[2] + 2:
            os.write(ours, b"q")
            steps.append(looks)

    command = [CASFS, "top", "--interval", "0.1"]
    shown = on_terminal(command, mount.environment, 140, act=act)
    assert (shown.status, shown.modes_restored, len(steps)) == (0, True, 4), shown.text[-2000:]
    wide, narrow = shown.raw.split("\x1b[?1049h")[1], shown.raw[-3000:]
    assert "first expiry" in wide
    assert str(mount.mountpoint)[:20] in narrow


@pytest.mark.parametrize("columns", [20, 200])
def test_top_fits_the_terminal(mount, columns):
    def press(text):
        return b"q" if "received" in text else None

    shown = on_terminal([CASFS, "top"], mount.environment, columns, press)
    assert (shown.status, shown.modes_restored) == (0, True), shown.text
    assert shown.widest <= columns


@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129), (signal.SIGINT, 0)]
)
def test_a_signal_ends_top_and_gives_the_terminal_back(mount, number, status):
    sent: list[int] = []

    def act(text, process, ours):
        if "mounted on" in text and not sent:
            sent.append(number)
            process.send_signal(number)

    shown = on_terminal([CASFS, "top"], mount.environment, act=act)
    assert (shown.status, shown.modes_restored) == (status, True), shown.text
    assert shown.raw.index("\x1b[?1049h") < shown.raw.index("\x1b[?1049l")
    assert "\x1b[?25h" in shown.raw
    assert "Traceback" not in shown.text


def test_top_ends_with_its_terminal(mount):
    """A window that is closed: everybody in it gets SIGHUP, which nohup ignores."""
    ours, theirs = pty.openpty()
    command = f"trap '' HUP; exec {CASFS} top"
    process = subprocess.Popen(
        ["sh", "-c", command],
        env={**mount.environment, "TERM": "xterm"},
        stdin=theirs,
        stdout=theirs,
        stderr=subprocess.PIPE,
        start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
    )
    os.close(theirs)
    text = b""
    while b"mounted on" not in text:
        text += os.read(ours, 65536)
    os.close(ours)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 129
    assert b"Traceback" not in said


def test_top_off_a_terminal_refuses_or_prints_once(mount):
    done = mount.run(CASFS, "top")
    assert done.returncode == 2
    assert "--once" in done.stderr
    dumb = on_terminal([CASFS, "top"], {**mount.environment, "TERM": "dumb"})
    assert (dumb.status, "--once" in dumb.text, "\x1b" in dumb.raw) == (2, True, False)
    once = mount.good(CASFS, "top", "--once")
    assert "\x1b" not in once
    assert "\r" not in once
    assert str(mount.mountpoint) in re.sub(r"\s", "", once)


def test_status_and_top_show_restores(mount, tmp_path):
    state, destination = tmp_path / "state", tmp_path / "photos"
    file = ProgressFile(state, "run-1", "photos", destination)
    soon = datetime.now(UTC) + timedelta(hours=2, seconds=30)
    facts = {
        "phase": "fetching",
        "total_files": 1200,
        "files_restored": 30,
        "files_skipped": 4,
        "files_failed": 1,
        "total_bytes": 4 << 40,
        "bytes_restored": 1 << 40,
        "rate_bytes": 62 << 20,
        "jobs_running": 7,
        "jobs_readable": 2,
        "soonest_expiry": soon,
        "bytes_at_risk": 3 << 30,
        "eta": soon,
    }
    error = "a/b.tif: the bytes do not match"
    file.write(facts, cost="12.50", currency="CNY", last_error=error)
    own = ("--state-dir", state)
    text = mount.good(CASFS, "status", destination, *own)
    for words in (
        "fetching",
        "34 of 1,200",
        "4 were there already, 1 failed",
        "1.0 TiB of 4.0 TiB",
    ):
        assert words in text
    for words in ("62.0 MiB/s", "in 2 h 00 min", "7 running", "3.0 GiB", "12.50 CNY", error):
        assert words in text
    top = mount.good(CASFS, "top", "--once", *own, destination)
    for words in ("first expiry in 2 h 00 min", "at risk: 3.0 GiB", "spent: 12.50 CNY", error):
        assert words in top
    file.end(1)
    assert "not everything was restored" in mount.good(CASFS, "status", destination, *own)
    found = json.loads(mount.good(CASFS, "status", destination, *own, "--json"))
    assert (found["exit_status"], found["files_failed"]) == (1, 1)


def test_a_service_that_is_away_shows_and_what_was_logged_last(service, mount, tmp_path):
    with (
        served(tmp_path / "served", {"file": MIB}) as away,
        mounted(tmp_path / "home", away.url, CASFS_DEADLINE="1") as lonely,
    ):
        away.emulator.stop()
        with pytest.raises(OSError):  # noqa: PT011 - as errors.md says
            lonely.read(*away.output("file"))
        text = lonely.good(CASFS, "status", lonely.mountpoint)
        assert "the service does not answer" in text
        assert "last warning" in text
        assert lonely.status()["last_warning"]["text"] in lonely.log


def test_a_mount_that_died_or_hangs_fails_the_command_and_hides_no_other(service, mount, tmp_path):
    with (
        mounted(tmp_path / "hangs", service.url) as hangs,
        mounted(tmp_path / "dead", service.url) as dead,
    ):
        dead.kill()
        pid = hangs.pid
        os.kill(pid, signal.SIGSTOP)
        try:
            done = mount.run(*IMPATIENT, "status")
        finally:
            os.kill(pid, signal.SIGCONT)
        assert done.returncode == 1
        flat = re.sub(r"\s+", " ", done.stdout)
        assert re.search(r" good | warning ", flat)
        assert "no answer for 1 s" in flat
        assert "died" in flat
        assert str(dead.mountpoint) in done.stderr
        assert str(hangs.mountpoint) in done.stderr
        wait_until(lambda: hangs.list() == [".casfs", "vaults"], "the mount to go on")
