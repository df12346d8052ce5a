"""Where a file is written before it gets its name: beside its place, hidden, and found again.

    .casfs-<key>.part      the bytes, at their places
    .casfs-<key>.leaves    what they hash to (`leaf_file.py`)

Others may be able to write to the directory, so both files must be ours alone: what is a link, has
another name, or belongs to somebody else is refused, never followed.
"""

import errno
import os
import secrets
import stat
from pathlib import Path

from casfs.destination_errors import destination_error, sync_error
from casfs.errors import CasfsError, DestinationError

PREFIX = ".casfs-"
DATA, LEAVES = ".part", ".leaves"
_NAME_DIGITS = 32
_BLOCK = 512
"""Bytes of a block as `st_blocks` counts them; see stat(2)."""


class OwnDescriptor:
    """A descriptor that is closed when nobody who might use it is left.

    Args:
        number: the descriptor.
    """

    def __init__(self, number: int) -> None:
        self.number = number

    def __del__(self) -> None:
        os.close(self.number)


class PartPlace:
    """The two files of one output in a directory.

    Args:
        directory: descriptor of the directory, of which this makes its own.
        key: key of the output.
        shown: what is being written, for messages.

    Attributes:
        name: of the file with the bytes.
        leaves: path of the file with the leaves.
    """

    def __init__(self, directory: int, key: str, shown: str) -> None:
        self._directory = OwnDescriptor(os.dup(directory))
        self.shown = shown
        self._names = f"{PREFIX}{key[:_NAME_DIGITS]}"
        self.name = self._names + DATA
        self.leaves = Path(f"/proc/self/fd/{self.directory}/{self._names}{LEAVES}")
        self._ended = False
        self._owner = os.geteuid()
        """To whom the file system gives our files: CIFS or vfat may give all to one user."""

    @property
    def directory(self) -> int:
        """Return the descriptor of the directory."""
        return self._directory.number

    def is_other(self, place: "PartPlace") -> bool:
        """Return whether another place is somewhere else, or this one has ended."""
        same = os.path.samestat(os.fstat(self.directory), os.fstat(place.directory))
        return self._ended or not same or self.name != place.name

    def exists(self) -> bool:
        """Return whether an earlier run left something here."""
        try:
            os.lstat(self.name, dir_fd=self.directory)
        except FileNotFoundError:
            return False
        return True

    def allocated(self) -> int:
        """Return the bytes of the disk that the file with the bytes takes; 0 if it is not there."""
        try:
            return os.lstat(self.name, dir_fd=self.directory).st_blocks * _BLOCK
        except FileNotFoundError:
            return 0

    def is_named(self, name: str) -> bool:
        """Return whether the file with the bytes has another name in the directory as well.

        Where a file is renamed by a link, its first name stays if the process ends just then.
        """
        try:
            first = os.lstat(self.name, dir_fd=self.directory)
            return os.path.samestat(first, os.lstat(name, dir_fd=self.directory))
        except OSError:
            return False

    def has_leaves(self) -> bool:
        """Return whether leaves are here: an earlier run has not recorded the file, or not yet."""
        try:
            os.lstat(self.leaves.name, dir_fd=self.directory)
        except FileNotFoundError:
            return False
        return True

    def open_data(self) -> int:
        """Open the file with the bytes; make it if it is not there.

        Raises:
            DestinationError: it is not ours alone.
            OSError: it cannot be opened.
        """
        return self.open(self.name, os.O_RDWR | os.O_CREAT)

    def make_data(self) -> int:
        """Make the file with the bytes, and open it.

        Raises:
            FileExistsError: something is there.
            OSError: it cannot be made.
        """
        return self.open(self.name, os.O_RDWR | os.O_CREAT | os.O_EXCL)

    def open(self, path: Path | str, flags: int) -> int:
        """Open one of the files.

        Raises:
            DestinationError: it is not ours alone.
            OSError: it cannot be opened, or its output is complete.
        """
        if self._ended:
            raise OSError(errno.ESTALE, os.strerror(errno.ESTALE))
        name = os.path.basename(path)
        flags |= os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
        try:
            file = os.open(name, flags, 0o600, dir_fd=self.directory)
        except OSError as error:
            if error.errno == errno.ELOOP:
                raise self._foreign(name, "is a link") from error
            raise
        status = os.fstat(file)
        if stat.S_ISREG(status.st_mode) and status.st_uid != self._owner:
            self._owner = self._owner_of_new()
        reason = _foreign(status, self._owner)
        if reason is not None:
            os.close(file)
            raise self._foreign(name, reason)
        return file

    def make_below(self, path: Path, checked: bool = False) -> None:
        """Raise, since the directory is not made again when it was removed.

        Raises:
            OSError: always.
        """
        del path, checked
        raise OSError(errno.ENOENT, os.strerror(errno.ENOENT))

    def error(self, error: OSError) -> CasfsError:
        """Return the error of a file that cannot be written, with what to do about it."""
        if isinstance(error, CasfsError):
            return error
        return destination_error(self.shown, Path(f"/proc/self/fd/{self.directory}"), error)

    def sync_error(self, error: OSError) -> CasfsError:
        """Return the error of a file that cannot be brought to disk, with what to do about it."""
        return sync_error(self.shown, Path(f"/proc/self/fd/{self.directory}"), error)

    def end(self) -> None:
        """Remove the leaves: the output is complete, or is begun again."""
        self._ended = True
        self._remove(self.leaves.name)

    def remove(self) -> None:
        """Remove both files."""
        self.end()
        self.remove_first_name()

    def remove_first_name(self) -> None:
        """Remove the name of the file with the bytes; any other name of it stays."""
        self._remove(self.name)

    def _remove(self, name: str) -> None:
        try:
            os.unlink(name, dir_fd=self.directory)
        except FileNotFoundError:
            return

    def _owner_of_new(self) -> int:
        """Return to whom a file belongs that this process makes here.

        Raises:
            OSError: none can be made.
        """
        name = f"{PREFIX}{secrets.token_hex(16)}.probe"
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        file = os.open(name, flags, 0o600, dir_fd=self.directory)
        try:
            return os.fstat(file).st_uid
        finally:
            os.close(file)
            self._remove(name)

    def _foreign(self, name: str, reason: str) -> DestinationError:
        return DestinationError(
            f"cannot write {self.shown}: {name} in its directory {reason}; remove it and run the "
            "same command again"
        )


def _foreign(status: os.stat_result, owner: int) -> str | None:
    """Return why a file is not ours alone, None if it is."""
    if not stat.S_ISREG(status.st_mode):
        return "is not a file"
    if status.st_uid != owner:
        return "belongs to somebody else"
    return "has another name as well" if status.st_nlink > 1 else None
