"""Measuring: turns, so that a noisy machine disturbs all alike; medians, and how they spread."""

import math
import mmap
import os
import statistics
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from benchmarks.processes import BenchmarkError

_REFAULTED = "workingset_refault_file "
_DROP = Path("/proc/sys/vm/drop_caches")
_ALL_CACHES = "3"
_LEFT = 0.35
_TOUCH_PIECE = 256 << 20
_TOUCH_PIECES = 24


class Unit(StrEnum):
    """What a value counts."""

    SECONDS = "s"
    MILLISECONDS = "ms"
    MB_PER_SECOND = "MB/s"
    MIB_PER_SECOND = "MiB/s"
    MIB = "MiB"
    CPU_PER_GIB = "CPU s/GiB"
    PER_SECOND = "k/s"
    COUNT = ""
    CONNECTIONS = "connections"

    @property
    def better(self) -> str:
        """What is better, `more` or `less`; nothing where neither is."""
        if self is Unit.CONNECTIONS:
            return ""
        return "more" if self.more_is_better else "less"

    @property
    def more_is_better(self) -> bool:
        """Tell whether a larger value is the better one."""
        return self in (Unit.MB_PER_SECOND, Unit.MIB_PER_SECOND, Unit.PER_SECOND)


@dataclass(frozen=True)
class Series:
    """The values that one contestant reached, one for each turn."""

    name: str
    values: list[float]

    @property
    def median(self) -> float:
        """The value in the middle."""
        return statistics.median(self.values)


@dataclass(frozen=True)
class Comparison:
    """Values of several contestants that were measured in turns; the first one is casfs."""

    title: str
    unit: Unit
    series: list[Series]

    def median(self, name: str) -> float:
        """Return the median of a contestant."""
        return next(one for one in self.series if one.name == name).median

    def ratio(self, other: str) -> float:
        """Return how many times as good as another contestant casfs is."""
        ours, theirs = self.series[0].median, self.median(other)
        if not self.unit.more_is_better:
            ours, theirs = theirs, ours
        return ours / theirs if theirs else math.inf


@dataclass(frozen=True)
class Goal:
    """Something to reach, and what was reached.

    Attributes:
        text: what is looked at.
        value: what was measured.
        target: what it must be at least, or at most.
        at_least: which of both.
    """

    text: str
    value: float
    target: float
    at_least: bool = True

    @property
    def reached(self) -> bool:
        """Tell whether the goal was reached."""
        return self.value >= self.target if self.at_least else self.value <= self.target


@dataclass(frozen=True)
class Result:
    """What a scenario found.

    Attributes:
        name: of the scenario.
        title: what it is about, with its sizes.
        comparisons: the values.
        goals: what is to be reached.
        facts: of the run: when, of what, on what machine.
    """

    name: str
    title: str
    comparisons: list[Comparison]
    goals: list[Goal] = field(default_factory=list)
    facts: Mapping[str, str] = field(default_factory=dict)


Measures = Mapping[str, float]
"""Values of one turn by what they measure."""


def in_turns(
    contestants: Mapping[str, Callable[[], Measures]], turns: int, tell: Callable[[str], None]
) -> dict[str, list[Series]]:
    """Let contestants take turns (A B A B ...), and return their series by what is measured.

    Args:
        contestants: what to run, by name; each makes its own start cold or warm.
        turns: how often each one runs.
        tell: is told each turn's values.
    """
    found: dict[str, dict[str, list[float]]] = {}
    for turn in range(1, turns + 1):
        for name, run in contestants.items():
            measures = run()
            for what, value in measures.items():
                found.setdefault(what, {}).setdefault(name, []).append(value)
            values = ", ".join(f"{what} {value:.4g}" for what, value in measures.items())
            tell(f"  turn {turn}/{turns} {name}: {values}")
    return {
        what: [Series(name, values) for name, values in by_name.items()]
        for what, by_name in found.items()
    }


def start_cold() -> None:
    """Give who is measured next an empty cache, and memory that is ready to be used.

    Raises:
        BenchmarkError: only root may do so.
    """
    drop_caches()
    touch_memory()


def drop_caches() -> None:
    """Have the kernel forget what it keeps of files; pages that are mapped stay.

    Raises:
        BenchmarkError: only root may do so.
    """
    subprocess.run(["sync"], check=True)
    try:
        _DROP.write_text(_ALL_CACHES, "ascii")
    except OSError as error:
        raise BenchmarkError(f"kernel caches cannot be dropped ({error}); run as root") from error


def refaulted_bytes() -> int:
    """Return the bytes of files that the kernel had dropped for want of memory and read again."""
    lines = Path("/proc/vmstat").read_text("ascii").splitlines()
    pages = next(int(line.split()[1]) for line in lines if line.startswith(_REFAULTED))
    return pages * os.sysconf("SC_PAGE_SIZE")


def touch_memory() -> None:
    """Use some gigabytes of the free memory once, and give them back.

    A virtual machine gets its memory only when it first uses it, pays for that then, and may give
    back what is free at any time: files fill the kernel's cache at half the speed, and programs
    that read them are charged for it. What was used last is used next, so who is measured now does
    not pay, unless it needs more than this.
    """
    flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | mmap.MAP_POPULATE
    pieces: list[mmap.mmap] = []
    # Asked before each piece: other programs may take memory at the same time.
    while len(pieces) < _TOUCH_PIECES and _available_memory() > _LEFT:
        pieces.append(mmap.mmap(-1, _TOUCH_PIECE, flags=flags))
    for piece in pieces:
        piece.close()


def _available_memory() -> float:
    """Return the share of the machine's memory that programs can still get."""
    lines = Path("/proc/meminfo").read_text("ascii").splitlines()
    sizes = {
        name: int(rest.split()[0]) for name, _, rest in (line.partition(":") for line in lines)
    }
    return sizes["MemAvailable"] / sizes["MemTotal"]


@contextmanager
def stopwatch() -> Iterator[Callable[[], float]]:
    """Yield a function that returns the seconds of the context, once it has ended."""
    started = time.perf_counter()
    ended = started

    def seconds() -> float:
        return ended - started

    yield seconds
    ended = time.perf_counter()


def run_seconds(command: Sequence[str | Path]) -> float:
    """Run a command to its end and return its seconds.

    Raises:
        BenchmarkError: it failed; with what it said.
    """
    with stopwatch() as seconds:
        done = subprocess.run(
            [str(word) for word in command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            check=False,
        )
    if done.returncode != 0:
        told = done.stderr.decode(errors="replace").strip()
        raise BenchmarkError(f"{command[0]} failed: {told[-500:]}")
    return seconds()


def read_speed(path: Path, size: int, nocache: bool = False) -> float:
    """Read the first `size` bytes of a file with `dd bs=1M`; return MB/s.

    With `nocache`, dd has the kernel drop what was read.
    """
    command = ["dd", f"if={path}", "of=/dev/null", "bs=1M", f"count={-(-size // (1 << 20))}"]
    if nocache:
        command.append("iflag=nocache")
    return megabytes(size) / run_seconds(command)


def megabytes(size: int) -> float:
    """Return bytes in units of 1,000,000."""
    return size / 1e6
