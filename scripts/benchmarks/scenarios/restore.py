"""Restore: one large output to disk, verified and synced, as fast as the loopback goes."""

from functools import partial

from benchmarks.bench import CASFS, GIB, MIB, Bench
from benchmarks.measure import Goal, Result
from benchmarks.restores import MEMORY, ROOM, SPEED, TITLES, Restores

_RCLONE = ("--multi-thread-streams", "8", "--multi-thread-cutoff", "1M")
_COPY = "rclone copy, 8 streams"
_SYNCED = f"{_COPY}, fsync"
_CURL = "curl -o, fsync"
_CP = "cp from the mount, fsync"


def run(bench: Bench) -> Result:
    """Compare `casfs restore` with what verifies nothing, and with `cp` through the mount."""
    size = bench.size(2 * GIB)
    contents = bench.origin.contents
    outputs = contents.add_restored("restore", [size])
    contents.pin(outputs)
    restores = Restores(bench, bench.origin.fast, outputs)
    rclone = restores.rclone(*_RCLONE)
    found = bench.compare(
        {
            CASFS: restores.casfs,
            _COPY: partial(restores.other, rclone, sync=False),
            _SYNCED: partial(restores.other, rclone, sync=True),
            _CURL: partial(restores.other, restores.curl, sync=True),
            _CP: restores.through_mount,
        },
        TITLES,
    )
    contents.drop(outputs)
    speed, memory = found[SPEED], found[MEMORY].series[0]
    return Result(
        "restore",
        f"one output of {size // MIB} MiB to disk",
        list(found.values()),
        [
            Goal(f"speed / {_COPY}", speed.ratio(_COPY), 1.0),
            Goal(f"speed / {_SYNCED}", speed.ratio(_SYNCED), 1.0),
            Goal(f"speed / {_CURL}", speed.ratio(_CURL), 0.8),
            Goal(f"speed / {_CP}", speed.ratio(_CP), 1.0),
            Goal("peak memory in MiB", max(memory.values), ROOM, at_least=False),
        ],
    )
