"""What signals do to a mount: end it, unless they were ignored at its start, or reopen its log."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.command import CASFS
from tests.support.mounting import Mount
from tests.support.processes import SECONDS, wait_until
from tests.support.served import Served


@pytest.fixture
def unmounted(service: Served, home: Path) -> Iterator[Mount]:
    mount = Mount(home, service.url)
    yield mount
    mount.remove()


def ignoring(mount: Mount, number: signal.Signals) -> None:
    """Let a mount be started by a shell that ignores a signal."""
    shell = f'trap \'\' {number.name.removeprefix("SIG")}; exec "$0" "$@"'
    mount._program = ["bash", "-c", shell, CASFS]


@pytest.mark.parametrize("ignored", [False, True], ids=["as usual", "nohup"])
def test_hangup_opens_the_log_of_a_detached_mount_again(
    service: Served, unmounted: Mount, ignored: bool
) -> None:
    if ignored:
        ignoring(unmounted, signal.SIGHUP)
    assert unmounted.start().returncode == 0
    pid = unmounted.pid
    rotated = unmounted.log_file.with_suffix(".1")
    for _ in range(2):
        unmounted.log_file.rename(rotated)
        os.kill(pid, signal.SIGHUP)
        wait_until(lambda: "opened the log again" in unmounted.log, "the log to be opened again")
        assert unmounted.log_file.stat().st_mode & 0o777 == 0o600
    assert unmounted.pid == pid
    assert unmounted.read(*service.output("odd")) == service.files["odd"]
    unmounted.umount()
    assert "is unmounted" in unmounted.log


def test_a_log_that_cannot_be_opened_again_is_continued(service: Served, unmounted: Mount) -> None:
    assert unmounted.start().returncode == 0
    rotated = unmounted.log_file.with_suffix(".1")
    unmounted.log_file.rename(rotated)
    unmounted.log_file.mkdir()
    os.kill(unmounted.pid, signal.SIGHUP)
    wait_until(lambda: "cannot be opened again" in rotated.read_text(), "the error to be logged")
    unmounted.umount()
    assert "is unmounted" in rotated.read_text()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["SIGINT", "SIGTERM"])
def test_a_detached_mount_ignores_what_its_command_ignored(
    service: Served, unmounted: Mount, number: signal.Signals
) -> None:
    ignoring(unmounted, number)
    assert unmounted.start().returncode == 0
    os.kill(unmounted.pid, number)
    assert unmounted.read(*service.output("odd")) == service.files["odd"]
    unmounted.umount()
    assert number.name not in unmounted.log


def test_a_mount_in_front_whose_log_is_a_file_ends_by_hangup(
    service: Served, unmounted: Mount
) -> None:
    process = unmounted.start_in_front("--log-file", str(unmounted.log_file))
    assert unmounted.read(*service.output("odd")) == service.files["odd"]
    process.send_signal(signal.SIGHUP)
    process.communicate(timeout=SECONDS)
    assert process.returncode == 0
    assert "ended by SIGHUP" in unmounted.log


def test_hangup_reads_the_limit_of_bandwidth_again(
    service: Served, unmounted: Mount, home: Path
) -> None:
    """A mount that has it in a file; until then it has none."""
    file = home / "limit.toml"
    file.write_text("[profiles.default]\n")
    unmounted.environment["CASFS_CONFIG"] = str(file)
    assert unmounted.start().returncode == 0
    file.write_text('[profiles.default]\nbwlimit = "08:00,2M 08:01,2M"\n')
    os.kill(unmounted.pid, signal.SIGHUP)
    wait_until(lambda: "08:00,2M" in unmounted.log, "the limit to be read")
    file.write_text('[profiles.default]\nbwlimit = "nonsense"\n')
    os.kill(unmounted.pid, signal.SIGHUP)
    wait_until(lambda: "stays as it was" in unmounted.log, "a mistake to be told")
    begun = time.monotonic()
    assert unmounted.read(*service.output("odd")) == service.files["odd"]
    # A whole second less than the limit makes of it would be too fast.
    assert time.monotonic() - begun > len(service.files["odd"]) / (2 << 20) - 1
    file.write_text("[profiles.default]\n")
    os.kill(unmounted.pid, signal.SIGHUP)
    wait_until(lambda: "bandwidth limit is off" in unmounted.log, "no limit any more")
