"""Cloud: 40 ms to the first byte and 25 MB/s per connection."""

from benchmarks import measure, peers
from benchmarks.bench import CASFS, GIB, MIB, Bench
from benchmarks.measure import Goal, Measures, Result, Unit
from benchmarks.mounts import Mount
from benchmarks.origin import RATE
from benchmarks.peers import DEFAULT, STREAMS_8

_SPEED = "speed"
_CURL = "curl"
_CONNECTIONS = 8
"""What casfs uses by default."""

_CURL_SHARE = 8
"""One connection is slow and even: an eighth of the output shows its speed."""


def run(bench: Bench) -> Result:
    """Compare default options with rclone's, and with what the connections allow."""
    size = bench.size(GIB)
    small = bench.size(GIB // _CURL_SHARE)
    contents = bench.origin.contents
    large, share = outputs = contents.add_vault("cloud", [("large", size), ("share", small)])
    contents.pin(outputs)
    endpoint = bench.origin.cloud

    def read(mount: Mount) -> Measures:
        return {_SPEED: measure.read_speed(mount.file(large), size)}

    def curl() -> Measures:
        with bench.temporary() as folder:
            command = peers.curl_to_file(endpoint, share, folder / "output")
            return {_SPEED: measure.megabytes(small) / measure.run_seconds(command)}

    contestants = bench.contestants(endpoint, (DEFAULT, STREAMS_8), read)
    found = bench.compare(contestants | {_CURL: curl}, {_SPEED: ("speed", Unit.MB_PER_SECOND)})
    contents.drop(outputs)
    speed = found[_SPEED]
    allowed = _CONNECTIONS * measure.megabytes(RATE)
    real = _CONNECTIONS * speed.median(_CURL)
    return Result(
        "cloud",
        f"sequential read of {size // MIB} MiB, 40 ms to the first byte, 25 MB/s a connection",
        list(found.values()),
        [
            Goal("speed / (8 connections x 25 MB/s)", speed.median(CASFS) / allowed, 0.95),
            Goal("speed / (8 x curl, one connection)", speed.median(CASFS) / real, 0.95),
            Goal("speed / rclone 8 streams", speed.ratio(STREAMS_8.name), 1.0),
        ],
    )
