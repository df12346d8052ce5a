"""Processes that send requests: whether the one that committed a request still runs."""

import contextlib
import errno
import fcntl
import os

from casfs.ledger.files import OWNERS
from casfs.private import PrivateDirectory

_HELD = frozenset({errno.EACCES, errno.EAGAIN})


class OwnerLocks:
    """A byte of a file for each process, which it has locked as long as it lives.

    The kernel releases the lock when the process ends, however it ends.

    Args:
        private: the state directory.

    Raises:
        OSError, ConfigError: the file cannot be opened.
    """

    def __init__(self, private: PrivateDirectory) -> None:
        self._file = private.open(private.path / OWNERS, os.O_RDWR | os.O_CREAT)
        self._own: int | None = None

    def take(self, number: int) -> None:
        """Lock the byte of this process.

        Raises:
            OSError: the file system has no locks.
        """
        fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, number)
        self._own = number

    def is_alive(self, number: int) -> bool:
        """Return whether the process with a number runs, this one included.

        Raises:
            OSError: the file system has no locks.
        """
        if number == self._own:
            return True
        try:
            fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, number)
        except OSError as error:
            if error.errno in _HELD:
                return True
            raise
        fcntl.lockf(self._file, fcntl.LOCK_UN, 1, number)
        return False

    def close(self) -> None:
        """Release the lock."""
        with contextlib.suppress(OSError):
            os.close(self._file)
