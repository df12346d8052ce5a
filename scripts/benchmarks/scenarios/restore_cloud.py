"""Restore over the line of a cloud: 40 ms, and 25 MiB/s a connection, which the kernel paces."""

from functools import partial

from benchmarks import measure
from benchmarks.bench import CASFS, GIB, MIB, Bench
from benchmarks.lines import CLOUD
from benchmarks.measure import Goal, Result
from benchmarks.restores import MEMORY, ROOM, SPEED, TITLES, Restores

_ARIA = "aria2c -x8, fsync"
_RCLONE = "rclone copy, 8 streams, fsync"
_OPTIONS = ("--multi-thread-streams", "8", "--multi-thread-cutoff", "1M")
_CONNECTIONS = 8
"""What casfs receives from at a time by default."""


def run(bench: Bench) -> Result:
    """Compare one large output with what eight connections allow, and with who uses eight."""
    size = bench.size(2 * GIB)
    contents = bench.origin.contents
    outputs = contents.add_restored("restore-cloud", [size])
    contents.pin(outputs)
    restores = Restores(bench, bench.origin.cloud, outputs)
    found = bench.compare(
        {
            CASFS: restores.casfs,
            _ARIA: partial(restores.other, restores.aria2, sync=True),
            _RCLONE: partial(restores.other, restores.rclone(*_OPTIONS), sync=True),
        },
        TITLES,
    )
    contents.drop(outputs)
    speed, memory = found[SPEED], found[MEMORY].series[0]
    allowed = measure.megabytes(_CONNECTIONS * CLOUD.rate)
    return Result(
        "restore-cloud",
        f"one output of {size // MIB} MiB to disk, 40 ms to the first byte, 25 MiB/s a connection",
        list(found.values()),
        [
            Goal("speed / (8 connections x 25 MiB/s)", speed.median(CASFS) / allowed, 0.97),
            Goal(f"speed / {_ARIA}", speed.ratio(_ARIA), 1.0),
            Goal(f"speed / {_RCLONE}", speed.ratio(_RCLONE), 1.0),
            Goal("peak memory in MiB", max(memory.values), ROOM, at_least=False),
        ],
    )
