"""One open output: its size, its bytes at any place, and what is known of them."""

import threading
from collections.abc import Hashable

from casfs.blocks.block_cache import BlockCache
from casfs.blocks.get_queue import Queued
from casfs.blocks.open_output import OpenOutput
from casfs.metrics import Metrics
from casfs.ranges import BLOCK_SIZE


class Reader:
    """Reads one output; safe for several threads.

    Lock order: its one lock, around what is prefetched for it, is innermost.
    """

    def __init__(self, blocks: BlockCache, opened: OpenOutput, metrics: Metrics) -> None:
        opened.store.use.begin()
        self._blocks = blocks
        self._opened = opened
        self._metrics = metrics
        self._layout = opened.output.layout
        self.size = opened.output.layout.size
        self._lock = threading.Lock()
        self._ahead: list[Queued] = []
        self._closed = False
        opened.prefetcher.begin(self)

    @property
    def cacheable(self) -> bool:
        """Return whether whoever has bytes of it may keep them: a hash vouched for each of them."""
        return self._opened.vouched()

    @property
    def content_version(self) -> Hashable:
        """Return what is equal for all who read the same bytes, and no others.

        After a mismatch there is another version. What is read in one stays true in it.
        """
        return self._opened.key

    def pread(self, size: int, offset: int) -> bytes | memoryview:
        """Return `size` bytes from `offset`, fewer only at the end of the output.

        Within one block they are a view of it, without a copy, which is not to be written to.

        Raises:
            CasfsError: as `BlockCache.get`.
        """
        run = self._layout.touched(offset, size)
        if not run:
            return b""
        end = min(offset + size, self.size)
        got = self._blocks.get(self._opened, run, self, offset, end)
        if got.ahead:
            self._note(got.ahead)
        self._metrics.read_bytes.inc(end - offset)
        first = offset - run.start * BLOCK_SIZE
        if len(run) == 1:
            return got.blocks[run.start][first : first + end - offset]
        parts = [got.blocks[number] for number in run]
        parts[0] = parts[0][first:]
        parts[-1] = parts[-1][: end - (run.stop - 1) * BLOCK_SIZE]
        return b"".join(parts)

    def close(self) -> None:
        """Give up what is being prefetched for this reader."""
        with self._lock:
            closed, self._closed = self._closed, True
            ahead, self._ahead = self._ahead, []
        self._blocks.cancel(ahead)
        if not closed:
            self._opened.prefetcher.end(self)
            self._opened.store.use.end()

    def _note(self, ahead: list[Queued]) -> None:
        with self._lock:
            self._ahead = [item for item in self._ahead if not item.task.begun] + ahead
            closed = self._closed
        if closed:
            self._blocks.cancel(ahead)
