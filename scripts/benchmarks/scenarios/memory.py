"""Memory and growth: what a mount costs that reads 1, 4 and 16 GiB of one output.

rclone reads the same: what its reads cost more on the same machine is not for casfs to explain. And
casfs is read with `nocache` once more: then the kernel has no 16 GiB to make room for.
"""

from collections.abc import Iterable
from functools import partial

from benchmarks import measure
from benchmarks.bench import CASFS, GIB, MIB, Bench
from benchmarks.measure import Goal, Measures, Result, Unit
from benchmarks.mounts import Mount
from benchmarks.peers import DEFAULT

_SIZES = (1, 4, 16)
_MEMORY = "memory"
_CPU = "cpu"
_SPEED = "speed"
_ROOM = 200
_GROWTH = 1.15
"""How much more a GiB may cost in a read of one size than in one of another: noise, no growth."""

_CACHE = 2
"""GiB of the disk cache: larger reads run over it, and the run needs less disk."""


def run(bench: Bench) -> Result:
    """Read the first 1, 4 and 16 GiB of one output, each on a cold mount."""
    sizes = [bench.size(gib * GIB) for gib in _SIZES]
    (output,) = bench.origin.contents.add_vault("memory", [("large", sizes[-1])])
    # Else the largest size measures the disk of the origin, which smaller ones do not wait for.
    bench.origin.contents.pin([output])
    settings = {"CASFS_CACHE_SIZE": str(bench.size(_CACHE * GIB))}

    def read(mount: Mount, size: int, nocache: bool = False) -> Measures:
        with mount.processor_time() as seconds:
            speed = measure.read_speed(mount.file(output), size, nocache)
        mount.check()
        return {
            _MEMORY: mount.peak_memory() / MIB,
            _CPU: seconds() * GIB / size,
            _SPEED: speed,
        }

    def ours(size: int, nocache: bool = False) -> Measures:
        with bench.casfs(bench.origin.fast, settings=settings) as mount:
            return read(mount, size, nocache)

    def theirs(size: int) -> Measures:
        with bench.rclone(DEFAULT, bench.origin.fast) as mount:
            return read(mount, size)

    kept = {_name(CASFS, size): partial(ours, size) for size in sizes}
    dropped = {
        f"{_name(CASFS, size)}, nocache": partial(ours, size, nocache=True) for size in sizes
    }
    control = {_name(DEFAULT.name, size): partial(theirs, size) for size in sizes}
    found = bench.compare(
        kept | dropped | control,
        {
            _MEMORY: ("peak memory", Unit.MIB),
            _CPU: ("processor time of the mount", Unit.CPU_PER_GIB),
            _SPEED: ("speed", Unit.MB_PER_SECOND),
        },
    )
    bench.origin.contents.drop([output])

    def growth(names: Iterable[str]) -> float:
        medians = [found[_CPU].median(name) for name in names]
        return max(medians) / min(medians)

    peaks = [series for series in found[_MEMORY].series if series.name not in control]
    return Result(
        "memory",
        f"sequential reads of one output, disk cache of {bench.size(_CACHE * GIB) // MIB} MiB",
        list(found.values()),
        [
            _at_most("peak memory in MiB", max(max(one.values) for one in peaks), _ROOM),
            _at_most("processor time of a GiB, dearest / cheapest size", growth(kept), _GROWTH),
            _at_most("the same with nocache", growth(dropped), _GROWTH),
        ],
    )


def _name(contestant: str, size: int) -> str:
    return f"{contestant} {size // MIB} MiB"


def _at_most(text: str, value: float, target: float) -> Goal:
    return Goal(text, value, target, at_least=False)
