"""Slow lines: connections of 64 and of 8 KiB/s, and whether the mount answers meanwhile."""

import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from benchmarks import measure
from benchmarks.bench import CASFS, MIB, Bench
from benchmarks.contents import Output
from benchmarks.lines import CRAWL, SLOW, Line
from benchmarks.measure import Comparison, Goal, Measures, Result, Unit
from benchmarks.mounts import Mount
from benchmarks.peers import STREAMS_8, Mode

_CONNECTIONS = 8
"""What casfs receives from at a time by default."""
_TIME = "time"
_LISTING = "listing"
_PAUSE = 1.0
"""Seconds between two listings."""
_LINES: tuple[tuple[Line, int, tuple[Mode, ...]], ...] = (
    (SLOW, 48 * MIB, (STREAMS_8,)),
    (CRAWL, 12 * MIB, ()),
)
"""Lines, bytes of an output that takes minutes, and peers. On the last, rclone takes 26 min."""


def run(bench: Bench) -> Result:
    """Compare how long `cp` takes with what eight connections need; once, since it is even."""
    comparisons: list[Comparison] = []
    goals: list[Goal] = []
    for line, size, peers in _LINES:
        named = f"{line.rate >> 10} KiB/s a connection"
        (output,) = outputs = bench.origin.contents.add_vault(
            f"slow-{line.rate}", [("output", bench.size(size))]
        )
        bench.origin.contents.pin(outputs)
        found = bench.compare(
            bench.contestants(bench.origin.url(line), peers, partial(_copy, bench, output)),
            {
                _TIME: (f"cp of {output.size // MIB} MiB, {named}", Unit.SECONDS),
                _LISTING: (f"slowest ls -l meanwhile, {named}", Unit.SECONDS),
            },
            turns=1,
        )
        bench.origin.contents.drop(outputs)
        comparisons += found.values()
        goals += _goals(line, output, found)
    return Result("slow-lines", "8 connections on slow lines", comparisons, goals)


def _copy(bench: Bench, output: Output, mount: Mount) -> Measures:
    file = mount.file(output)
    with bench.temporary() as folder, _listed(mount, output) as slowest:
        seconds = measure.run_seconds(["cp", file, folder / "copy"])
    return {_TIME: seconds, _LISTING: max(slowest)}


@contextmanager
def _listed(mount: Mount, output: Output) -> Iterator[list[float]]:
    """List the directory of an output again and again; yield the seconds that each listing took."""
    took: list[float] = []
    ended = threading.Event()

    def work() -> None:
        while True:
            with measure.stopwatch() as seconds:
                subprocess.run(
                    ["ls", "-l", mount.file(output).parent],
                    stdout=subprocess.DEVNULL,
                    check=True,
                )
            took.append(seconds())
            if ended.wait(_PAUSE):
                return

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield took
    finally:
        ended.set()
        thread.join()


def _goals(line: Line, output: Output, found: dict[str, Comparison]) -> list[Goal]:
    named = f"{line.rate >> 10} KiB/s"
    due = output.size / (_CONNECTIONS * line.rate)
    return [
        Goal(f"{named}: due with 8 connections / took", due / found[_TIME].median(CASFS), 0.95),
        Goal(f"{named}: seconds of ls -l", found[_LISTING].median(CASFS), 2.0, at_least=False),
    ]
