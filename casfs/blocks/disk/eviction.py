"""Keeps the disk cache at its size: what was not read for longest goes first."""

import contextlib
import fcntl
import heapq
import logging
import os
import re
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from casfs.blocks.block_tuning import TUNING
from casfs.blocks.disk import derived_files
from casfs.blocks.disk.cache_room import Room, spare_bytes
from casfs.blocks.disk.in_use import lock
from casfs.metrics import Metrics
from casfs.private import PrivateDirectory
from casfs.reasons import reason

log = logging.getLogger(__name__)

_UNKNOWN = 1 << 62
_RECENT = 600 * 10**9
"""Nanoseconds for which a block that was used is likely to be read again."""


NUMBER = re.compile("[0-9]+", re.ASCII)
KEY_START, KEY_REST = re.compile("[0-9a-f]{2}"), re.compile("[0-9a-f]{62}")
"""Names of what blocks are in; nothing else is ever looked into or removed."""


class Evictor:
    """Counts what one process writes to a cache, and makes room when it is too much.

    The directory is looked through only when the count says so; that look sees what other processes
    wrote, too. So that the cache never fills its disk, it does not grow while too little is free
    there. It does not give way to others either: what it holds may be all that is left of an
    output, and room for them is not its to make. Any thread may count; one at a time makes room.

    Lock order: its one lock, around the count, is innermost.

    Args:
        directory: directory of all outputs.
        limit: bytes that blocks and derived files may take.
        metrics: counts what was evicted.
        private: the cache directory that the directory is in; the directory itself if none is
            given.
    """

    def __init__(
        self,
        directory: Path,
        limit: int,
        metrics: Metrics,
        private: PrivateDirectory | None = None,
    ) -> None:
        self.directory = directory
        self._private = private or PrivateDirectory(directory)
        self._limit = limit
        self._metrics = metrics
        self._counting = threading.Lock()
        self._written = 0
        """Bytes since room was last made."""
        self._allowed = 0
        """Bytes that may be written before room is to be made; below 0 it is to be made now."""
        self._total: int | None = None
        self._warned = self._warned_recent = False

    def added(self, size: int) -> None:
        """Note that `size` bytes were written."""
        with self._counting:
            self._written += size

    def failed(self) -> None:
        """Note that something could not be written: the disk may be fuller than it was."""
        with self._counting:
            self._allowed = -1

    @property
    def due(self) -> bool:
        """Return whether it is time to `make_room`."""
        with self._counting:
            return self._written > self._allowed

    def used(self) -> int | None:
        """Return the bytes that the cache takes, None before it was looked through.

        What other processes have written since the last look is not counted.
        """
        with self._counting:
            return None if self._total is None else self._total + self._written

    def measure(self) -> int:
        """Return the bytes that the cache takes, by a look at each of its files.

        Raises:
            OSError: it cannot be looked at.
        """
        return sum(size for _, size, _ in self._ages())

    def make_room(self) -> None:
        """Look at the cache and its disk, and evict what is too much.

        Raises:
            OSError: they cannot be looked at.
        """
        with self._counting:
            written, self._written = self._written, 0
            more, self._allowed = max(0, written - self._allowed), 0
        if self._total is None:
            self._total = sum(size for _, size, _ in self._ages())
        else:
            self._total += written
        if self._total > self._limit:
            self._evict(lambda total: total - int(self._limit * TUNING.kept_part))
        spare = spare_bytes(self.directory)
        if spare < 0:
            step = max(more, min(TUNING.step, self._total // TUNING.step_part))
            allowed = self._evict(lambda _: step) - more
        else:
            allowed = min(TUNING.step, spare // TUNING.look_part)
        with self._counting:
            self._allowed = max(0, min(allowed, self._limit - self._total))

    def room(self) -> Room:
        """Look through the cache and at its disk, and return what it can take.

        Raises:
            OSError: they cannot be looked at.
        """
        total = sum(size for _, size, _ in self._ages())
        return Room(self._limit, self._limit - total, spare_bytes(self.directory))

    def lasting(self) -> int:
        """Return the bytes of blocks used last that are there even after eviction.

        Raises:
            OSError: the directory cannot be looked at.
        """
        spare = max(spare_bytes(self.directory), 0)
        with self._counting:
            total = (self._total or 0) + self._written
        return int(min(self._limit, total + spare) * TUNING.kept_part)

    def _evict(self, excess_of: Callable[[int], int]) -> int:
        """Evict what is too much of the bytes that are there; return the bytes removed.

        Args:
            excess_of: returns how many are too many of a total.
        """
        wanted, removed = excess_of(self._total or 0), 0
        while True:
            total, oldest = self._oldest(wanted)
            # Others write, and remove, too.
            wanted = excess_of(total + removed) - removed
            step = self._remove(oldest, wanted)
            removed += step
            wanted -= step
            self._total = total - step
            if wanted <= 0 or not step:
                break
        _remove_unused(self.directory, self._private)
        return removed

    def _oldest(self, wanted: int) -> tuple[int, list[tuple[int, int, str]]]:
        """Return the bytes that are there, and the oldest blocks that hold `wanted` of them.

        In one look, which keeps only these: a cache of terabytes has millions of blocks.
        """
        total = held = 0
        newest_first: list[tuple[int, int, str]] = []
        for age, size, path in self._ages():
            total += size
            if held < wanted or (newest_first and -age > newest_first[0][0]):
                heapq.heappush(newest_first, (-age, size, path))
                held += size
                while held - newest_first[0][1] >= wanted and len(newest_first) > 1:
                    held -= heapq.heappop(newest_first)[1]
        oldest = sorted((-minus_age, size, path) for minus_age, size, path in newest_first)
        return total, oldest

    def _remove(self, oldest: list[tuple[int, int, str]], excess: int) -> int:
        """Remove the first of these blocks that hold `excess` bytes; return the bytes removed."""
        removed = 0
        for used, size, path in oldest:
            if removed >= excess:
                break
            try:
                if os.path.basename(path) != derived_files.NAME:
                    os.unlink(path)
                elif not derived_files.remove_unused(path, self._private):
                    continue
            except FileNotFoundError:
                continue
            except OSError as error:
                log.warning("cannot evict block %s: %s", path, reason(error))
                continue
            self._metrics.evicted_blocks.inc()
            removed += size
            self._warn_once(used)
        return removed

    def _warn_once(self, used: int) -> None:
        """Say what eviction means, once: of what was used long ago, and of what is still read.

        Args:
            used: when the block that was evicted was last used, in nanoseconds.
        """
        if 0 <= time.time_ns() - used < _RECENT:
            if not self._warned_recent:
                self._warned_recent = True
                log.warning(
                    "the cache is too small for what is read: blocks that were used a few minutes "
                    "ago are evicted, and fetched again if they are still at the service; raise "
                    "cache_size, or make room on the disk of %s",
                    self.directory.parent,
                )
        elif not self._warned:
            self._warned = True
            log.warning(
                "the least recently used blocks are evicted from %s: what the service no longer "
                "has must be requested again; copy what is needed, or raise cache_size",
                self.directory.parent,
            )

    def _ages(self) -> Iterator[tuple[int, int, str]]:
        latest = time.time_ns() + int(TUNING.used_ahead * 1e9)
        for entry in block_files(self.directory, self._private):
            try:
                status = entry.stat(follow_symlinks=False)
            except FileNotFoundError:
                continue
            # What two outputs share is on the disk once.
            used = status.st_mtime_ns
            if used > latest:
                used -= _UNKNOWN
            yield used, status.st_size // max(status.st_nlink, 1), entry.path


def block_files(directory: Path, private: PrivateDirectory) -> Iterator[os.DirEntry[str]]:
    """Yield the files of all blocks, <2 hex>/<62 hex>/<number>/<number>, and all derived files."""
    for output in outputs(directory, private):
        for entry in private.entries(output):
            if NUMBER.fullmatch(entry.name):
                for block in private.entries(entry.path):
                    if NUMBER.fullmatch(block.name):
                        yield block
            elif entry.name == derived_files.NAME:
                yield entry


def outputs(directory: Path, private: PrivateDirectory) -> Iterator[Path]:
    """Yield the directories of all outputs; what has another name is not ours."""
    for start in private.entries(directory):
        if KEY_START.fullmatch(start.name):
            for output in private.entries(start.path):
                if KEY_REST.fullmatch(output.name):
                    yield Path(output.path)


def _remove_unused(directory: Path, private: PrivateDirectory) -> None:
    """Remove directories and old leaves of outputs without blocks that nobody reads.

    Who begins to read one at this moment makes its directories again, and knows the leaves.
    """
    for output in outputs(directory, private):
        for entry in private.entries(output):
            # A directory that is not empty stays.
            with contextlib.suppress(OSError):
                if NUMBER.fullmatch(entry.name):
                    os.rmdir(entry.path)
        if {entry.name for entry in private.entries(output)} <= {"leaves"}:
            with contextlib.suppress(OSError):
                _remove_if_unused(output, private)


def _remove_if_unused(output: Path, private: PrivateDirectory) -> None:
    locked = lock(output, fcntl.LOCK_EX)
    if locked is None:
        return
    try:
        _remove_old_leaves(output, private)
        os.rmdir(output)
        os.rmdir(output.parent)
    finally:
        os.close(locked.descriptor)


def _remove_old_leaves(output: Path, private: PrivateDirectory) -> None:
    left = private.entries(output)
    if [entry.name for entry in left] != ["leaves"]:
        return
    with contextlib.suppress(OSError):
        if abs(time.time() - left[0].stat(follow_symlinks=False).st_mtime) > TUNING.unused_seconds:
            os.unlink(left[0])
