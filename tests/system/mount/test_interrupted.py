"""Signals that a program gets while it waits for a listing: those that end it end the wait."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from casfs.mount.signals import ends, is_ending
from tests.support.mounting import Mount, mounted
from tests.support.processes import wait_until
from tests.support.running_origin import RunningOrigin

VAULTS = {"v": {"jobs": [{"JobId": "one", "@size": 3000}]}}
LARGEST = 5 << 20
LARGE = {"v": {"jobs": [{"JobId": "one", "@size": LARGEST}]}}
LIST = """
import os, signal, sys
signal.signal(signal.SIGALRM, lambda *_: None)
# What a shell starts in the background ignores them.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGQUIT, signal.SIG_DFL)
print(os.listdir(sys.argv[1]))
"""
LIST_IN_THREAD = """
import os, sys, threading
threading.Thread(target=os.listdir, args=[sys.argv[1]]).start()
"""
READ = """
import mmap, os, sys
file = os.open(sys.argv[1], os.O_RDONLY | getattr(os, sys.argv[2]))
print(os.preadv(file, [mmap.mmap(-1, 1 << 22)], 0))
"""
ECHO = 'exec 3<&0; read line <&3 & echo "$1"/*'
DEADLINE = 60
TIMEOUT = 1.2
"""Seconds after which a listing is asked for again; until then, the mount looks several times
whether somebody still waits."""


class Listing:
    """A program that waits for the jobs of the vault, and the mount for which it waits."""

    def __init__(self, mount: Mount, process: "subprocess.Popen[str]") -> None:
        self.mount = mount
        self.process = process

    def send(self, *numbers: signal.Signals) -> None:
        """Send it signals."""
        for number in numbers:
            self.process.send_signal(number)

    def is_stopped(self) -> bool:
        """Tell whether a signal has stopped it."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return "\nState:\tT" in status


@contextmanager
def listing(tmp_path: Path, library: str, hangs: int, *program: str) -> Iterator[Listing]:
    """Start a program that lists the jobs, and wait until they are asked for.

    The first requests hang, as many as `hangs`.
    """
    with (
        RunningOrigin(tmp_path / "o", VAULTS) as origin,
        mounted(
            tmp_path / "home",
            origin.url,
            CASFS_DEADLINE=DEADLINE,
            CASFS_READ_TIMEOUT=TIMEOUT,
            FUSE_LIBRARY_NAME=library,
        ) as mount,
    ):
        origin.misbehave({"when": {"call": "jobs"}, "times": hangs, "do": {"hang": True}})
        path = str(mount.path("vaults", "v", "jobs"))
        with subprocess.Popen(
            [*program, path],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as process:
            try:
                wait_until(lambda: origin.requests("jobs"), "the listing to be asked for")
                yield Listing(mount, process)
            finally:
                process.kill()
        assert " ERROR " not in mount.log


@pytest.mark.parametrize(
    ("library", "numbers"),
    [
        ("fuse3", [signal.SIGINT]),
        ("fuse", [signal.SIGKILL]),
        ("fuse3", [signal.SIGALRM, signal.SIGTERM]),
        ("fuse", [signal.SIGALRM, signal.SIGQUIT]),
    ],
    ids=str,
)
def test_a_program_that_is_ended_does_not_wait(
    tmp_path: Path, library: str, numbers: list[signal.Signals]
) -> None:
    with listing(tmp_path, library, 1000, sys.executable, "-c", LIST) as one:
        one.send(*numbers)
        # It waits for the deadline if nobody tells the mount.
        assert one.process.wait(DEADLINE / 3) == -numbers[-1]
        assert one.mount.list() == [".casfs", "vaults"]


@pytest.mark.parametrize("library", ["fuse3", "fuse"])
@pytest.mark.parametrize("flag", ["O_DIRECT", "O_SYNC"])
def test_a_reader_that_is_killed_does_not_wait(tmp_path: Path, library: str, flag: str) -> None:
    """The kernel waits for all that a read with O_DIRECT has asked for, even if nobody reads."""
    with (
        RunningOrigin(tmp_path / "o", LARGE) as origin,
        mounted(
            tmp_path / "home",
            origin.url,
            CASFS_DEADLINE=DEADLINE,
            CASFS_READ_TIMEOUT=TIMEOUT,
            FUSE_LIBRARY_NAME=library,
        ) as mount,
    ):
        output = mount.job("v", "one", "output")
        mount.stat("vaults", "v", "jobs", "one", "output")
        origin.misbehave({"when": {"call": "output"}, "do": {"hang": True}})
        command = [sys.executable, "-c", READ, str(output), flag]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL) as reader:
            try:
                wait_until(lambda: origin.requests("output"), "the output to be asked for")
            finally:
                reader.kill()
            # Two seconds on an idle machine; or else the deadline.
            assert reader.wait(DEADLINE / 6) == -signal.SIGKILL
        # Others get their bytes.
        origin.misbehave()
        assert len(mount.read("vaults", "v", "jobs", "one", "output")) == LARGEST


