"""The tasks of a pool: waiting for their turn, and running."""

from collections.abc import Callable, Hashable
from dataclasses import dataclass


class Task:
    """A piece of work that waits its turn.

    Args:
        work: what to do; it must not raise.
        urgent: somebody waits for it now.
        owner: those with the same one are likely to stall together.
    """

    __slots__ = ("begun", "owner", "urgent", "work")

    def __init__(self, work: Callable[[], None], urgent: bool, owner: Hashable = None) -> None:
        self.work = work
        self.urgent = urgent
        self.owner = owner
        self.begun = False


@dataclass(slots=True)
class RunningTask:
    """A task under way.

    Whether it was `later` when it began, whether it is `stalled` now, and has been: it is `slow`.
    """

    task: Task
    later: bool
    stalled: bool = False
    slow: bool = False
