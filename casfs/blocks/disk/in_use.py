"""Who uses the directory of an output: readers share a lock on it, who removes it holds it alone.

The lock is the kernel's, on the directory itself. So it ends with its process, and stays with that
directory even if another one has its name by now: whoever has a lock looks which one it is.
"""

import contextlib
import fcntl
import logging
import os
import threading
import time
from pathlib import Path
from typing import NamedTuple

from casfs.blocks.block_tuning import TUNING
from casfs.errors import ConfigError
from casfs.private import PrivateDirectory
from casfs.reasons import reason

log = logging.getLogger(__name__)

_OPEN = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class Locked(NamedTuple):
    """A directory that is locked.

    Attributes:
        descriptor: of the directory.
        identity: device and inode.
    """

    descriptor: int
    identity: tuple[int, int]


class Use:
    """Tells other processes that somebody reads an output, while there is one.

    Lock order: its one lock, around a counter, is innermost.

    Args:
        directory: of the output; made if need be.
        private: the cache directory that it is in.
    """

    def __init__(self, directory: Path, private: PrivateDirectory) -> None:
        self._directory = directory
        self._private = private
        self._lock = threading.Lock()
        self._readers = 0
        self._descriptor: int | None = None
        self._identity: tuple[int, int] | None = None
        """Of what is locked; nothing else has it while that is open."""

    def begin(self) -> None:
        """Note one more reader.

        Raises:
            ConfigError: the directory is a link, or somebody else's.
        """
        with self._lock:
            self._readers += 1
            needed = self._descriptor is None
        if needed:
            try:
                self._hold()
            except BaseException:
                self.end()
                raise

    def end(self) -> None:
        """Note one reader less."""
        with self._lock:
            self._readers -= 1
            descriptor = None
            if not self._readers:
                descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)

    def renew(self) -> bool:
        """Note the readers in the directory that is there now, if it is another one.

        Returns:
            whether it is another one.

        Raises:
            ConfigError: as `begin`.
        """
        with self._lock:
            held = self._identity if self._descriptor is not None else None
            needed = self._readers > 0
        other = needed and held != _identity_at(self._directory)
        if other:
            self._hold()
        return other

    def _hold(self) -> None:
        locked = self._open()
        if locked is None:
            return
        descriptor: int | None = locked.descriptor
        with self._lock:
            # All who read may have ended since.
            if self._readers:
                descriptor, self._descriptor = self._descriptor, descriptor
                self._identity = locked.identity
        if descriptor is not None:
            os.close(descriptor)

    def _open(self) -> Locked | None:
        try:
            for tries in range(TUNING.lock_tries):
                if tries > 1:
                    time.sleep(TUNING.lock_pause)
                with contextlib.suppress(FileNotFoundError):
                    # What was prefetched is mostly there before its first reader.
                    if tries:
                        self._private.make_below(self._directory, checked=True)
                    locked = lock(self._directory, fcntl.LOCK_SH)
                    if locked is not None:
                        return locked
        except ConfigError:
            raise
        except OSError as error:
            self._private.check_directory(self._directory)
            # Where nothing can be kept, there is nothing to be removed either.
            log.info("cannot mark %s as in use: %s", self._directory, reason(error))
        return None


def lock(directory: Path, kind: int) -> Locked | None:
    """Open and lock the directory of an output; return None if others have locked it.

    Where there are no locks, others have none.

    Args:
        directory: the directory.
        kind: LOCK_SH or LOCK_EX.

    Raises:
        FileNotFoundError: it is not there, or another one is by now.
        OSError: it cannot be opened.
    """
    descriptor = os.open(directory, _OPEN)
    try:
        try:
            fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return None
        except OSError as error:
            log.info(
                "the file system of the cache directory does not support locks: %s", reason(error)
            )
        status = os.fstat(descriptor)
        if not os.path.samestat(status, os.lstat(directory)):
            raise FileNotFoundError(directory)
    except OSError:
        os.close(descriptor)
        raise
    return Locked(descriptor, (status.st_dev, status.st_ino))


def _identity_at(directory: Path) -> tuple[int, int] | None:
    try:
        status = os.lstat(directory)
    except OSError:
        return None
    return status.st_dev, status.st_ino
