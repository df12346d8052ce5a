"""Memory of a restore: of one output of 1, 4 and 16 GiB, and of many small ones."""

from benchmarks.bench import CASFS, GIB, MIB, Bench
from benchmarks.measure import Comparison, Goal, Measures, Result, Series
from benchmarks.restores import MEMORY, ROOM, SPEED, TITLES, Restores

_SIZES = (1, 4, 16)
_OUTPUTS = 20_000
_SIZE = 4 << 10


def run(bench: Bench) -> Result:
    """Restore each once: the least memory that is ever enough is what is looked for."""
    large = [bench.size(gib * GIB) for gib in _SIZES]
    count = bench.count(_OUTPUTS)
    vaults = {f"{CASFS} {size // MIB} MiB": [size] for size in large}
    vaults[f"{CASFS} {count} outputs of {_SIZE >> 10} KiB"] = [_SIZE] * count
    found = [
        (name, _restore(bench, f"restore-memory-{number}", sizes))
        for number, (name, sizes) in enumerate(vaults.items())
    ]
    comparisons = [
        Comparison(*TITLES[what], [Series(name, [measures[what]]) for name, measures in found])
        for what in (MEMORY, SPEED)
    ]
    most = max(measures[MEMORY] for _, measures in found)
    return Result(
        "restore-memory",
        "restores of one large output, and of many small ones",
        comparisons,
        [Goal("peak memory in MiB", most, ROOM, at_least=False)],
    )


def _restore(bench: Bench, vault: str, sizes: list[int]) -> Measures:
    outputs = bench.origin.contents.add_restored(vault, sizes)
    try:
        return Restores(bench, bench.origin.fast, outputs).casfs()
    finally:
        bench.origin.contents.drop(outputs)
