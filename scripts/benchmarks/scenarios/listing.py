"""Listing: a vault of 100,000 jobs beside a folder of 100,000 files."""

import os
from pathlib import Path

from benchmarks import measure
from benchmarks.bench import CASFS, MIB, Bench
from benchmarks.measure import Goal, Measures, Result, Unit
from benchmarks.mounts import Mount
from benchmarks.peers import DEFAULT
from benchmarks.processes import BenchmarkError

_JOBS = 100_000
_VAULT = "listing"
_FIRST = "first"
_SECOND = "second"
_LONG = "long"
_STAT = "stat"
_PAGES = "pages"
_MEMORY = "memory"
_ROOM = 300
_FIRST_FACTOR = 1.75
"""A first listing, every job of which is kept, may take so many times as long as rclone's."""


def run(bench: Bench) -> Result:
    """Compare listings, and what one job costs that is not listed first."""
    count = bench.count(_JOBS)
    bench.origin.contents.add_listing(_VAULT, count)

    def listings(mount: Mount) -> Measures:
        folder = mount.folder(_VAULT)
        found = {
            _FIRST: measure.run_seconds(["ls", folder]),
            _SECOND: measure.run_seconds(["ls", folder]),
            _LONG: measure.run_seconds(["ls", "-l", folder]),
            _MEMORY: mount.peak_memory() / MIB,
        }
        listed = len(os.listdir(folder))
        if listed != count:
            raise BenchmarkError(f"{listed} of {count} entries were listed")
        return found

    def one(mount: Mount) -> Measures:
        before = _listing_requests(bench)
        seconds = measure.run_seconds(["stat", _one_entry(mount, count // 2)])
        return {_STAT: seconds * 1e3, _PAGES: _listing_requests(bench) - before}

    modes = (DEFAULT,)
    found = bench.compare(
        bench.contestants(bench.origin.fast, modes, listings),
        {
            _FIRST: ("first ls", Unit.SECONDS),
            _SECOND: ("second ls", Unit.SECONDS),
            _LONG: ("then ls -l", Unit.SECONDS),
            _MEMORY: ("peak memory", Unit.MIB),
        },
    ) | bench.compare(
        bench.contestants(bench.origin.fast, modes, one),
        {
            _STAT: ("stat of one job, nothing listed", Unit.MILLISECONDS),
            _PAGES: ("requests of listings for it", Unit.COUNT),
        },
    )
    pages = max(next(s for s in found[_PAGES].series if s.name == CASFS).values)
    memory = found[_MEMORY].median(CASFS)
    return Result(
        "listing",
        f"a vault of {count} jobs, a folder of {count} files",
        list(found.values()),
        [
            Goal("first ls: casfs / rclone", found[_FIRST].ratio(DEFAULT.name), 1 / _FIRST_FACTOR),
            Goal("second ls: casfs / rclone", found[_SECOND].ratio(DEFAULT.name), 1.0),
            Goal("ls -l: casfs / rclone", found[_LONG].ratio(DEFAULT.name), 1.0),
            Goal("peak memory in MiB", memory, _ROOM, at_least=False),
            Goal("listings for stat of one job", pages, 0, at_least=False),
        ],
    )


def _one_entry(mount: Mount, number: int) -> Path:
    return mount.folder(_VAULT) / f"job-{number:07d}"


def _listing_requests(bench: Bench) -> int:
    counters = bench.origin.counters()
    return sum(counters.get(f"requests {kind}", 0) for kind in ("GET jobs", "PROPFIND listing"))
