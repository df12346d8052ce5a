"""Writes blocks to the disk cache behind the readers' backs.

A block that waits to be written is still found here. Who brings blocks queues them first, so that
readers need not wait, and then waits a moment for room before bringing more; once the disk does
not keep up, blocks are dropped and counted instead, so that it does not slow reading down.

Lock order: the saver's one lock is innermost; it is not held while writing.
"""

import logging
import threading
from collections.abc import Hashable, Iterable

from casfs.blocks.cache import OutputStore
from casfs.blocks.eviction import Evictor
from casfs.blocks.flights import Key
from casfs.metrics import Metrics

log = logging.getLogger(__name__)

_QUEUE_BLOCKS = 24
_PATIENCE = 2.0
"""Seconds to wait for room before the disk counts as slow."""


class Saver:
    """One thread that writes blocks, and the queue before it."""

    def __init__(self, evictor: Evictor, metrics: Metrics) -> None:
        self._evictor = evictor
        self._metrics = metrics
        lock = threading.Lock()
        self._work = threading.Condition(lock)
        # Of those who wait for room one is woken at a time: all would only wait again.
        self._room = threading.Condition(lock)
        self._queue: dict[Key, tuple[OutputStore, memoryview]] = {}
        self._kept = 0
        self._failing = False
        self._slow = False
        self._closed = False
        self._thread: threading.Thread | None = None

    def waiting(self, key: Key) -> memoryview | None:
        """Return a block that is not written yet."""
        waiting = self._queue.get(key)
        return waiting[1] if waiting else None

    def backlog(self) -> int:
        """Return how many blocks are not written yet."""
        return len(self._queue)

    def save(
        self, store: OutputStore, output: Hashable, blocks: Iterable[tuple[int, memoryview]]
    ) -> None:
        """Queue blocks of an output; drop them when the disk is slow or the saver is closed."""
        with self._work:
            for block, data in blocks:
                if self._closed or (self._slow and len(self._queue) >= _QUEUE_BLOCKS):
                    self._metrics.unsaved_blocks.inc()
                    continue
                self._queue[output, block] = (store, data)
            self._begin()

    def kept(self, size: int) -> None:
        """Note that somebody else wrote a block of `size` bytes to the disk cache."""
        with self._work:
            self._kept += size
            self._begin()

    def lasting(self) -> int:
        """Return the bytes of blocks written last that can be relied on to be kept."""
        try:
            return self._evictor.lasting()
        except OSError as error:
            log.warning("the cache cannot be looked at: %s", error)
            return 0

    def wait_for_room(self) -> None:
        """Wait a moment while the queue is too long; then the disk counts as slow."""
        with self._room:
            if self._room.wait_for(self._has_room, _PATIENCE):
                return
            self._slow = True
            self._room.notify_all()
        log.warning("the cache disk is slow; for now blocks are read without being kept")

    def close(self, seconds: float) -> None:
        """Write what waits, for at most that long, and end."""
        with self._work:
            self._closed = True
            self._work.notify()
            self._room.notify_all()
            thread = self._thread
        if thread is not None:
            thread.join(seconds)
            if thread.is_alive():
                log.warning("the cache disk is slow; %d blocks were not kept", len(self._queue))

    def _begin(self) -> None:
        if self._thread is None and not self._closed:
            self._thread = threading.Thread(target=self._run, name="save", daemon=True)
            self._thread.start()
        self._work.notify()

    def _has_room(self) -> bool:
        return len(self._queue) <= _QUEUE_BLOCKS or self._slow or self._closed

    def _run(self) -> None:
        while True:
            with self._work:
                self._work.wait_for(lambda: self._queue or self._kept or self._closed)
                if not self._queue and not self._kept:
                    return
                size, self._kept = self._kept, 0
                item = next(iter(self._queue.items()), None)
            if item is not None:
                size += self._write(*item)
            try:
                self._evictor.added(size)
            except OSError as error:
                log.warning("the cache cannot be looked through to make room: %s", error)

    def _write(self, key: Key, item: tuple[OutputStore, memoryview]) -> int:
        """Write a block that is queued; return the bytes that the cache has grown by."""
        store, data = item
        try:
            store.write(key[1], data)
            self._failing = False
            return len(data)
        except OSError as error:
            self._metrics.unsaved_blocks.inc()
            if not self._failing:
                log.warning("blocks are not kept: %s; make room in the cache folder", error)
            self._failing = True
            return 0
        finally:
            with self._room:
                # The block may have come, and been queued, once more in the meantime.
                if self._queue.get(key) is item:
                    del self._queue[key]
                if not self._queue:
                    self._slow = False
                if self._has_room():
                    self._room.notify()
