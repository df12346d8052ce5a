"""The memory tier of the cache, and the blocks in flight: no block is asked for twice.

Lock order: `MemoryCache._lock` is taken alone. Under it nothing is read, written, sent or waited
for; pools, write-behind and leaves have locks of their own, taken when it is free. (The queue of
blocks to be written is looked at under it, which takes no lock.)

A block is looked up and registered as in flight in one locked step, and it is queued to be written
before it stops being in flight. So at every moment it is in memory, queued, on disk, in flight, or
missing.
"""

import threading
from collections.abc import Callable, Collection, Hashable, Iterable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from dataclasses import dataclass

from casfs.blocks.gets.tasks import Task
from casfs.blocks.idle_transfer import IdleTransferError
from casfs.blocks.resident_blocks import Key, ResidentBlocks
from casfs.deadline import Deadline
from casfs.errors import CasfsError, DeadlineError
from casfs.ranges import BLOCK_SIZE
from casfs.threads import result_within


@dataclass(eq=False, slots=True)
class _InFlight:
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
    in_flight: dict[int, _InFlight]
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


class MemoryCache:
    """The blocks in memory and in flight, of all outputs.

    Args:
        memory_size: bytes of blocks in memory, those being received and those to be written
            included.
        pending: returns a block that waits to be written to disk; takes no lock.
        queued: returns which blocks wait to be written; takes no lock.
    """

    def __init__(
        self,
        memory_size: int,
        pending: Callable[[Key], memoryview | None],
        queued: Callable[[], Collection[Key]],
    ) -> None:
        self._pending = pending
        self._queued = queued
        self._lock = threading.Lock()
        self._resident = ResidentBlocks(memory_size)
        self._in_flight: dict[Key, _InFlight] = {}
        self._receiving: set[Key] = set()
        self._closed = False

    def look_up(self, output: Hashable, run: range, owner: object, ended: int = 0) -> Found:
        """Return what is known of a run that is wanted now; what is missing is now in flight.

        Args:
            output: key of the open output.
            run: blocks that are wanted.
            owner: for whom the service is asked, if it is.
            ended: the blocks of the run before this one are read to their end.

        Raises:
            CasfsError: closed.
        """
        found = Found({}, {}, [], set())
        with self._lock:
            for number in run:
                data = self._present((output, number))
                if data is not None:
                    found.here[number] = data
                    if number < ended:
                        self._resident.note_read((output, number))
                    continue
                entry = self._in_flight.get((output, number))
                if entry is None:
                    entry = self._begin((output, number), owner)
                    found.missing.append(number)
                elif entry.task is not None and not entry.task.urgent:
                    found.tasks.add(entry.task)
                entry.wanted = True
                entry.read = entry.read or number < ended
                found.in_flight[number] = entry
        return found

    def begin_prefetch(self, output: Hashable, run: range, owner: object) -> list[int]:
        """Return which blocks of a run nobody has or fetches; they are now in flight, as above."""
        with self._lock:
            missing = [
                number
                for number in run
                if self._present((output, number)) is None
                and (output, number) not in self._in_flight
            ]
            for number in missing:
                self._begin((output, number), owner)
        return missing

    def assign(self, output: Hashable, run: range, task: Task) -> None:
        """Note which task brings a run; it becomes urgent if somebody waits for it already."""
        with self._lock:
            for number in run:
                entry = self._in_flight.get((output, number))
                if entry is not None:
                    entry.task = task
                    task.urgent = task.urgent or entry.wanted

    def under_way(self, output: Hashable, run: range) -> list[int]:
        """Return which blocks of a run are in flight."""
        with self._lock:
            return [number for number in run if (output, number) in self._in_flight]

    def is_wanted(self, output: Hashable, run: range) -> bool:
        """Return whether somebody waits for a block of a run."""
        with self._lock:
            entries = [self._in_flight.get((output, number)) for number in run]
        return any(entry is not None and entry.wanted for entry in entries)

    def receive(self, output: Hashable, run: range) -> None:
        """Make room in memory for the blocks of a run, which come from now on.

        Those that wait for their turn need none yet.
        """
        with self._lock:
            self._receiving.update(
                (output, number) for number in run if (output, number) in self._in_flight
            )
            self._make_room()

    def complete(self, output: Hashable, blocks: Iterable[tuple[int, memoryview]]) -> None:
        """Hand blocks to memory and to everybody who waits for them."""
        ended = []
        with self._lock:
            for number, data in blocks:
                key = (output, number)
                self._resident[key] = data
                entry = self._end(key)
                if entry is not None and entry.read:
                    self._resident.note_read(key)
                ended.append((entry, data))
            self._make_room()
        for entry, data in ended:
            if entry is not None:
                entry.result.set_result(data)

    def forget(self, output: Hashable, numbers: Iterable[int]) -> None:
        """Drop blocks that are in memory."""
        with self._lock:
            for number in numbers:
                self._resident.pop((output, number), None)

    def fail(self, output: Hashable, numbers: Iterable[int], error: BaseException) -> None:
        """Hand an error to everybody who waits for these blocks."""
        with self._lock:
            failed = [self._end((output, number)) for number in numbers]
        for entry in failed:
            if entry is not None:
                entry.result.set_exception(error)

    def cancel(self, output: Hashable, run: range) -> list[int]:
        """Let the blocks of a run be missing again, but for those that somebody waits for by now.

        Returns:
            the numbers of the latter, which stay in flight.
        """
        wanted = []
        with self._lock:
            for number in run:
                entry = self._in_flight.get((output, number))
                if entry is not None and entry.wanted:
                    wanted.append(number)
                elif entry is not None:
                    self._end((output, number))
        return wanted

    def close(self) -> None:
        """Hand an error to everybody who waits, now or later."""
        with self._lock:
            self._closed = True
            entries = list(self._in_flight.values())
            self._in_flight.clear()
            self._receiving.clear()
        for entry in entries:
            entry.result.set_exception(_closed())

    def _end(self, key: Key) -> _InFlight | None:
        self._receiving.discard(key)
        return self._in_flight.pop(key, None)

    def _make_room(self) -> None:
        # What is received, or only waits to be written, needs memory, too.
        while self._resident and self._resident.currsize > self._room():
            self._resident.popitem()

    def _room(self) -> int:
        only_saving = sum(key not in self._resident for key in self._queued())
        elsewhere = len(self._receiving) + only_saving
        return int(self._resident.maxsize) - elsewhere * BLOCK_SIZE

    def _present(self, key: Key) -> memoryview | None:
        data = self._resident.get(key)
        return data if data is not None else self._pending(key)

    def _begin(self, key: Key, owner: object) -> _InFlight:
        if self._closed:
            raise _closed()
        entry = self._in_flight[key] = _InFlight(Future(), owner, wanted=False)
        return entry


def wait(
    found: Found, deadline: Deadline, what: object, moved: Callable[[object], float]
) -> dict[int, memoryview]:
    """Return all blocks that were looked up, once they have come.

    Args:
        found: what is known of them.
        deadline: restarts while somebody who fetches one of them makes progress.
        what: what they are of, for messages.
        moved: reports when an owner last made progress, by the monotonic clock.

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
                deadline.extend(moved(entry.owner))
            if deadline.passed() and not entry.result.done():
                raise DeadlineError(
                    f"received nothing of block {number} of the {what} for {deadline.seconds:g} s; "
                    "check the network, or allow more with `deadline`"
                )
    return blocks


def _closed() -> CasfsError:
    return CasfsError("the file system is being unmounted")
