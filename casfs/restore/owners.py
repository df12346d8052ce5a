"""Processes that send requests: whether the one that committed a request still runs."""

import contextlib
import errno
import fcntl
import os
import struct

from casfs.ledger.files import OWNERS
from casfs.private import PrivateDirectory

_FLOCK = "hhqqi"
"""`struct flock` of fcntl(2): type, whence, start, length and process, which is 0 here."""
_HELD = frozenset({errno.EACCES, errno.EAGAIN})


class OwnerLocks:
    """A byte of a file for each process, which it has locked as long as it lives.

    The kernel releases the lock when the process ends, however it ends.

    Args:
        private: the state directory.
        create: whether to create the file if it is missing.

    Raises:
        OSError, ConfigError: the file cannot be opened.
    """

    def __init__(self, private: PrivateDirectory, *, create: bool = True) -> None:
        flags = os.O_RDWR | (os.O_CREAT if create else 0)
        self._file = private.open(private.path / OWNERS, flags)
        self._own: int | None = None

    @classmethod
    def of_others(cls, private: PrivateDirectory) -> "OwnerLocks | None":
        """Return those of the processes that send now, None if there was never one.

        Raises:
            OSError, ConfigError: the file cannot be opened.
        """
        try:
            return cls(private, create=False)
        except FileNotFoundError:
            return None

    def take(self, number: int) -> None:
        """Lock the byte of this process.

        Raises:
            OSError: the file system has no locks.
        """
        self._set(fcntl.F_WRLCK, number)
        self._own = number

    def is_alive(self, number: int) -> bool:
        """Return whether the process with a number runs, this one included.

        Raises:
            OSError: the file system has no locks.
        """
        if number == self._own:
            return True
        try:
            self._set(fcntl.F_WRLCK, number)
        except OSError as error:
            if error.errno in _HELD:
                return True
            raise
        self._set(fcntl.F_UNLCK, number)
        return False

    def _set(self, kind: int, number: int) -> None:
        """Lock a byte, or unlock it, for this open file: other files of this process are others."""
        lock = struct.pack(_FLOCK, kind, os.SEEK_SET, number, 1, 0)
        fcntl.fcntl(self._file, fcntl.F_OFD_SETLK, lock)

    def close(self) -> None:
        """Release the lock."""
        with contextlib.suppress(OSError):
            os.close(self._file)
