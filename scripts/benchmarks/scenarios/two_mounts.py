"""Two mounts on one cache beside one: what a second interpreter is worth."""

import contextlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from benchmarks import measure
from benchmarks.bench import CASFS, GIB, MIB, Bench
from benchmarks.measure import Goal, Measures, Result, Unit
from benchmarks.mounts import CasfsMount

_OUTPUTS = 2
_TWO = "two mounts"
_SPEED = "speed"
_CPU = "cpu"


def run(bench: Bench) -> Result:
    """Read two outputs at once, cold: through one mount, and through one mount each."""
    size = bench.size(GIB)
    names = [(f"job-{number}", size) for number in range(_OUTPUTS)]
    outputs = bench.origin.contents.add_vault("two-mounts", names)
    bench.origin.contents.pin(outputs)

    def read(mounts: Sequence[CasfsMount]) -> Measures:
        files = [mounts[number % len(mounts)].file(one) for number, one in enumerate(outputs)]
        with contextlib.ExitStack() as stack, ThreadPoolExecutor(_OUTPUTS) as pool:
            times = [stack.enter_context(mount.processor_time()) for mount in mounts]
            with measure.stopwatch() as seconds:
                list(pool.map(lambda file: measure.read_speed(file, size), files))
            speed = measure.megabytes(size * _OUTPUTS) / seconds()
        for mount in mounts:
            mount.check()
        return {_SPEED: speed, _CPU: sum(time() for time in times) * GIB / size / _OUTPUTS}

    def turn(count: int) -> Measures:
        with bench.temporary() as cache, contextlib.ExitStack() as stack:
            return read([stack.enter_context(_mount(bench, cache)) for _ in range(count)])

    found = bench.compare(
        {CASFS: lambda: turn(1), _TWO: lambda: turn(2)},
        {
            _SPEED: ("speed of both together", Unit.MB_PER_SECOND),
            _CPU: ("processor time of the mounts", Unit.CPU_PER_GIB),
        },
    )
    bench.origin.contents.drop(outputs)
    return Result(
        "two-mounts",
        f"{_OUTPUTS} outputs of {size // MIB} MiB at once, through one mount and through two",
        list(found.values()),
        [Goal("speed: one mount / two mounts", found[_SPEED].ratio(_TWO), 0.9)],
    )


def _mount(bench: Bench, cache: Path) -> contextlib.AbstractContextManager[CasfsMount]:
    return bench.casfs(bench.origin.fast, cache)
