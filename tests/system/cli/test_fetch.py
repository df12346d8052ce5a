"""`casfs fetch` against the emulator."""

import contextlib
import json
import os
import pty
import re
import subprocess
import time

import pytest

from casfs.cli.event_command import BackgroundEvents
from casfs.cli.fetch_report import FetchReport
from casfs.cli.messages import Messages
from casfs.client import Client
from casfs.config import load
from casfs.ranges import BLOCK_SIZE
from casfs.restore.fetch_plan import FetchOptions
from tests.support.command import CASFS
from tests.support.disks import disk, fill
from tests.support.emulated_service import VAULT, serving
from tests.support.emulator.running import KEYS
from tests.support.random_data import random_bytes
from tests.support.schemas import checked_lines
from tests.system.cli.conftest import command_in

MIB = BLOCK_SIZE
DAY = 24 * 3600


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    sizes = {"small": 1, "block": MIB, "over": 3 * MIB + 1, "large": 40 * MIB}
    with serving("cas", tmp_path_factory.mktemp("fetch"), sizes) as running:
        yield running


@pytest.fixture
def casfs(service, tmp_path):
    return command_in(tmp_path, service.emulator.url)


def of_type(done, message_type):
    return [line for line in checked_lines(done.stdout) if line["message_type"] == message_type]


def requested(service, since=0):
    """Bytes of outputs that were sent, and the answers, since so many lines of the log."""
    entries = [one for one in service.emulator.entries()[since:] if one.is_output]
    return sum(entry.bytes for entry in entries), len(entries)


def log_length(service):
    return len(service.emulator.entries())


def cached(casfs):
    return sum(item["cached"] for item in json.loads(casfs("cache", "ls", "--json").stdout))


def test_all_is_fetched_once_whole_and_verified(casfs, service, tmp_path):
    total = sum(map(len, service.files.values()))
    planned = casfs("fetch", VAULT, "--all", "-n", "--json")
    assert planned.returncode == 0
    (plan,) = of_type(planned, "plan")
    assert (plan["total_files"], plan["total_bytes"]) == (4, total)
    assert plan["to_fetch"] == {"files": 4, "bytes": total, "missing": total}
    assert cached(casfs) == 0

    before = log_length(service)
    done = casfs("fetch", VAULT, "--all", "--json")
    assert (done.returncode, cached(casfs)) == (0, total)
    assert requested(service, before)[0] == total
    archives = of_type(done, "archive")
    assert {line["archive"] for line in archives} == set(service.archives.values())
    assert {(line["state"], line["verified"]) for line in archives} == {("fetched", "yes")}
    (summary,) = of_type(done, "summary")
    assert (summary["files_restored"], summary["bytes_restored"]) == (4, total)
    assert (summary["files_failed"], summary["exit_status"]) == (0, 0)

    assert not set(b"\x1b\r") & set(done.stdout + done.stderr)

    before = log_length(service)
    again = casfs("fetch", VAULT, *service.archives.values())
    assert (again.returncode, again.stderr) == (0, b"")
    assert b"4 in the cache before" in again.stdout
    assert requested(service, before) == (0, 0)
    # It can be read without the service, and is what was archived.
    read = casfs("cat", VAULT, service.jobs["over"])
    assert read.stdout == service.files["over"]
    assert requested(service, before) == (0, 0)


def test_a_cache_without_room_is_refused_unless_a_part_is_enough(casfs, service):
    before = log_length(service)
    refused = casfs("fetch", VAULT, "--all", "--cache-size", "6MiB", "--json")
    assert (refused.returncode, requested(service, before)) == (4, (0, 0))
    (error,) = of_type(refused, "exit_error")
    assert error["code"] == 4
    assert "it may hold 6.0 MiB" in error["message"]
    assert "--partial" in error["message"]
    done = casfs("fetch", VAULT, "--all", "--cache-size", "6MiB", "--partial")
    assert done.returncode == 1
    assert cached(casfs) == sum(len(service.files[name]) for name in ("small", "block", "over"))
    assert b"left out" in done.stdout
    assert b"the cache has no room for it: " in done.stderr
    # What is in the cache by now needs no more room.
    job = service.jobs["over"]
    assert casfs("fetch", VAULT, job, "--cache-size", "6MiB").returncode == 0


def test_a_full_disk_is_named_and_room_lets_it_go_on(service, tmp_path):
    with disk(tmp_path / "disk", 30 * MIB) as small:
        casfs = command_in(tmp_path, service.emulator.url)
        there = ("--cache-dir", str(small / "cache"))
        done = casfs("fetch", VAULT, service.jobs["large"], *there)
        assert done.returncode == 4
        assert f"the disk at {small} has ".encode() in done.stderr
        job = service.jobs["over"]
        casfs("cache", "ls", *there)
        fill(small)
        done = casfs("fetch", VAULT, job, "--partial", *there)
        assert done.returncode == 1
        assert b"left out" in done.stderr
        (small / "filler").unlink()
        assert casfs("fetch", VAULT, job, *there).returncode == 0


