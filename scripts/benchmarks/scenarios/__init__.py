"""The scenarios by name, in the order in which they run."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial

from benchmarks.bench import Bench
from benchmarks.measure import Result
from benchmarks.origin import Scheme
from benchmarks.scenarios import (
    archives,
    cloud,
    cold,
    inventories,
    listing,
    many_readers,
    many_small,
    memory,
    memory_small,
    random_reads,
    restore,
    restore_cloud,
    restore_memory,
    restore_plans,
    restore_small,
    slow_lines,
    start,
    two_mounts,
    warm,
)

Scenario = Callable[[Bench], Result]
_OVER_HTTP: dict[str, Scenario] = {
    "cold": cold.run,
    "warm": warm.run,
    "cloud": cloud.run,
    "random": random_reads.run,
    "many-small": many_small.run,
    "many-readers": many_readers.run,
    "two-mounts": two_mounts.run,
    "slow-lines": slow_lines.run,
    "listing": listing.run,
    "memory": memory.run,
    "memory-small": memory_small.run,
    "start": start.run,
    "archives": archives.run,
    "inventories": inventories.run,
    "restore": restore.run,
    "restore-cloud": restore_cloud.run,
    "restore-small": restore_small.run,
    "restore-memory": restore_memory.run,
    "restore-plans": restore_plans.run,
}
_ALSO_OVER_TLS = (
    *("cold", "warm", "cloud", "random", "many-small"),
    *("restore", "restore-cloud", "restore-small"),
)


def _over_tls(run: Scenario, bench: Bench) -> Result:
    result = run(bench.over(Scheme.TLS))
    return replace(result, name=f"{result.name}-tls", title=f"{result.title}, over TLS 1.3")


def _scenarios() -> Iterator[tuple[str, Scenario]]:
    for name, run in _OVER_HTTP.items():
        yield name, run
        if name in _ALSO_OVER_TLS:
            yield f"{name}-tls", partial(_over_tls, run)


SCENARIOS: dict[str, Scenario] = dict(_scenarios())
