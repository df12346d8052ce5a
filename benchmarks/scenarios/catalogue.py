"""Catalogue: a vault of 1,000,000 archives under their names, 10,000 of them restored."""

import json
import subprocess
import sys

from benchmarks.bench import CASFS, Bench
from benchmarks.measure import Goal, Measures, Result, Unit
from benchmarks.processes import BenchmarkError

_ARCHIVES = 1_000_000
_SHARE = 100
"""One archive of so many is restored."""
_MEASURES = {
    "built": ("an inventory taken in", Unit.PER_SECOND),
    "refreshed": ("restored archives shown", Unit.SECONDS),
    "all": ("slowest folder of 1000, all of it", Unit.MILLISECONDS),
    "readable": ("slowest folder, what can be read", Unit.MILLISECONDS),
    "find": ("find over what can be read", Unit.SECONDS),
    "memory": ("peak memory", Unit.MIB),
}


def run(bench: Bench) -> Result:
    """Catalogue a vault anew in each turn, in a process of its own."""
    count = bench.count(_ARCHIVES)
    restored = max(1, count // _SHARE)

    def turn() -> Measures:
        with bench.temporary() as folder:
            command = ["benchmarks.cataloguing", str(folder), str(count), str(restored)]
            done = subprocess.run(
                [sys.executable, "-m", *command], check=False, capture_output=True, text=True
            )
        if done.returncode != 0:
            raise BenchmarkError(f"cataloguing failed: {done.stderr[-500:]}")
        figures = json.loads(done.stdout)
        return {name: figures[name] for name in _MEASURES}

    found = bench.compare({CASFS: turn}, _MEASURES)
    worst = {name: max(found[name].series[0].values) for name in _MEASURES}
    return Result(
        "catalogue",
        f"{count} archives by name, {restored} of them restored",
        list(found.values()),
        [
            Goal("thousands of archives taken in a second", found["built"].median(CASFS), 20),
            Goal("slowest folder in ms", worst["all"], 200, at_least=False),
            Goal("find in s", worst["find"], 30, at_least=False),
            Goal("peak memory in MiB", worst["memory"], 100, at_least=False),
        ],
    )
