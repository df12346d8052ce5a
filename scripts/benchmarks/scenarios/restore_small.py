"""Restore of thousands of small outputs over the line of a cloud."""

from functools import partial

from benchmarks import measure
from benchmarks.bench import CASFS, Bench
from benchmarks.lines import CLOUD
from benchmarks.measure import Goal, Result
from benchmarks.restores import MEMORY, ROOM, SPEED, TITLES, Restores

_OUTPUTS = 2000
_SIZE = 64 << 10
_COPY = "rclone copy --transfers 8"
_SYNCED = f"{_COPY}, fsync"
_CONNECTIONS = 8


def run(bench: Bench) -> Result:
    """Compare with rclone, and with eight connections that fetch one output after the other."""
    count = bench.count(_OUTPUTS)
    contents = bench.origin.contents
    outputs = contents.add_restored("restore-small", [_SIZE] * count)
    contents.pin(outputs)
    restores = Restores(bench, bench.origin.cloud, outputs)
    rclone = restores.rclone("--transfers", "8")
    found = bench.compare(
        {
            CASFS: restores.casfs,
            _COPY: partial(restores.other, rclone, sync=False),
            _SYNCED: partial(restores.other, rclone, sync=True),
        },
        TITLES,
    )
    contents.drop(outputs)
    speed, memory = found[SPEED], found[MEMORY].series[0]
    each = CLOUD.latency + _SIZE / CLOUD.rate
    allowed = measure.megabytes(_CONNECTIONS * _SIZE) / each
    return Result(
        "restore-small",
        f"{count} outputs of 64 KiB to disk, 40 ms to the first byte, 25 MiB/s a connection",
        list(found.values()),
        [
            Goal("speed / what 8 connections allow", speed.median(CASFS) / allowed, 0.9),
            Goal(f"speed / {_COPY}", speed.ratio(_COPY), 1.0),
            Goal(f"speed / {_SYNCED}", speed.ratio(_SYNCED), 1.0),
            Goal("peak memory in MiB", max(memory.values), ROOM, at_least=False),
        ],
    )
