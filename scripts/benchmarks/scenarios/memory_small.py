"""Memory of many small outputs: 50,000 of 4 KiB, read one after the other through one mount.

What a mount keeps of an output that was read may depend on their number; it must not.
"""

from benchmarks.bench import CASFS, MIB, Bench
from benchmarks.measure import Goal, Measures, Result, Unit

_OUTPUTS = 50_000
_SIZE = 4 << 10
_STEPS = 5
_ROOM = 200
_VAULT = "memory-small"


def run(bench: Bench) -> Result:
    """Read them once, since it takes minutes; note the memory on the way."""
    count = bench.count(_OUTPUTS)
    outputs = bench.origin.contents.add_vault(
        _VAULT, [(f"job-{number:06d}", _SIZE) for number in range(count)]
    )
    steps = [count * step // _STEPS for step in range(1, _STEPS + 1)]

    def read() -> Measures:
        peaks: dict[str, float] = {}
        with bench.casfs(bench.origin.fast) as mount:
            for number, output in enumerate(outputs, 1):
                mount.file(output).read_bytes()
                if number in steps:
                    peaks[str(number)] = mount.peak_memory() / MIB
            mount.check()
        return peaks

    found = bench.compare(
        {CASFS: read},
        {str(step): (f"peak memory after {step} outputs", Unit.MIB) for step in steps},
        turns=1,
    )
    bench.origin.contents.drop(outputs)
    peak = found[str(count)].median(CASFS)
    return Result(
        "memory-small",
        f"{count} outputs of 4 KiB, read through one mount",
        list(found.values()),
        [Goal("peak memory in MiB", peak, _ROOM, at_least=False)],
    )
