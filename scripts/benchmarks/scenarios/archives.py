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
"""Bytes of an archive."""
_VAULT = "archives"
_RATE = "rate"
_BUILDING = "building"
_FIRST = "first"
_LS = "ls"
_FIND = "find"
_RSYNC = "rsync"
_AGAIN = "again"
_MEMORY = "memory"
_LEAST_RATE = 20
_LS_SECONDS = 0.2
_FIND_SECONDS = 30.0
_ROOM = 300


def run(bench: Bench) -> Result:
    """Build the catalogue, then list, find and copy what can be read."""
    count, restored = bench.count(_ARCHIVES), bench.count(_RESTORED)
    bench.origin.contents.add_archives(_VAULT, count, restored, _SIZE)

    def turn() -> Measures:
        with bench.temporary() as folder:
            built = _build(bench.origin.fast, folder / "cache", count)
            with bench.casfs(bench.origin.fast, folder / "cache") as mount:
                found = _walk(mount, folder / "copy", restored)
                mount.check()
                return built | found

    found = bench.compare(
        {CASFS: turn},
        {
            _RATE: ("casfs catalog refresh, inventory fetched and taken in", Unit.PER_SECOND),
            _BUILDING: ("its peak memory", Unit.MIB),
            _FIRST: ("slowest first ls of a folder, new mount, cold disk", Unit.SECONDS),
            _LS: ("slowest ls of a folder after that", Unit.SECONDS),
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
            Goal("thousands catalogued a second", found[_RATE].median(CASFS), _LEAST_RATE),
            Goal("slowest ls in s", found[_LS].median(CASFS), _LS_SECONDS, at_least=False),
            Goal("find in s", found[_FIND].median(CASFS), _FIND_SECONDS, at_least=False),
            Goal("memory of the mount in MiB", found[_MEMORY].median(CASFS), _ROOM, at_least=False),
        ],
    )


def _build(endpoint: str, cache: Path, count: int) -> dict[str, float]:
    """Make a catalogue with nothing in the cache."""
    log = cache.with_name("refresh.log")
    command = mounts.casfs_command("catalog", "refresh", _VAULT)
    with measure.stopwatch() as seconds:
        process = processes.start(command, log, mounts.casfs_settings(endpoint, cache))
        try:
            peak = processes.peak_memory_at_end(process)
        finally:
            processes.end(process)
    if process.returncode != 0:
        raise BenchmarkError(f"casfs catalog refresh failed: {log.read_text('utf-8')[-500:]}")
    return {_RATE: count / 1000 / seconds(), _BUILDING: peak / MIB}


def _walk(mount: CasfsMount, copy: Path, restored: int) -> dict[str, float]:
    top = mount.archives(_VAULT)
    projects = top / "projects"
    folders = [top, top / "mosaic", projects, projects / "000", projects / "000" / "run 01"]
    found = {what: max(map(_ls, folders)) for what in (_FIRST, _LS)}
    with measure.stopwatch() as seconds:
        told = subprocess.run(
            ["find", top, "-type", "f", "-printf", "."], capture_output=True, check=True
        )
    found[_FIND] = seconds()
    if len(told.stdout) != restored:
        raise BenchmarkError(f"find found {len(told.stdout)} files, not {restored}")
    command = ["rsync", "-a", f"{top}/", f"{copy}/"]
    found[_RSYNC] = measure.run_seconds(command)
    found[_AGAIN] = measure.run_seconds(command)
    files = sum(len(files) for _, _, files in os.walk(copy))
    if files != restored:
        raise BenchmarkError(f"rsync copied {files} files, not {restored}")
    found[_MEMORY] = mount.peak_memory() / MIB
    return found


def _ls(folder: Path) -> float:
    return measure.run_seconds(["ls", "--", folder])
