"""The memory tier of the cache, and the blocks in flight: no block is asked for twice.

Lock order: `MemoryCache._lock` is taken alone. Under it nothing is read, written, sent or waited
for; pools, write-behind and leaves have locks of their own, taken when it is free. (The blocks to
be written are looked up under it, which takes no lock.)

A block is looked up and registered as in flight in one locked step, and it is queued to be written
before it stops being in flight. So at every moment it is in memory, queued, on disk, in flight, or
missing.
"""

import threading
from collections.abc import Hashable, Iterable, Mapping
from concurrent.futures import Future

from cachetools import FIFOCache

from casfs.blocks.block import Key
from casfs.blocks.block_tuning import TUNING
from casfs.blocks.found_blocks import Found, InFlight
from casfs.blocks.gets.tasks import Task
from casfs.errors import CasfsError
from casfs.ranges import BLOCK_SIZE


class _Resident(FIFOCache[Key, memoryview]):
    """Blocks in memory. Those that were read to their end leave first, then those that came first.

    A block that leaves before it is read must be read from disk and hashed again. One that was
    read is in the kernel's page cache, so nobody is likely to ask for it here. But the kernel may
    ask for the parts of a block in any order, so the last few that were read stay.

    Args:
        size: bytes that it holds at most; at least one block.
    """

    def __init__(self, size: int) -> None:
        super().__init__(max(size, BLOCK_SIZE), _size_in_memory)
        self._read: dict[Key, None] = {}
        self._stay = int(self.maxsize) // BLOCK_SIZE // TUNING.stay

    def note_read(self, key: Key) -> None:
        """Note that a block was read to its end, if it is here."""
        if key in self:
            self._read[key] = None

    def popitem(self) -> tuple[Key, memoryview]:
        """Remove the block that is to leave first, and return it with its key."""
        if len(self._read) <= self._stay:
            return super().popitem()
        key = next(iter(self._read))
        return key, self.pop(key)

    def __delitem__(self, key: Key) -> None:
        """Remove a block."""
        super().__delitem__(key)
        self._read.pop(key, None)


class MemoryCache:
    """The blocks in memory and in flight, of all outputs.

    Args:
        memory_size: bytes of blocks in memory, those being received and those to be written
            included.
        unwritten: the blocks that wait to be written to disk, in memory as well; see `BlockWriter`.
    """

    def __init__(self, memory_size: int, unwritten: Mapping[Key, memoryview]) -> None:
        self._unwritten = unwritten
        self._lock = threading.Lock()
        self._resident = _Resident(memory_size)
        self._in_flight: dict[Key, InFlight] = {}
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

    def _end(self, key: Key) -> InFlight | None:
        self._receiving.discard(key)
        return self._in_flight.pop(key, None)

    def _make_room(self) -> None:
        # What is received, or only waits to be written, needs memory, too.
        while self._resident and self._resident.currsize > self._room():
            self._resident.popitem()

    def _room(self) -> int:
        # To copy the keys is one step of the interpreter: no other thread changes them meanwhile.
        only_saving = sum(key not in self._resident for key in list(self._unwritten))
        elsewhere = len(self._receiving) + only_saving
        return int(self._resident.maxsize) - elsewhere * BLOCK_SIZE

    def _present(self, key: Key) -> memoryview | None:
        data = self._resident.get(key)
        return data if data is not None else self._unwritten.get(key)

    def _begin(self, key: Key, owner: object) -> InFlight:
        if self._closed:
            raise _closed()
        entry = self._in_flight[key] = InFlight(Future(), owner, wanted=False)
        return entry


def _closed() -> CasfsError:
    return CasfsError("the file system is being unmounted")


def _size_in_memory(data: memoryview) -> int:
    return min(len(data) + TUNING.end_bytes, BLOCK_SIZE)
