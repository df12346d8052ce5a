"""Warm: what was read once is read again, from a disk cache or from the kernel's."""

import contextlib
from collections.abc import Callable
from functools import partial
from pathlib import Path

from benchmarks import measure
from benchmarks.bench import CASFS, GIB, MIB, Bench
from benchmarks.contents import Output
from benchmarks.measure import Comparison, Goal, Measures, Result, Unit
from benchmarks.mounts import Mount
from benchmarks.peers import DEFAULT, FULL

_SPEED = "speed"
_READ = "read"
_DROPPED = "dropped"
Mounting = Callable[[], contextlib.AbstractContextManager[Mount]]


def run(bench: Bench) -> Result:
    """Compare disk caches after a remount, and repeated reads in one mount."""
    size = bench.size(2 * GIB)
    (output,) = bench.origin.contents.add_vault("warm", [("large", size)])
    bench.origin.contents.pin([output])
    with bench.temporary() as caches:
        mountings: dict[str, Mounting] = {
            CASFS: partial(bench.casfs, bench.origin.fast, caches / "casfs"),
            FULL.name: partial(bench.rclone, FULL, bench.origin.fast, caches / "rclone"),
        }
        for mounting in mountings.values():
            with mounting() as mount:
                measure.read_speed(mount.file(output), size)
        _check_cached(bench, output, caches / "casfs")
        dropped = _from_disk(bench, mountings, output, warm=None)
        kept = _from_disk(bench, mountings, output, warm=caches)
    kernel = _from_kernel(bench, output)
    bench.origin.contents.drop([output])
    reread = kernel[_READ].series[0]
    return Result(
        "warm",
        f"second sequential read of {size // MIB} MiB",
        [dropped, kept, *kernel.values()],
        [
            Goal("speed from disk / rclone full", dropped.ratio(FULL.name), 2.0),
            Goal("MiB read in user space", max(reread.values), 0.0, at_least=False),
        ],
    )


def _from_disk(
    bench: Bench, mountings: dict[str, Mounting], output: Output, warm: Path | None
) -> Comparison:
    """Read after a remount; `warm` is the folder whose files are to be in memory again, if any."""

    def turn(mounting: Mounting) -> Measures:
        with mounting() as mount:
            for file in warm.rglob("*") if warm else ():
                if file.is_file():
                    measure.run_seconds(["dd", f"if={file}", "of=/dev/null", "bs=1M"])
            return {_SPEED: measure.read_speed(mount.file(output), output.size)}

    state = "cache files in memory" if warm else "caches dropped"
    contestants = {name: partial(turn, mounting) for name, mounting in mountings.items()}
    found = bench.compare(
        contestants, {_SPEED: (f"from disk after a remount, {state}", Unit.MB_PER_SECOND)}
    )
    return found[_SPEED]


def _check_cached(bench: Bench, output: Output, cache: Path) -> None:
    """Raise an error unless casfs kept all: else the network would be measured, not the cache."""
    with bench.casfs(bench.origin.fast, cache) as mount:
        measure.read_speed(mount.file(output), output.size)
        mount.check_not_fetched()


def _from_kernel(bench: Bench, output: Output) -> dict[str, Comparison]:
    """Read a second time in one mount; for casfs, count what still came to user space.

    What the kernel dropped itself is told beside it: a counter of the whole machine explains such
    reads, but does not excuse them.
    """

    def ours() -> Measures:
        with bench.casfs(bench.origin.fast) as mount:
            measure.read_speed(mount.file(output), output.size)
            before, dropped = mount.counters()["read_bytes"], measure.refaulted_bytes()
            speed = measure.read_speed(mount.file(output), output.size)
            read = mount.counters()["read_bytes"] - before
            dropped = measure.refaulted_bytes() - dropped
            return {_SPEED: speed, _READ: read / MIB, _DROPPED: dropped / MIB}

    def theirs() -> Measures:
        with bench.rclone(DEFAULT, bench.origin.fast) as mount:
            measure.read_speed(mount.file(output), output.size)
            return {_SPEED: measure.read_speed(mount.file(output), output.size)}

    return bench.compare(
        {CASFS: ours, DEFAULT.name: theirs},
        {
            _SPEED: ("read twice in one mount", Unit.MB_PER_SECOND),
            _READ: ("of it, read in user space", Unit.MIB),
            _DROPPED: ("dropped by the kernel itself meanwhile, of all files", Unit.MIB),
        },
    )
