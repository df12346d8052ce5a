"""Writes blocks to the disk cache behind the readers' backs.

A block that waits to be written is still found here. Who brings blocks queues them first, so that
readers need not wait, and then waits a moment for room before bringing more; once the disk does
not keep up, blocks are dropped and counted instead, so that it does not slow reading down.

Lock order: under the one lock only the evictor's count is looked at, which has a lock of its own;
it is not held while writing.
"""

import logging
import threading
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

from casfs.blocks.block import Key
from casfs.blocks.block_tuning import TUNING
from casfs.blocks.disk.cache_room import Room, spare_bytes
from casfs.blocks.disk.eviction import Evictor
from casfs.deadline import Deadline
from casfs.disks import trouble
from casfs.errors import ThreadError
from casfs.metrics import Metrics
from casfs.reasons import reason
from casfs.threads import start_thread

log = logging.getLogger(__name__)


class BlockSink(Protocol):
    """Where the blocks of an output are written."""

    def write(self, block: int, data: memoryview) -> None:
        """Write a block.

        Raises:
            OSError: it cannot be written.
        """


class BlockWriter(Protocol):
    """Writes blocks that came; see `WriteBehind`, whose methods these are.

    Attributes:
        unwritten: the blocks that are not on disk yet. Other threads change it at any time: one
            block may be looked up in it, and `list` copies its keys, without a lock.
    """

    @property
    def unwritten(self) -> Mapping[Key, memoryview]:
        """Return the blocks that are not on disk yet."""

    def save(
        self, sink: BlockSink, output: Hashable, blocks: Iterable[tuple[int, memoryview]]
    ) -> None:
        """Write blocks of an output, now or later."""

    def added(self, size: int) -> None:
        """Note that somebody else wrote a block of `size` bytes."""

    def lasting(self) -> int:
        """Return the bytes of blocks written last that can be relied on to stay."""

    def wait_for_room(self) -> None:
        """Wait while too much is queued."""

    def close(self, seconds: float) -> None:
        """Write what waits, for at most that long, and end."""


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A block that is to be written."""

    key: Key
    sink: BlockSink
    data: memoryview


class WriteBehind:
    """A few threads that write blocks, and the queue before them.

    Attributes:
        evictor: keeps the cache at its size.
        unwritten: the blocks that are not on disk yet; see `BlockWriter`.
        lost: how many blocks were dropped, or could not be written.
    """

    def __init__(self, evictor: Evictor, metrics: Metrics) -> None:
        self.evictor = evictor
        self._metrics = metrics
        lock = threading.Lock()
        self._work = threading.Condition(lock)
        # Of those who wait for room one is woken at a time: all would only wait again.
        self._room = threading.Condition(lock)
        self._ended = threading.Condition(lock)
        self.lost = 0
        self._patience = TUNING.write_patience
        self._queue: dict[Key, _Waiting] = {}
        self.unwritten: dict[Key, memoryview] = {}
        self._evicting = False
        self._failing = False
        self._slow = False
        self._short = False
        """Threads are missing that could not be started."""
        self._closed = False
        self._threads: list[threading.Thread] = []

    def save(
        self, sink: BlockSink, output: Hashable, blocks: Iterable[tuple[int, memoryview]]
    ) -> None:
        """Queue blocks of an output; drop them when the disk is slow, or after `close`."""
        queued = 0
        with self._work:
            for block, data in blocks:
                if self._closed or (self._slow and len(self._queue) >= TUNING.queue_blocks):
                    self._metrics.unsaved_blocks.inc()
                    self.lost += 1
                    continue
                self._queue[output, block] = _Waiting((output, block), sink, data)
                self.unwritten[output, block] = data
                queued += 1
            refused = self._begin()
            # To wake more of them costs the readers time.
            self._work.notify(queued)
        if refused is not None:
            log.warning("cannot start a cache writer; blocks may not be cached: %s", refused)

    def added(self, size: int) -> None:
        """Note that somebody else wrote a block of `size` bytes to the disk cache."""
        self.evictor.added(size)
        with self._work:
            refused = self._begin()
            self._work.notify()
        if refused is not None:
            log.warning("eviction is suspended: %s", refused)

    def lasting(self) -> int:
        """Return the bytes of blocks written last that can be relied on to stay."""
        try:
            return self.evictor.lasting()
        except OSError as error:
            log.warning("cannot examine the cache: %s", reason(error))
            return 0

    def room(self) -> Room:
        """Return what the cache can take, as `Evictor.room`."""
        return self.evictor.room()

    def spare(self) -> int:
        """Return the bytes that the cache may take of its disk, as `spare_bytes`."""
        return spare_bytes(self.evictor.directory)

    def wait_for_room(self) -> None:
        """Wait a moment while the queue is too long; then the disk counts as slow."""
        with self._room:
            if self._room.wait_for(self._has_room, self._patience):
                return
            self._slow = True
            self._room.notify_all()
        log.warning("the cache disk is slow; for now blocks are read without being cached")

    def wait_until_written(self, output: Hashable, seconds: float) -> bool:
        """Wait until no block of an output waits to be written.

        Returns:
            False if one still does, and nothing was written for so many seconds.
        """
        with self._ended:
            while any(key[0] == output for key in self.unwritten):
                if not self._ended.wait(seconds):
                    return False
        return True

    def keep_all(self, patience: float) -> None:
        """From now on, wait for a slow disk rather than drop a block, which would be paid twice."""
        self._patience = patience

    def close(self, seconds: float) -> None:
        """Write what waits, for at most that long, and end."""
        with self._work:
            self._closed = True
            self._work.notify_all()
            self._room.notify_all()
            threads = list(self._threads)
        deadline = Deadline(seconds)
        for thread in threads:
            thread.join(deadline.remaining())
        if left := len(self.unwritten):
            log.warning("the cache disk is slow; %d blocks were not cached", left)

    def _begin(self) -> ThreadError | None:
        """Let what waits be written; return why it is not, once."""
        refused = None
        while len(self._threads) < TUNING.writers and not self._closed:
            try:
                self._threads.append(start_thread(f"save-{len(self._threads)}", self._run))
            except ThreadError as error:
                refused = error
                break
        warned, self._short = self._short, refused is not None
        return None if warned else refused

    def _has_room(self) -> bool:
        return len(self._queue) <= TUNING.queue_blocks or self._slow or self._closed

    def _has_work(self) -> bool:
        # While room is made nothing is written: the cache must not outgrow its size meanwhile.
        return not self._evicting and bool(self._queue or self._closed or self.evictor.due)

    def _run(self) -> None:
        while True:
            block = None
            with self._work:
                self._work.wait_for(self._has_work)
                if self.evictor.due:
                    self._evicting = True
                elif self._queue:
                    block = self._queue.pop(next(iter(self._queue)))
                else:
                    return
            if block is None:
                self._make_room()
            else:
                self._write(block)

    def _make_room(self) -> None:
        try:
            self.evictor.make_room()
        except OSError as error:
            log.warning("cannot scan the cache to evict blocks: %s", reason(error))
        except Exception:
            log.critical("eviction hit a bug; please report it", exc_info=True)
        finally:
            with self._work:
                self._evicting = False
                self._work.notify_all()

    def _write(self, block: _Waiting) -> None:
        error: Exception | None = None
        try:
            block.sink.write(block.key[1], block.data)
            self.evictor.added(len(block.data))
        except Exception as met:
            # The thread goes on: without it, nothing more would be cached.
            error = met
            if not isinstance(met, OSError):
                log.critical("writing a block hit a bug; please report it", exc_info=True)
            self._metrics.unsaved_blocks.inc()
            self.evictor.failed()
        with self._room:
            tell = error is not None and not self._failing
            self._failing = error is not None
            self.lost += self._failing
            # The block may have come, and been queued, once more in the meantime.
            if self.unwritten.get(block.key) is block.data:
                del self.unwritten[block.key]
            self._ended.notify_all()
            if not self._queue:
                self._slow = False
            if self._has_room():
                self._room.notify()
        if tell:
            reason = trouble(self.evictor.directory, error) if isinstance(error, OSError) else error
            log.warning("blocks are not cached: %s; make room in the cache directory", reason)
