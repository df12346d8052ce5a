"""Until a mount is ready: whatever fails is told in one line, and leaves no mount."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.command import CASFS
from tests.support.mounting import Mount
from tests.support.processes import SECONDS, wait_until
from tests.support.served import Served
from tests.support.server import Answer, Request, Server, Wire, serving

LIBRARIES = ["fuse3", "fuse"]
NUMBERS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]
NAMES = [number.name for number in NUMBERS]
CLOSED = {"stdin": "<&-", "stdout": ">&-", "stderr": "2>&-", "all": "<&- >&- 2>&-"}


@pytest.fixture
def unmounted(service: Served, home: Path) -> Iterator[Mount]:
    """Everything for a mount, which is not made yet."""
    mount = Mount(home, service.url)
    yield mount
    mount.remove()


def patched(code: str) -> list[str]:
    """The command, with something of it changed before."""
    return [sys.executable, "-c", f"{code}\nfrom casfs.cli.main import main; main()"]


def assert_failed(mount: Mount, done: "subprocess.CompletedProcess[str]", *words: str) -> None:
    """It failed, said why in one line, and left neither a mount nor a process."""
    assert done.returncode == 1, (done.stderr, mount.log)
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("casfs: ")]
    for word in words:
        assert word in line
    assert not mount.is_mounted()
    assert mount.processes() == []


@pytest.mark.parametrize("closed", CLOSED.values(), ids=CLOSED)
def test_standard_files_may_be_closed(service: Served, unmounted: Mount, closed: str) -> None:
    shell = f'exec "$0" mount --log-file "$1" "$2" {closed}'
    log, point = unmounted.log_file, unmounted.mountpoint
    unmounted.good("sh", "-c", shell, CASFS, log, point)
    assert unmounted.read(*service.output("odd")) == service.files["odd"]
    # Nothing has taken their numbers.
    files = [os.readlink(f"/proc/{unmounted.pid}/fd/{number}") for number in range(3)]
    assert files[:2] == [os.devnull, os.devnull]
    # What libfuse prints goes into the log.
    assert files[2].startswith("pipe:")
    unmounted.good("sh", "-c", f'exec "$0" umount "$1" {closed}', CASFS, point)
    assert not unmounted.is_mounted()
    assert " ERROR " not in unmounted.log


@pytest.mark.parametrize("closed", CLOSED.values(), ids=CLOSED)
def test_a_refusal_with_standard_files_closed(unmounted: Mount, closed: str) -> None:
    unmounted.environment["CASFS_SECRET_ACCESS_KEY"] = "wrong"
    shell = f'"$0" mount --log-file "$1" "$2" {closed}'
    done = unmounted.run("sh", "-c", shell, CASFS, unmounted.log_file, unmounted.mountpoint)
    assert done.returncode == 1
    assert not unmounted.is_mounted()
    assert unmounted.processes() == []


def test_what_cannot_be_printed_is_a_failure(unmounted: Mount) -> None:
    done = unmounted.run("sh", "-c", '"$0" vaults >&-', CASFS)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1), done.stderr
    assert done.stderr.startswith("casfs: ")


NO_THREADS = "__import__('threading').stack_size(1 << 60)"
"""No thread can be started any more: there is no memory for the stack of one."""
NO_THREADS_AT_FIRST = f"""
import casfs.client
class Client(casfs.client.Client):
    def __init__(self, config):
        super().__init__(config)
        {NO_THREADS}
casfs.client.Client = Client
"""


def test_a_thread_that_cannot_be_started(unmounted: Mount) -> None:
    unmounted._program = patched(NO_THREADS_AT_FIRST)
    assert_failed(unmounted, unmounted.start(), "the process limit is reached")
    assert_failed(unmounted, unmounted.start("-f"), "the process limit is reached")


FAILS = """
import os, signal
import casfs.mount.daemon as daemon
def fail(mountpoint):
    {how}
