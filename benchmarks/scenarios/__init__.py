"""The scenarios by name, in the order in which they run."""

from collections.abc import Callable

from benchmarks.bench import Bench
from benchmarks.measure import Result
from benchmarks.scenarios import (
    archives,
    cloud,
    cold,
    inventories,
    listing,
    many_readers,
    many_small,
    memory,
    random_reads,
    warm,
)

SCENARIOS: dict[str, Callable[[Bench], Result]] = {
    "cold": cold.run,
    "warm": warm.run,
    "cloud": cloud.run,
    "random": random_reads.run,
    "many-small": many_small.run,
    "many-readers": many_readers.run,
    "listing": listing.run,
    "memory": memory.run,
    "archives": archives.run,
    "inventories": inventories.run,
}
