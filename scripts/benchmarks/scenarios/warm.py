"""Warm: what was read once is read again, from a disk cache or from the kernel's."""

import contextlib
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from benchmarks import measure, peers
from benchmarks.bench import CASFS, GIB, MIB, Bench
from benchmarks.contents import Output
from benchmarks.measure import Comparison, Goal, Measures, Result, Unit
from benchmarks.mounts import Mount
from benchmarks.peers import DEFAULT, FULL, STREAMS_4

_SPEED = "speed"
_READ = "read"
_DROPPED = "dropped"
_CPU = "cpu"
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
        dropped = _from_disk(bench, mountings, output, again=_fetching_again(bench, output))
        kept = _from_disk(bench, mountings, output, warm=caches)
    kernel = _from_kernel(bench, output)
    bench.origin.contents.drop([output])
    reread = kernel[_READ].series[0]
    return Result(
        "warm",
        f"second sequential read of {size // MIB} MiB",
        [*dropped.values(), *kept.values(), *kernel.values()],
        [
            Goal("speed from disk / rclone full", dropped[_SPEED].ratio(FULL.name), 2.0),
            Goal("MiB read in user space", max(reread.values), 0.0, at_least=False),
        ],
    )


def _from_disk(
    bench: Bench,
    mountings: dict[str, Mounting],
    output: Output,
    warm: Path | None = None,
    again: Mapping[str, Callable[[], Measures]] | None = None,
) -> dict[str, Comparison]:
    """Read after a remount.

    Args:
        bench: this run.
        mountings: of the programs that have kept the output, by name.
        output: what is read.
        warm: a folder whose files are to be in memory again, if any.
        again: contestants that have kept nothing.
    """

    def turn(mounting: Mounting) -> Measures:
        with mounting() as mount:
            for file in warm.rglob("*") if warm else ():
                if file.is_file():
                    measure.run_seconds(["dd", f"if={file}", "of=/dev/null", "bs=1M"])
            return _read(mount, output)

    state = "cache files in memory" if warm else "caches dropped"
    contestants = {name: partial(turn, mounting) for name, mounting in mountings.items()}
    return bench.compare(
        contestants | dict(again or {}),
        {
            _SPEED: (f"from disk after a remount, {state}", Unit.MB_PER_SECOND),
            _CPU: ("processor time of the mount", Unit.CPU_PER_GIB),
        },
    )


def _fetching_again(bench: Bench, output: Output) -> dict[str, Callable[[], Measures]]:
    """Return contestants that must fetch again what others find on their disk."""
    endpoint = bench.origin.fast

    def curl() -> Measures:
        with bench.temporary() as folder:
            measure.start_cold()
            seconds = measure.run_seconds(peers.curl_to_file(endpoint, output, folder / "output"))
            return {_SPEED: measure.megabytes(output.size) / seconds}

    modes = bench.rclones(endpoint, (DEFAULT, STREAMS_4), partial(_read, output=output))
    return {f"{name}, fetched again": run for name, run in {**modes, "curl": curl}.items()}


def _read(mount: Mount, output: Output) -> Measures:
    with mount.processor_time() as seconds:
        speed = measure.read_speed(mount.file(output), output.size)
    return {_SPEED: speed, _CPU: seconds() * GIB / output.size}


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