daemon._widen_window = fail
"""
"""Something that happens when the kernel has the mount, and nobody was told yet."""


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("error", ["RuntimeError('gone wrong')", "SystemExit(0)"])
def test_any_failure_of_a_mount_that_stands_already(
    unmounted: Mount, library: str, error: str
) -> None:
    unmounted.environment["FUSE_LIBRARY_NAME"] = library
    unmounted._program = patched(FAILS.format(how=f"raise {error}"))
    assert_failed(unmounted, unmounted.start(), error.partition("(")[0])


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_process_that_dies_once_it_is_mounted(unmounted: Mount, library: str) -> None:
    unmounted.environment["FUSE_LIBRARY_NAME"] = library
    unmounted._program = patched(FAILS.format(how="os.kill(os.getpid(), signal.SIGKILL)"))
    assert_failed(unmounted, unmounted.start(), "died", str(unmounted.log_file))


@contextmanager
def slow_service() -> Iterator[tuple[Server, threading.Event]]:
    """A service without vaults, which answers once the event is set."""
    answering = threading.Event()

    def behave(request: Request, wire: Wire) -> Answer | None:
        del request, wire
        answering.wait(SECONDS)
        return Answer(body=b'{"VaultList": [], "Marker": null}')

    with serving(behave) as server:
        try:
            yield server, answering
        finally:
            answering.set()


def begin(mount: Mount) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [CASFS, "mount", "--log-file", mount.log_file, mount.mountpoint],
        env=mount.environment,
        stderr=subprocess.PIPE,
        text=True,
    )


def begun(home: Path, act: Callable[[Mount, "subprocess.Popen[str]"], None]) -> Mount:
    """Act once the mount's process waits for the service, which answers then."""
    with slow_service() as (server, answering):
        mount = Mount(home, server.url)
        try:
            with begin(mount) as command:
                wait_until(lambda: server.requests, "the mount to ask the service")
                act(mount, command)
            answering.set()
            wait_until(lambda: not mount.processes(), "the mount's process to end")
            assert not mount.is_mounted()
        finally:
            mount.remove()
    return mount


@pytest.mark.parametrize("number", NUMBERS, ids=NAMES)
def test_a_command_that_is_ended_mounts_nothing_later(home: Path, number: signal.Signals) -> None:
    def end(mount: Mount, command: "subprocess.Popen[str]") -> None:
        command.send_signal(number)
        _, errors = command.communicate(timeout=SECONDS)
        assert command.returncode == 1
        assert len(errors.splitlines()) <= 1
        if number != signal.SIGINT:
            assert number.name in errors
        assert mount.processes() == []

    assert "is mounted on" not in begun(home, end).log


def test_a_command_that_is_killed_leaves_no_mount(home: Path) -> None:
    def kill(mount: Mount, command: "subprocess.Popen[str]") -> None:
        command.kill()
        command.wait(SECONDS)

    assert "before the mount was ready" in begun(home, kill).log


@pytest.mark.parametrize("number", NUMBERS, ids=NAMES)
def test_a_mount_that_waits_for_the_service_ends(home: Path, number: signal.Signals) -> None:
    def end(mount: Mount, command: "subprocess.Popen[str]") -> None:
        (pid,) = [pid for pid in mount.processes() if pid != command.pid]
        os.kill(pid, number)
        _, errors = command.communicate(timeout=SECONDS)
        assert command.returncode == 1
        assert number.name in errors

    begun(home, end)


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGINT], ids=["nohup", "background"])
@pytest.mark.parametrize("library", LIBRARIES)
def test_a_signal_that_is_to_be_ignored_ends_nothing(
    service: Served, unmounted: Mount, number: signal.Signals, library: str
) -> None:
    unmounted.environment["FUSE_LIBRARY_NAME"] = library
    shell = f'trap \'\' {number.name.removeprefix("SIG")}; exec "$0" "$@"'
    unmounted._program = ["bash", "-c", shell, CASFS]
    process = unmounted.start_in_front()
    process.send_signal(number)
    assert unmounted.read(*service.output("odd")) == service.files["odd"]
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=SECONDS)
    assert process.returncode == 0
    assert "ended by SIGTERM" in errors
    assert number.name not in errors
