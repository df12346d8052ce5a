"""Blocks that wait in memory for the hash of the whole, where the disk does not take them."""

import errno
import os
import threading

from casfs.blocks.block_tuning import TUNING


class Held:
    """A block that waits."""

    def __init__(self, data: memoryview, holding: "Holding") -> None:
        self.data = data
        self._holding: Holding | None = holding

    def unlink(self, missing_ok: bool = False) -> None:
        """Release it, as of a file."""
        del missing_ok
        holding, self._holding = self._holding, None
        if holding is not None:
            holding.let_go(len(self.data))
            self.data = memoryview(b"")


class Holding:
    """The blocks of a cache that wait in memory.

    Lock order: its one lock, around a count, is innermost.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._bytes = 0

    def hold(self, data: memoryview) -> Held:
        """Keep a block.

        Raises:
            OSError: there are too many already.
        """
        with self._lock:
            if self._bytes + len(data) > TUNING.held_total:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            self._bytes += len(data)
        return Held(data, self)

    def let_go(self, size: int) -> None:
        """Note that as many bytes wait no more."""
        with self._lock:
            self._bytes -= size
