"""Processes of a run: started apart from the terminal, ended by their own id, and measured."""

import contextlib
import os
import resource
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

_START_SECONDS = 60.0
_END_SECONDS = 120.0
_LOOK_SECONDS = 0.05


class BenchmarkError(Exception):
    """The benchmark cannot go on; the message says why."""


@dataclass(frozen=True)
class Usage:
    """What a program took from its start to its end.

    Attributes:
        seconds: of the clock.
        cpu: seconds of the processors, in user space and kernel.
        memory: most bytes that were resident.
    """

    seconds: float
    cpu: float
    memory: int


def start(
    command: Sequence[str | Path],
    log: Path,
    environment: dict[str, str] | None = None,
    files: Sequence[int] = (),
) -> "subprocess.Popen[bytes]":
    """Start a process whose output goes to a file, and which keeps some open files of this one.

    It is no member of the terminal's process group: Ctrl-C reaches only this program, which then
    ends the others in their order. If this program is killed, the process is told to end, too.
    """
    with open(log, "ab") as file:
        return subprocess.Popen(
            ["setpriv", "--pdeathsig", "TERM", "--", *(str(word) for word in command)],
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
            env={**os.environ, **(environment or {})},
            pass_fds=files,
            start_new_session=True,
        )


def wait_until(
    ready: Callable[[], bool], process: "subprocess.Popen[bytes]", what: str, log: Path
) -> None:
    """Wait until a started process answers.

    Raises:
        BenchmarkError: it ended, or did not answer in time; with the end of its log.
    """
    end = time.monotonic() + _START_SECONDS
    while not ready():
        if process.poll() is not None or time.monotonic() > end:
            told = log.read_text("utf-8", "replace")[-2000:] if log.exists() else ""
            raise BenchmarkError(f"{what} does not answer: {told}")
        time.sleep(0.02)


def end(process: "subprocess.Popen[bytes]") -> None:
    """End a process and wait for it."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        if process.poll() is None:
            process.send_signal(number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_END_SECONDS)


def unmount(process: "subprocess.Popen[bytes]", mountpoint: Path) -> None:
    """Take a mount away and wait for its process, which may still write to its cache.

    Raises:
        BenchmarkError: something still uses it; then it is taken away all the same.
    """
    failure = ""
    if os.path.ismount(mountpoint):
        done = _fusermount(mountpoint)
        if done.returncode != 0 and os.path.ismount(mountpoint):
            failure = done.stderr.strip()
            _fusermount(mountpoint, "-z")
    try:
        process.wait(_END_SECONDS)
    except subprocess.TimeoutExpired:
        failure = failure or "its process did not end"
    finally:
        end(process)
    if failure:
        raise BenchmarkError(f"{mountpoint} could not be unmounted: {failure}")


def _fusermount(mountpoint: Path, *options: str) -> "subprocess.CompletedProcess[str]":
    command = ["fusermount", "-u", *options, "--", str(mountpoint)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def peak_memory(pid: int) -> int:
    """Return the most bytes of memory that a process has had resident so far."""
    for line in Path(f"/proc/{pid}/status").read_text("ascii").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise BenchmarkError(f"process {pid} has no peak memory; it has ended")


def peak_memory_at_end(process: "subprocess.Popen[bytes]") -> int:
    """Wait for a process; return the most bytes of memory that it had resident, but for its end.

    What the kernel tells of a process that has ended counts the memory of who started it, too.
    """
    peak = 0
    while process.poll() is None:
        with contextlib.suppress(BenchmarkError):
            peak = peak_memory(process.pid)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_LOOK_SECONDS)
    return peak


def run_measured(
    command: Sequence[str | Path], log: Path, environment: dict[str, str] | None = None
) -> Usage:
    """Run a program to its end; nothing else that this program has started may end meanwhile.

    Args:
        command: to run.
        log: file for what it says.
        environment: more variables for it.

    Raises:
        BenchmarkError: it failed; with the end of what it said.
    """
    peaks = [0]
    ended = threading.Event()
    before, started = _children_seconds(), time.perf_counter()
    process = start(command, log, environment)

    def watch() -> None:
        while not ended.wait(_LOOK_SECONDS):
            with contextlib.suppress(BenchmarkError, OSError):
                peaks.append(peak_memory(process.pid))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        process.wait()
        seconds = time.perf_counter() - started
    finally:
        ended.set()
        end(process)
        watcher.join()
    if process.returncode != 0:
        told = log.read_text("utf-8", "replace")[-1000:]
        raise BenchmarkError(f"{command[0]} failed with status {process.returncode}: {told}")
    return Usage(seconds, _children_seconds() - before, max(peaks))


def _children_seconds() -> float:
    """Return the processor seconds of all children that have ended and were waited for."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def cpu_seconds(pid: int) -> float:
    """Return the processor seconds that a process has used so far, in user space and kernel.

    Its children count: those that still run, and those that it has waited for.

    Raises:
        BenchmarkError: the process has ended.
    """
    ticks, parents = {}, {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        # A process that ends meanwhile has been waited for, or is nobody's child.
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            # The name, in parentheses, may hold blanks; behind it, the parent is field 1 from 0,
            # and times are fields 11 to 14: user, system, and the same of waited-for children.
            fields = stat.read_text("ascii", "replace").rpartition(")")[2].split()
            ticks[int(stat.parent.name)] = sum(map(int, fields[11:15]))
            parents[int(stat.parent.name)] = int(fields[1])
    if pid not in ticks:
        raise BenchmarkError(f"process {pid} has no processor time; it has ended")
    family = {pid}
    while found := {one for one, parent in parents.items() if parent in family} - family:
        family |= found
    return sum(ticks[one] for one in family) / os.sysconf("SC_CLK_TCK")


@contextlib.contextmanager
def signals_as_interrupts() -> Iterator[None]:
    """Have a request to end clean up as Ctrl-C does."""

    def interrupt(number: int, frame: object) -> None:
        del frame
        raise KeyboardInterrupt(signal.Signals(number).name)

    kinds = (signal.SIGTERM, signal.SIGHUP)
    before = [signal.signal(kind, interrupt) for kind in kinds]
    try:
        yield
    finally:
        for kind, handler in zip(kinds, before, strict=True):
            signal.signal(kind, handler)
