"""The scenarios by name, in the order in which they run."""

from collections.abc import Callable

from benchmarks.bench import Bench
from benchmarks.measure import Result
from benchmarks.scenarios import cloud, cold

SCENARIOS: dict[str, Callable[[Bench], Result]] = {
    "cold": cold.run,
    "cloud": cloud.run,
}
