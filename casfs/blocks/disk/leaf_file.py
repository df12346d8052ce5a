"""The file of an output's leaves: one record a block, and one more for a note.

A record is one byte of trust and the leaf. Nothing is synced: after a crash a record may be torn,
and any may rot.
"""

import errno
import logging
import os
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Protocol

from casfs.blocks.block_tuning import TUNING
from casfs.errors import CasfsError
from casfs.ranges import runs
from casfs.reasons import reason

log = logging.getLogger(__name__)

Record = tuple[int, int, bytes]
"""Number of a block, trust and leaf."""

PAGE = 128
"""Leaves of a page, a power of two."""


class LeafDirectory(Protocol):
    """Opens the file in its directory."""

    def open(self, path: Path | str, flags: int) -> int:
        """Open it; raise CasfsError if it is not ours alone."""

    def make_below(self, path: Path, checked: bool = False) -> None:
        """Make its directory again, if somebody has removed that."""


class LeafFile:
    """Reads and writes the records of an output's blocks.

    Records are queued, in the order in which they came to be true, and written by whoever flushes
    first; so none that was overtaken is what the file has in the end. A file that cannot be written
    costs asking again after a restart, and nothing else.

    Lock order: its one lock, around what is queued, is innermost.

    Args:
        path: of the file; made with the first record, never by looking.
        blocks: number of blocks.
        digest_size: bytes of a leaf.
        private: the directory that it is in.

    Attributes:
        unread: the errno for which what is written could not be read, None if it was.
    """

    def __init__(self, path: Path, blocks: int, digest_size: int, private: LeafDirectory) -> None:
        self._path = path
        self._private = private
        self._blocks = blocks
        self._digest_size = digest_size
        self._size = 1 + digest_size
        self._unwritten = False
        self.unread: int | None = None
        self._there = False
        """It was read, or written, here."""
        self._lock = threading.Lock()
        self._queued: dict[int, bytes] = {}
        self._fresh = False
        """All that the file has is to be dropped first."""
        self._writing = False

    def load(self, take: Callable[[int, bytes, bytes], None]) -> int:
        """Read all that is written, and return the note, 0 if there is none.

        Args:
            take: is given number, trusts and leaves of each page in which something is written.

        Raises:
            ConfigError: it is a link, no file, or somebody else's.
        """
        try:
            file = self._private.open(self._path, os.O_RDONLY)
        except FileNotFoundError:
            return 0
        except CasfsError:
            raise
        except OSError as error:
            return self._note_unread(error)
        self._there = True
        try:
            for number, records in self._read(file):
                leaves = bytearray(records)
                del leaves[:: self._size]
                take(number, records[:: self._size], bytes(leaves))
            return int.from_bytes(os.pread(file, 1, self._blocks * self._size))
        except OSError as error:
            return self._note_unread(error)
        finally:
            os.close(file)

    def was_removed(self) -> bool:
        """Return whether it was there, and is no more: somebody has cleared the cache."""
        return self._there and not os.path.lexists(self._path)

    def queue(
        self, records: Iterable[Record], note: int | None = None, fresh: bool = False
    ) -> None:
        """Queue records to be written; what was queued before for the same blocks is not.

        Args:
            records: what to write.
            note: a number below 256 that is to be read with them.
            fresh: drop all that the file has.
        """
        with self._lock:
            if fresh:
                self._queued.clear()
                self._fresh = True
            self._queued.update((block, bytes((trust,)) + leaf) for block, trust, leaf in records)
            if note is not None:
                self._queued[self._blocks] = bytes((note,)) + bytes(self._digest_size)

    def flush(self) -> None:
        """Write what is queued, unless another thread is writing, which writes this as well."""
        while True:
            with self._lock:
                if self._writing or not self._queued:
                    return
                self._writing = True
                records, self._queued = self._queued, {}
                fresh, self._fresh = self._fresh, False
            try:
                self._write(records, fresh)
            finally:
                with self._lock:
                    self._writing = False

    def _note_unread(self, error: OSError) -> int:
        log.warning("cannot read hashes, fetching their blocks again: %s", reason(error))
        self.unread = error.errno
        return 0

    def _write(self, records: dict[int, bytes], fresh: bool) -> None:
        try:
            file = self._open()
            try:
                if fresh:
                    os.ftruncate(file, 0)
                for run in runs(sorted(records)):
                    piece = b"".join(records[block] for block in run)
                    if os.pwrite(file, piece, run.start * self._size) < len(piece):
                        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            finally:
                os.close(file)
            self._unwritten, self._there = False, True
        except OSError as error:
            if not self._unwritten:
                # The path may lead through /proc, where the directory is a descriptor.
                shown = os.path.realpath(self._path)
                log.warning("cannot write hashes to %s: %s", shown, reason(error))
            self._unwritten = True

    def _open(self) -> int:
        flags = os.O_WRONLY | os.O_CREAT
        for _ in range(TUNING.directory_tries):
            try:
                return self._private.open(self._path, flags)
            except FileNotFoundError:
                # Eviction in another process may remove an empty directory as soon as it is made.
                self._private.make_below(self._path.parent, checked=True)
        return self._private.open(self._path, flags)

    def _read(self, file: int) -> Iterator[tuple[int, bytes]]:
        """Yield whole records by the number of their page."""
        page, at, end = PAGE * self._size, 0, self._blocks * self._size
        while at < end:
            at = _next_data(file, at) // page * page
            piece = os.pread(file, min(TUNING.read_pages * page, max(end - at, 0)), at)
            for start in range(0, len(piece), page):
                records = piece[start : start + page]
                yield (at + start) // page, records[: len(records) // self._size * self._size]
            if len(piece) < TUNING.read_pages * page:
                return
            at += len(piece)


def _next_data(file: int, at: int) -> int:
    """Return where the next bytes stand that were written: one of the last blocks may be alone.

    Raises:
        OSError: the file cannot be read.
    """
    try:
        return os.lseek(file, at, os.SEEK_DATA)
    except OSError as error:
        if error.errno == errno.ENXIO:
            return os.fstat(file).st_size
        if error.errno == errno.EINVAL:
            # This file system does not say.
            return at
        raise
