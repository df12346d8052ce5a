"""Archives: a vault of 1,000,000, 10,000 of them restored, under their names."""

import os
import subprocess
from pathlib import Path

from benchmarks import measure, mounts, processes
from benchmarks.bench import CASFS, MIB, Bench
from benchmarks.measure import Goal, Measures, Result, Unit
from benchmarks.mounts import CasfsMount
from benchmarks.processes import BenchmarkError

_ARCHIVES = 1_000_000
_RESTORED = 10_000
_SIZE = 1 << 10
_VAULT = "archives"
_RATE = "rate"
_BUILDING = "building"
_LS = "ls"
_FIND = "find"
_RSYNC = "rsync"
_AGAIN = "again"
_MEMORY = "memory"
_LS_SECONDS = 0.2
_FIND_SECONDS = 30.0
_ROOM = 300


def run(bench: Bench) -> Result:
    """Build the catalogue, then list, find and copy what can be read."""
    count, restored = bench.count(_ARCHIVES), bench.count(_RESTORED)
    bench.origin.contents.add_archives(_VAULT, count, restored, _SIZE)

    def turn() -> Measures:
        with bench.temporary() as folder:
            built = _build(bench, folder / "cache", count)
            with bench.casfs(bench.origin.fast, folder / "cache") as mount:
                return built | _walk(mount, folder / "copy", restored)

    found = bench.compare(
        {CASFS: turn},
        {
            _RATE: ("catalogue built, archives a second", Unit.COUNT),
            _BUILDING: ("peak memory while it is built", Unit.MIB),
            _LS: ("slowest ls of a folder", Unit.SECONDS),
            _FIND: ("find over all that can be read", Unit.SECONDS),
            _RSYNC: ("rsync -a of all that can be read", Unit.SECONDS),
            _AGAIN: ("the same once more, with nothing to do", Unit.SECONDS),
            _MEMORY: ("peak memory of the mount", Unit.MIB),
        },
    )
    return Result(
        "archives",
        f"{count} archives catalogued, {restored} of them restored",
        list(found.values()),
        [
            Goal("archives catalogued a second", found[_RATE].median(CASFS), 20_000),
            Goal("slowest ls in s", found[_LS].median(CASFS), _LS_SECONDS, at_least=False),
            Goal("find in s", found[_FIND].median(CASFS), _FIND_SECONDS, at_least=False),
            Goal("memory of the mount in MiB", found[_MEMORY].median(CASFS), _ROOM, at_least=False),
        ],
    )


def _build(bench: Bench, cache: Path, count: int) -> dict[str, float]:
    """Fetch the inventory, then measure what it takes to make a catalogue of it."""
    with bench.casfs(bench.origin.fast, cache) as mount:
        measure.run_seconds(["cat", "--", mount.folder(_VAULT) / "inventory" / "output"])
    log = cache.with_name("refresh.log")
    command = mounts.casfs_command("catalog", "refresh", _VAULT)
    environment = mounts.casfs_settings(bench.origin.fast, cache)
    with measure.stopwatch() as seconds:
        process = processes.start(command, log, environment)
        _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise BenchmarkError(f"casfs catalog refresh failed: {log.read_text('utf-8')[-500:]}")
    return {_RATE: count / seconds(), _BUILDING: used.ru_maxrss * 1024 / MIB}


def _walk(mount: CasfsMount, copy: Path, restored: int) -> dict[str, float]:
    top = mount.archives(_VAULT)
    folders = [top, top / "mosaic", top / "by-id", top / "projects", top / "projects" / "000"]
    found = {_LS: max(measure.run_seconds(["ls", "--", folder]) for folder in folders)}
    # by-id has them all once more.
    with measure.stopwatch() as seconds:
        told = subprocess.run(
            ["find", top, "-type", "f", "-printf", "."], capture_output=True, check=True
        )
    if len(told.stdout) != 2 * restored:
        raise BenchmarkError(f"find found {len(told.stdout)} files, not {2 * restored}")
    found[_FIND] = seconds()
    command = ["rsync", "-a", "--exclude=/by-id", f"{top}/", f"{copy}/"]
    found[_RSYNC] = measure.run_seconds(command)
    found[_AGAIN] = measure.run_seconds(command)
    files = sum(len(files) for _, _, files in os.walk(copy))
    if files != restored:
        raise BenchmarkError(f"rsync copied {files} files, not {restored}")
    found[_MEMORY] = mount.peak_memory() / MIB
    return found
