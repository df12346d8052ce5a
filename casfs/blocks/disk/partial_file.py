"""A file while it is written: on disk, or in memory as far as it goes where the disk fails."""

import fcntl
import logging
import os
from contextlib import suppress
from io import FileIO
from pathlib import Path

from casfs.blocks.block_tuning import TUNING
from casfs.blocks.disk.staging import Temporary
from casfs.disks import is_disk_failure, trouble
from casfs.errors import CasfsError

log = logging.getLogger(__name__)


class PartialFile:
    """A file that is being written; to be placed or abandoned.

    Args:
        temporary: where it is written.
        what: names it in messages.

    Attributes:
        file: what was written, open; it holds a shared lock.
        in_memory: whether it is in memory alone.
    """

    def __init__(self, temporary: Temporary, what: str) -> None:
        self._temporary = temporary
        self._what = what
        self._path: Path | None = None
        self.in_memory = False
        try:
            self._path, self.file = temporary.create(_make)
            lock(self.file)
        except OSError as error:
            self.file = self._memory_for(error, 0)

    def write(self, data: memoryview) -> None:
        """Write bytes at the end.

        Raises:
            CasfsError: there is no room for them, not even in memory.
        """
        while data:
            try:
                size = self.file.tell() + len(data)
                if self.in_memory and size > TUNING.derived_largest:
                    raise self._no_room(None)
                data = data[self.file.write(data) or 0 :]
            except CasfsError:
                raise
            except OSError as error:
                self._move_to_memory(error)

    def place(self, path: Path) -> None:
        """Move it to its place, if it is on disk.

        Raises:
            CasfsError: it cannot be moved.
        """
        if self._path is None:
            return
        try:
            self._temporary.place(self._path, path)
        except CasfsError:
            raise
        except OSError as error:
            self._move_to_memory(error)
            return
        self._path = None

    def discard(self) -> None:
        """Remove it."""
        self.file.close()
        self._remove()

    def _move_to_memory(self, error: OSError) -> None:
        size = os.fstat(self.file.fileno()).st_size
        memory = self._memory_for(error, size)
        try:
            for at in range(0, size, TUNING.piece):
                memory.write(os.pread(self.file.fileno(), TUNING.piece, at))
        except OSError as failure:
            memory.close()
            raise self._no_room(failure) from failure
        self.file.close()
        self._remove()
        self.file = memory

    def _memory_for(self, error: OSError, size: int) -> FileIO:
        if isinstance(error, CasfsError):
            raise error
        if not is_disk_failure(error) or size > TUNING.derived_largest or self.in_memory:
            raise self._no_room(error) from error
        log.warning(
            "%s is kept in memory: %s", self._what, trouble(self._temporary.directory, error)
        )
        self.in_memory = True
        return FileIO(os.memfd_create("casfs"), "r+")

    def _remove(self) -> None:
        path, self._path = self._path, None
        if path is not None:
            with suppress(OSError):
                path.unlink()

    def _no_room(self, error: OSError | None) -> CasfsError:
        return CasfsError(
            f"{self._what} cannot be cached, and is too large for memory: "
            f"{trouble(self._temporary.directory, error)}; make room in the cache directory"
        )


def lock(file: FileIO) -> None:
    """Hold a shared lock on a file that is open, without which eviction may take it away."""
    # Where a file system knows no locks, what is open stays readable all the same.
    with suppress(OSError):
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)


def _make(path: Path) -> tuple[Path, FileIO]:
    return path, FileIO(path, "x+", opener=lambda at, flags: os.open(at, flags, 0o600))