def test_what_the_disk_does_not_take_is_not_called_fetched(casfs, service, tmp_path):
    """Not even where it is only the first block."""
    job = service.jobs["over"]
    assert casfs("fetch", VAULT, job).returncode == 0
    (first,) = (tmp_path / "cache").glob("blocks-1/??/*/0/0")
    first.unlink()
    first.mkdir()
    (first / "in-its-way").touch()
    done = casfs("fetch", VAULT, job)
    assert done.returncode == 1
    assert b"did not keep all" in done.stderr


def test_what_the_disk_takes_nothing_of_is_not_paid_for_again_and_again(casfs, service, tmp_path):
    job, size = service.jobs["large"], len(service.files["large"])
    assert casfs("fetch", VAULT, job).returncode == 0
    for block in (tmp_path / "cache").glob("blocks-1/??/*/0/*"):
        block.unlink()
        block.mkdir()
        (block / "in-its-way").touch()
    before = log_length(service)
    # Less than the output: in memory it would stay.
    done = casfs("fetch", VAULT, job, CASFS_MEMORY_SIZE="16MiB")
    assert done.returncode == 1
    assert b"did not keep all" in done.stderr
    assert requested(service, before)[0] <= size


def test_many_small_outputs_come_beside_a_huge_one(tmp_path):
    """The huge one expires first, and does not hold up the others; nor they it."""
    count = 120
    small = {f"small-{number:04}": random_bytes(100, str(number)) for number in range(count)}
    with serving("cas", tmp_path / "service", {"huge": 70 * MIB}) as running:
        running.add_archives(small)
        running.change_job(running.jobs["huge"], completed=time.time() - DAY / 2)
        casfs = command_in(tmp_path, running.emulator.url)
        done = casfs("fetch", VAULT, "--all", "--json", "--stats", "0.1", "--bwlimit", "40M")
        assert done.returncode == 0
        lines = checked_lines(done.stdout)
        ended = [line["archive"] for line in lines if line["message_type"] == "archive"]
        assert len(ended) == count + 1
        assert ended.index(running.archives["huge"]) > count // 10
        entries = [one for one in running.emulator.entries() if one.is_output]
        first_huge = next(n for n, one in enumerate(entries) if running.jobs["huge"] in one.path)
        assert first_huge < count // 2
        standings = [line for line in lines if line["message_type"] == "status"]
        assert {line["phase"] for line in standings} == {"fetching"}
        assert standings[-1]["total_files"] == count + 1


def test_what_cannot_be_read_is_told_by_the_status(service, casfs):
    nobody = service.copy_archive("small", "archive-without-job")
    done = casfs("fetch", VAULT, "no-such-thing")
    assert done.returncode == 1
    assert b"no-such-thing" in done.stderr
    service.add_inventory("inventory-for-fetch")
    assert casfs("catalog", "refresh", VAULT).returncode == 0
    done = casfs("fetch", VAULT, nobody, service.archives["small"], "--json")
    assert done.returncode == 1
    states = {line["archive"]: line["state"] for line in of_type(done, "archive")}
    assert states == {nobody: "failed", service.archives["small"]: "fetched"}
    # What is said can be pasted.
    assert f"start one with casfs request {VAULT} {nobody}\n".encode() in done.stderr
    running = service.add_job("small", "job-still-running", completed=time.time() + 1000)
    done = casfs("fetch", VAULT, running, service.jobs["small"])
    assert done.returncode == 75
    assert f"; run: casfs wait {VAULT} {running}\n".encode() in done.stderr
    assert casfs("fetch", VAULT).returncode == 2
    assert casfs("fetch", "no-such-vault", "--all").returncode == 1


def test_wrong_bytes_are_never_cached(service, casfs):
    good = service.copy_archive("block", "archive-to-spoil")
    job = service.add_job("block", "job-of-spoiled", archive=good)
    service.spoil(good, 1000)
    done = casfs("fetch", VAULT, job, service.jobs["small"], "--deadline", "5", "--json")
    assert done.returncode == 3
    failed, fetched = sorted(of_type(done, "archive"), key=lambda line: line["state"])
    assert (failed["job"], failed["state"], fetched["state"]) == (job, "failed", "fetched")
    assert "tree hash" in failed["reason"]
    assert cached(casfs) == 1