def test_a_program_that_is_ended_does_not_wait_for_another_of_its_threads(tmp_path: Path) -> None:
    with listing(tmp_path, "fuse3", 1000, sys.executable, "-c", LIST_IN_THREAD) as one:
        one.send(signal.SIGTERM)
        assert one.process.wait(DEADLINE / 3) == -signal.SIGTERM


def test_a_program_that_handles_a_signal_gets_the_listing(tmp_path: Path) -> None:
    with listing(tmp_path, "fuse", 1, sys.executable, "-c", LIST) as one:
        one.send(signal.SIGALRM)
        assert one.process.communicate(timeout=DEADLINE)[0] == "['one']\n"


def test_a_program_that_is_stopped_and_goes_on_gets_the_listing(tmp_path: Path) -> None:
    with listing(tmp_path, "fuse3", 1, sys.executable, "-c", LIST) as one:
        # Unlike SIGTSTP, it also stops what has no terminal.
        one.send(signal.SIGSTOP)
        wait_until(one.is_stopped, "the program to stop")
        one.send(signal.SIGCONT)
        assert one.process.communicate(timeout=DEADLINE)[0] == "['one']\n"


def test_a_shell_whose_child_ends_gets_the_listing(tmp_path: Path) -> None:
    """It has a handler of SIGCHLD, and takes any error for a directory without entries."""
    with listing(tmp_path, "fuse3", 1, "bash", "-c", ECHO, "bash") as one:
        printed = one.process.communicate("the child ends\n", timeout=DEADLINE)[0]
        assert printed == f"{one.mount.path('vaults', 'v', 'jobs', 'one')}\n"


STATUS = """Name:\tls
SigQ:\t1/96365
SigPnd:\t{:016x}
ShdPnd:\t{:016x}
SigBlk:\t{:016x}
SigIgn:\t{:016x}
SigCgt:\t{:016x}
"""
INT, USR1, WINCH = (
    1 << (number - 1) for number in (signal.SIGINT, signal.SIGUSR1, signal.SIGWINCH)
)


PENDING = {
    "none": ([0, 0, 0, 0, 0], False),
    "one of the thread": ([INT, 0, 0, 0, 0], True),
    "one of all threads": ([0, INT, 0, 0, 0], True),
    "one that is handled": ([0, INT, 0, 0, INT], True),
    "one that is blocked, and another": ([0, INT | USR1, INT, 0, USR1], False),
    "one that is ignored": ([0, INT, 0, INT, 0], False),
    "one that ends by default": ([0, USR1, 0, 0, 0], True),
    "one that would by default": ([USR1, 0, 0, 0, USR1], False),
    "one that does nothing by default": ([0, WINCH, 0, 0, 0], False),
}


@pytest.mark.parametrize(("masks", "ending"), PENDING.values(), ids=PENDING)
def test_what_is_pending_tells_whether_a_program_ends(masks: list[int], ending: bool) -> None:
    assert ends(STATUS.format(*masks)) is ending


def test_a_caller_that_cannot_be_looked_at_waits_on() -> None:
    gone = subprocess.Popen(["true"])
    gone.wait()
    assert not is_ending(0)
    assert not is_ending(gone.pid)
