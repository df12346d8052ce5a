"""What to fetch next: policy, fed with what was read; no I/O.

Streams are of an output, not of a reader: what the kernel has read for one reader it does not ask
for again for another, so of several that read the same in order each sees but a part. There are two
for each reader, so that two places of one file can be read in turns, and a hundred or so in all. A
read that goes on where a stream stands (requests of the kernel arrive out of order, so "near" is
enough) makes the stream longer: L bytes that are read are worth fetching 16 L ahead, and a block
that was prefetched is worth another when it is read. What is not fetched for them, because of
the limit, is saved up, to that limit, too. So who reads a part of every block has all of them
ahead, and random reads that happen to hit a stream fetch no more than they hit. A read that goes on
nowhere starts a stream of its own and fetches nothing ahead.
"""

import threading
from typing import Protocol

from casfs.blocks.block_tuning import TUNING
from casfs.blocks.streams import Streams
from casfs.ranges import BLOCK_SIZE, Layout


class _Stream:
    """A place at which a file is being read: parts of bytes [start, end), in so many `reads`.

    What comes next is prefetched up to block `ahead`; `budget` is how many bytes more are worth it.
    The read that went farthest began in block `front`. Its `readers` are those who have read of it
    and have not ended.
    """

    __slots__ = ("ahead", "budget", "end", "front", "readers", "reads", "start")

    def __init__(self, start: int, end: int) -> None:
        self.readers: set[object] = set()
        self.start = start
        self.end = end
        self.front = start // BLOCK_SIZE
        self.ahead = -(-end // BLOCK_SIZE)
        self.reads = 1
        self.budget = TUNING.growth * (end - start)

    def is_near(self, offset: int, size: int = 0) -> bool:
        """Return whether a read may be of what was read or prefetched for this stream."""
        slack = max(TUNING.slack, self.ahead * BLOCK_SIZE - self.end)
        least = max(self.start - TUNING.slack, self.end - slack) - size
        return least <= offset <= self.end + slack

    def go_on(self, offset: int, end: int) -> None:
        """Note a read of bytes [offset, end)."""
        first = max(offset // BLOCK_SIZE, -(-self.end // BLOCK_SIZE))
        rightly_ahead = max(0, min(-(-end // BLOCK_SIZE), self.ahead) - first)
        self.budget += TUNING.growth * (end - offset) + rightly_ahead * BLOCK_SIZE
        if end > self.end:
            self.end = end
            self.front = offset // BLOCK_SIZE
        self.reads += 1

    def ask_anew(self) -> None:
        """Forget what is prefetched: it is not there any more, and is not paid for twice."""
        here = -(-self.end // BLOCK_SIZE)
        self.budget += max(0, self.ahead - here) * BLOCK_SIZE
        self.ahead = here


class PrefetchLimits(Protocol):
    """How much may be prefetched; asked only where something is worth it."""

    def window(self) -> int:
        """Return how many blocks a stream may be ahead."""

    def largest_get(self) -> int:
        """Return how many blocks the largest GET has."""


class Prefetcher:
    """The windows of all readers of one output.

    Lock order: its one lock guards the windows; under it those of `Streams` and `Line` are taken.

    Args:
        layout: of the output.
        streams: of all outputs, which share the memory.
    """

    def __init__(self, layout: Layout, streams: Streams) -> None:
        self._layout = layout
        self._all = streams
        self._lock = threading.Lock()
        self._readers: set[object] = set()
        self._streams: list[_Stream] = []

    def begin(self, reader: object) -> None:
        """Note one reader more."""
        with self._lock:
            self._readers.add(reader)

    def any_reader(self) -> bool:
        """Return whether there is a reader."""
        return bool(self._readers)

    def end(self, reader: object) -> None:
        """Note one reader less, and give the memory of what only it has read to others."""
        with self._lock:
            self._readers.discard(reader)
            self._drop_oldest()
            for stream in self._streams:
                stream.readers.discard(reader)
                if not stream.readers:
                    self._all.end(stream)

    def after(self, reader: object, offset: int, size: int, limits: PrefetchLimits) -> range:
        """Return the run to prefetch, now that `size` bytes at `offset` are being read.

        Args:
            reader: who reads.
            offset: first byte that is read.
            size: bytes that are read.
            limits: how much that may be. A window grows by whole GETs of the largest size, or by as
                large a part of them as it has room for twice.
        """
        end = min(offset + size, self._layout.size)
        with self._lock:
            stream = self._find(offset, end)
            stream.readers.add(reader)
            if stream.reads < 2 or end < stream.end:
                return range(0)
            here = -(-stream.end // BLOCK_SIZE)
            start = max(stream.ahead, here)
            if stream.budget < BLOCK_SIZE or start >= self._layout.blocks:
                return range(0)
            limit, step = limits.window(), limits.largest_get()
            while step > 1 and 2 * step > limit:
                step //= 2
            stream.budget = min(stream.budget, limit * BLOCK_SIZE)
            worth = start + stream.budget // BLOCK_SIZE
            stop = min(here + limit, worth, self._layout.blocks)
            if stop - here >= 2 * step and stop < self._layout.blocks:
                stop -= stop % step
            if stop <= start:
                return range(0)
            stream.ahead = stop
            stream.budget -= (stop - start) * BLOCK_SIZE
            self._all.feed(stream)
            return range(start, stop)

    def missed(self, block: int) -> None:
        """Note that a block was not there when it was read: request what follows it again.

        Behind the front of its stream it says nothing of what was prefetched.
        """
        with self._lock:
            for stream in self._streams:
                if stream.front <= block < -(-stream.end // BLOCK_SIZE):
                    stream.ask_anew()

    def _find(self, offset: int, end: int) -> _Stream:
        for stream in self._streams:
            if stream.is_near(offset, end - offset):
                stream.go_on(offset, end)
                self._streams.remove(stream)
                # What was read for others there is read for this one from now on.
                self._drop([other for other in self._streams if stream.is_near(other.end)])
                break
        else:
            stream = _Stream(offset, end)
        self._streams.insert(0, stream)
        self._drop_oldest()
        return stream

    def _drop_oldest(self) -> None:
        self._drop(
            self._streams[min(TUNING.streams_each * len(self._readers), TUNING.streams_most) :]
        )

    def _drop(self, streams: list[_Stream]) -> None:
        for stream in streams:
            self._streams.remove(stream)
            self._all.end(stream)
