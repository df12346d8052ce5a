"""What a reader's look-up found of the blocks that it wants, and how it waits for the others."""

from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from dataclasses import dataclass

from casfs.blocks.gets.tasks import Task
from casfs.blocks.idle_transfer import IdleTransferError
from casfs.deadline import Deadline
from casfs.errors import DeadlineError
from casfs.threads import result_within


@dataclass(eq=False, slots=True)
class InFlight:
    """A block in flight: for whom, and the task it has.

    It is `wanted` when somebody waits for it, and `read` when somebody who does reads to its end.
    """

    result: Future[memoryview]
    owner: object
    wanted: bool
    task: Task | None = None
    read: bool = False


@dataclass(frozen=True, slots=True)
class Found:
    """What is known of the blocks that a reader wants.

    Attributes:
        here: blocks by number.
        in_flight: blocks in flight by number, to be waited for.
        missing: numbers of those among them that the caller has to bring.
        tasks: tasks that wait for their turn to bring others of them.
    """

    here: dict[int, memoryview]
    in_flight: dict[int, InFlight]
    missing: list[int]
    tasks: set[Task]

    def failed_elsewhere(self, owner: object) -> bool:
        """Return whether a block failed in a way in which it need not fail for this owner.

        Another one brought it, whose job may have expired; or time ran out that had begun to run,
        or nobody read, before the caller came.
        """
        joined = [entry for n, entry in self.in_flight.items() if n not in self.missing]
        return any(
            entry.owner is not owner
            or isinstance(entry.result.exception(), DeadlineError | IdleTransferError)
            for entry in joined
            if entry.result.done() and entry.result.exception() is not None
        )


def wait(
    found: Found, deadline: Deadline, what: object, moved: Callable[[InFlight], float]
) -> dict[int, memoryview]:
    """Return all blocks that were looked up, once they have come.

    Args:
        found: what is known of them.
        deadline: restarts as progress is made; see `moved`.
        what: what they are of, for messages.
        moved: reports when whoever fetches a block, or keeps it waiting for its turn, last made
            progress, by the monotonic clock.

    Raises:
        DeadlineError: one did not.
        CasfsError: one could not be brought.
        InterruptedError: the program that waits is being killed.
    """
    blocks = dict(found.here)
    for number, entry in found.in_flight.items():
        while True:
            try:
                blocks[number] = result_within(entry.result, deadline.remaining())
                break
            except FutureTimeoutError:
                deadline.extend(moved(entry))
            if deadline.passed() and not entry.result.done():
                raise DeadlineError(
                    f"received nothing of block {number} of the {what} for {deadline.seconds:g} s; "
                    "check the network, or allow more with `deadline`"
                )
    return blocks
