"""The plan of a restore of 1,000,000 archives, and the report of one: flat memory.

Each is measured for a tenth of the archives as well. The plan includes what is read of the catalog
and of the list of jobs; one archive in a thousand can be read already.
"""

from collections.abc import Sequence
from pathlib import Path

from benchmarks import measure, mounts, processes
from benchmarks.bench import CASFS, MIB, Bench
from benchmarks.many_archives import SIZE, write_manifest
from benchmarks.measure import Goal, Measures, Result, Unit
from benchmarks.processes import BenchmarkError

_ARCHIVES = 1_000_000
_PART = 10
_READABLE = 1000
_SECONDS = 120.0
_ROOM = 200
_GROWTH = 16
_PLAN, _REPORT = "plan", "report"


def run(bench: Bench) -> Result:
    """Make plans and reports of few and of many archives."""
    many = bench.count(_ARCHIVES)
    few = max(1, many // _PART)
    for count in (few, many):
        readable = max(1, count // _READABLE)
        bench.origin.contents.add_archives(_vault(count), count, readable, SIZE)

    def turn() -> Measures:
        found: dict[str, float] = {}
        with bench.temporary() as folder:
            for count in (few, many):
                found |= _turn(bench, folder / str(count), count, "" if count == many else "-few")
        return found

    titles = {
        f"{what}-seconds{suffix}": (f"{what} for {count:,} archives", Unit.SECONDS)
        for what in (_PLAN, _REPORT)
        for suffix, count in (("", many), ("-few", few))
    } | {
        f"{what}-memory{suffix}": (f"its peak memory, {count:,} archives", Unit.MIB)
        for what in (_PLAN, _REPORT)
        for suffix, count in (("", many), ("-few", few))
    }
    found = bench.compare({CASFS: turn}, titles)
    medians = {name: one.median(CASFS) for name, one in found.items()}
    goals = []
    for what in (_PLAN, _REPORT):
        peak = medians[f"{what}-memory"]
        growth = peak - medians[f"{what}-memory-few"]
        seconds = medians[f"{what}-seconds"]
        goals += [
            Goal(f"{what}: peak memory in MiB", peak, _ROOM, at_least=False),
            Goal(f"{what}: MiB more than for a tenth", growth, _GROWTH, at_least=False),
            Goal(f"{what}: seconds", seconds, _SECONDS, at_least=False),
        ]
    title = f"plan and report for {many} archives"
    return Result("restore-plans", title, list(found.values()), goals)


def _turn(bench: Bench, folder: Path, count: int, suffix: str) -> dict[str, float]:
    destination, vault = folder / "dest", _vault(count)
    folder.mkdir()
    settings = mounts.casfs_settings(bench.origin.fast, folder / "cache")
    settings["CASFS_STATE_DIR"] = str(folder / "state")
    _measured(folder, ["catalog", "refresh", vault], settings)
    found: dict[str, float] = {}
    seconds, peak = _measured(folder, ["restore", vault, destination, "-n"], settings)
    found |= {f"{_PLAN}-seconds{suffix}": seconds, f"{_PLAN}-memory{suffix}": peak}
    write_manifest(destination, count)
    seconds, peak = _measured(folder, ["report", destination], settings)
    return found | {f"{_REPORT}-seconds{suffix}": seconds, f"{_REPORT}-memory{suffix}": peak}


def _measured(
    folder: Path, words: Sequence[str | Path], settings: dict[str, str]
) -> tuple[float, float]:
    """Run casfs; return seconds and peak memory in MiB."""
    log = folder / "casfs.log"
    with measure.stopwatch() as seconds:
        process = processes.start(mounts.casfs_command(*words), log, settings)
        try:
            peak = processes.peak_memory_at_end(process)
        finally:
            processes.end(process)
    if process.returncode != 0:
        raise BenchmarkError(f"casfs {words[0]} failed: {log.read_text('utf-8')[-500:]}")
    return seconds(), peak / MIB


def _vault(count: int) -> str:
    return f"plans-{count}"