def test_what_cannot_come_in_time_is_named_with_the_rate_that_would_do(service, casfs, tmp_path):
    job = service.jobs["large"]
    assert casfs("fetch", VAULT, job, "--bwlimit", "20M").returncode == 0
    assert casfs("cache", "clear", "-y").returncode == 0
    soon = service.add_job("large", "job-that-expires", completed=time.time() - DAY + 120)
    later = service.jobs["small"]
    done = casfs("fetch", VAULT, soon, later, "-n", "--expiring-within", "1h", "--json")
    (plan,) = of_type(done, "plan")
    assert (done.returncode, plan["total_files"]) == (0, 1)
    assert 10e6 < plan["rate_bytes"] < 25e6
    assert of_type(done, "warning") == []
    # A line of 100 kB/s: 40 MiB take seven minutes, and expire in two.
    (record,) = tmp_path.rglob("rates/*.json")
    record.write_text(json.dumps({**json.loads(record.read_text()), "rate": 100_000}))
    event = tmp_path / "event"
    wanted = (soon, later, "--json", "--on-event", f"cat > {event}")
    done = casfs("fetch", VAULT, *wanted, "-n")
    assert len(of_type(done, "warning")) == 1
    # A dry run changes nothing, and runs no command, whose mail would say that it is real.
    assert not event.exists()
    done = casfs("fetch", VAULT, *wanted)
    (warning,) = of_type(done, "warning")
    assert json.loads(event.read_text()) == warning
    assert (done.returncode, warning["at_risk"]) == (0, [soon])
    assert warning["message"].endswith(f"; this output: output of job {soon}")
    assert "cannot be fetched before they expire" in warning["message"]
    assert warning["needed_rate"] > 3 * warning["rate_bytes"]
    assert 20 * MIB < warning["bytes_at_risk"] < 40 * MIB


def test_after_half_a_minute_the_rate_that_was_measured_says_what_comes_too_late(
    service, tmp_path, capfd
):
    """A clock that runs a hundred times as fast, so that a line of 20 MB/s has 200 kB/s."""
    environment = {**service.settings, "CASFS_CONFIG": str(tmp_path / "none.toml")}
    (tmp_path / "none.toml").touch()
    flags = {"cache_dir": str(tmp_path / "cache"), "state_dir": str(tmp_path / "state")}
    config = load(None, {**flags, "bwlimit": "20M"}, environment, tmp_path)
    soon = service.add_job("large", "job-of-two-minutes", completed=time.time() - DAY + 90)
    event, messages = tmp_path / "event", Messages(True, VAULT)
    with (
        Client(config) as client,
        BackgroundEvents(f"cat > {event}", messages.warn) as events,
    ):
        report = FetchReport(client, messages, events, lambda: 100 * time.monotonic())
        status = report.fetch(FetchOptions(VAULT, [soon, service.jobs["small"]]), False, None)
    said = capfd.readouterr()
    lines = checked_lines(said.out)
    (warning,) = (one for one in lines if one["message_type"] == "warning")
    assert status == 0
    assert json.loads(event.read_text()) == warning
    assert warning["at_risk"] == [soon]
    assert 0 < warning["rate_bytes"] < 300_000 < warning["needed_rate"] < 500_000
    line = re.compile(
        r"casfs: needs 0\.[0-9] MB/s, has 0\.[0-9] MB/s: [0-9.]+ MiB cannot be fetched before they "
        rf"expire; this output: output of job {soon}"
    )
    assert any(map(line.fullmatch, said.err.splitlines())), said.err


def test_a_pipe_gets_a_line_now_and_then(casfs, service):
    job = service.jobs["over"]
    done = casfs("fetch", VAULT, job, "--stats", "0.1", "--bwlimit", "2M")
    lines = [line for line in done.stderr.decode().splitlines() if line.startswith("fetching: ")]
    assert len(lines) >= 2
    assert " of 1 outputs, " in lines[0]
    known = re.compile(r"[0-9.]+ MB/s, done .*, [0-9]+ h [0-9]{2} min before the first expiry")
    assert any(map(known.search, lines)), lines
    assert not set(b"\x1b\r") & set(done.stdout + done.stderr)
    assert casfs("cache", "clear", "-y").returncode == 0
    written = casfs("cat", VAULT, job, "--stats", "0.1", "--bwlimit", "2M")
    assert written.stdout == service.files["over"]
    assert b" of 3.0 MiB (" in written.stderr
    assert not set(b"\x1b\r") & set(written.stderr)


@pytest.mark.parametrize("color", [{}, {"NO_COLOR": "1"}])
def test_a_terminal_gets_bars_whatever_its_width(service, tmp_path, color):
    job = service.jobs["over"]
    (tmp_path / "config.toml").touch()
    main, other = pty.openpty()
    environment = {
        **{name: os.environ[name] for name in ("PATH",)},
        "CASFS_ENDPOINT": service.emulator.url,
        "CASFS_CACHE_DIR": str(tmp_path / "cache"),
        "CASFS_CONFIG": str(tmp_path / "config.toml"),
        "HOME": str(tmp_path),
        "TERM": "xterm",
        "COLUMNS": "60" if color else "200",
        **color,
        **KEYS,
    }
    process = subprocess.Popen(
        [CASFS, "fetch", VAULT, job, "--bwlimit", "4M"],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=other,
    )
    os.close(other)
    shown = bytearray()
    with open(main, "rb", buffering=0) as terminal, contextlib.suppress(OSError):
        while piece := terminal.read(1 << 16):
            shown += piece
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert b"1 fetched" in output
    assert b"\x1b" not in output
    assert "fetching ━" in re.sub(r"\x1b\[[0-9;]*m", "", shown.decode())
    assert "…" not in shown.decode()
    assert b"MB/s" in shown
    assert bool(re.search(rb"\x1b\[[39][0-7]", shown)) is not bool(color)
