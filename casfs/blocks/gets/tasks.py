"""The tasks of a pool: waiting for their turn, and running."""

from collections.abc import Callable, Hashable
from dataclasses import dataclass


@dataclass(slots=True, eq=False)
class Task:
    """A piece of work that waits its turn.

    Attributes:
        work: what to do; it must not raise.
        urgent: somebody waits for it now.
        owner: those with the same one are likely to stall together.
        begun: it waits no more.
    """

    work: Callable[[], None]
    urgent: bool
    owner: Hashable = None
    begun: bool = False


@dataclass(slots=True)
class RunningTask:
    """A task under way.

    Whether it was `later` when it began, whether it is `stalled` now, and has been: it is `slow`.
    """

    task: Task
    later: bool
    stalled: bool = False
    slow: bool = False
