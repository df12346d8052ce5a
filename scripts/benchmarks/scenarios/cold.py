"""Cold sequential: one large output, empty caches, `dd bs=1M`."""

from collections.abc import Callable

from benchmarks import measure, peers
from benchmarks.bench import CASFS, GIB, MIB, Bench
from benchmarks.measure import Comparison, Goal, Measures, Result, Unit
from benchmarks.mounts import Mount
from benchmarks.peers import DEFAULT, FULL, STREAMS_4

_SPEED = "speed"
_CPU = "cpu"
_MODES = (DEFAULT, FULL, STREAMS_4)


def run(bench: Bench) -> Result:
    """Compare casfs, which verifies and keeps every block, with what does not."""
    size = bench.size(2 * GIB)
    (output,) = bench.origin.contents.add_vault("cold", [("large", size)])
    bench.origin.contents.pin([output])
    endpoint = bench.origin.fast

    def read(mount: Mount) -> Measures:
        with mount.processor_time() as seconds:
            speed = measure.read_speed(mount.file(output), size)
        return {_SPEED: speed, _CPU: seconds() * GIB / size}

    def curl() -> Measures:
        with bench.temporary() as folder:
            measure.start_cold()
            command = peers.curl_to_file(endpoint, output, folder / "output")
            return {_SPEED: measure.megabytes(size) / measure.run_seconds(command)}

    def curl_and_hash() -> Measures:
        measure.start_cold()
        command = peers.curl_and_hash(endpoint, output)
        return {_SPEED: measure.megabytes(size) / measure.run_seconds(command)}

    contestants: dict[str, Callable[[], Measures]] = {
        **bench.contestants(endpoint, _MODES, read),
        "curl -o": curl,
        "curl | sha256": curl_and_hash,
    }
    found = bench.compare(
        contestants,
        {
            _SPEED: ("speed", Unit.MB_PER_SECOND),
            _CPU: ("processor time of the mount", Unit.CPU_PER_GIB),
        },
    )
    bench.origin.contents.drop([output])
    return Result(
        "cold",
        f"sequential read of {size // MIB} MiB, nothing cached",
        list(found.values()),
        _goals(found[_SPEED], found[_CPU], bench.tls),
    )


def _goals(speed: Comparison, cpu: Comparison, tls: bool) -> list[Goal]:
    best = speed.median(CASFS) / max(speed.median(mode.name) for mode in _MODES)
    kept = speed.ratio(FULL.name)
    if not tls:
        return [
            Goal("speed / best rclone mode", best, 1.0),
            Goal("speed / rclone full", kept, 1.4),
        ]
    least = cpu.median(CASFS) / min(cpu.median(mode.name) for mode in _MODES)
    return [
        Goal("speed / best rclone mode", best, 0.9),
        Goal("speed / rclone full", kept, 2.0),
        Goal("processor time / cheapest rclone mode", least, 1.25, at_least=False),
    ]
