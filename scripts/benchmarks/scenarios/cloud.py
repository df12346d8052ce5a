"""Cloud: 40 ms to the first byte and 25 MiB/s per connection, which the kernel paces."""

from functools import partial

from benchmarks import measure, peers
from benchmarks.bench import CASFS, GIB, MIB, Bench
from benchmarks.contents import Output
from benchmarks.lines import CLOUD
from benchmarks.measure import Comparison, Goal, Measures, Result, Unit
from benchmarks.mounts import Mount
from benchmarks.peers import DEFAULT, FULL, STREAMS_8

_SPEED = "speed"
_CPU = "cpu"
_USED = "connections"
_CURL = "curl"
_CONNECTIONS = 8
"""What casfs receives from at a time by default."""

_SHARE = 8
"""One connection is slow and even: an eighth of the output shows its speed."""


def run(bench: Bench) -> Result:
    """Compare default options with rclone's, and with what the connections allow."""
    size = bench.size(GIB)
    contents = bench.origin.contents
    large, share = outputs = contents.add_vault(
        "cloud", [("large", size), ("share", bench.size(GIB // _SHARE))]
    )
    contents.pin(outputs)
    endpoint = bench.origin.cloud

    def read(output: Output, mount: Mount) -> Measures:
        before = _connections(bench)
        with mount.processor_time() as cpu:
            speed = measure.read_speed(mount.file(output), output.size)
        return {
            _SPEED: _in_mib(speed),
            _CPU: cpu() * GIB / output.size,
            _USED: _connections(bench) - before,
        }

    def curl() -> Measures:
        before = _connections(bench)
        with bench.temporary() as folder:
            seconds = measure.run_seconds(peers.curl_to_file(endpoint, share, folder / "output"))
        return {_SPEED: share.size / MIB / seconds, _USED: _connections(bench) - before}

    found = bench.compare(
        bench.contestants(endpoint, (STREAMS_8,), partial(read, large))
        | bench.rclones(endpoint, (DEFAULT, FULL), partial(read, share))
        | {_CURL: curl},
        {
            _SPEED: ("speed", Unit.MIB_PER_SECOND),
            _CPU: ("processor time of the mount", Unit.CPU_PER_GIB),
            _USED: ("what carried it", Unit.CONNECTIONS),
        },
    )
    contents.drop(outputs)
    return Result(
        "cloud",
        f"sequential read of {size // MIB} MiB, 40 ms to the first byte, 25 MiB/s a connection",
        list(found.values()),
        _goals(found[_SPEED]),
    )


def _goals(speed: Comparison) -> list[Goal]:
    ours = speed.median(CASFS)
    allowed = _CONNECTIONS * CLOUD.rate / MIB
    return [
        Goal("speed / (8 connections x 25 MiB/s)", ours / allowed, 0.97),
        Goal("speed / (8 x curl, one connection)", ours / _CONNECTIONS / speed.median(_CURL), 0.97),
        Goal("speed / rclone 8 streams", speed.ratio(STREAMS_8.name), 1.0),
    ]


def _connections(bench: Bench) -> int:
    """Return how many connections have carried outputs so far."""
    counters = bench.origin.counters()
    return sum(counters.get(f"connections {kind}", 0) for kind in ("output", "file"))


def _in_mib(speed: float) -> float:
    """Return MB/s, which the tables of other scenarios have, in MiB/s."""
    return speed * 1e6 / MIB
