"""Checks the owners and modes of files and directories below a private directory."""

import contextlib
import errno
import logging
import os
import secrets
import stat
from collections.abc import Iterator
from pathlib import Path

from casfs.errors import ConfigError
from casfs.parents import PrivatePath, user_name

log = logging.getLogger(__name__)

WRITABLE_BY_OTHERS = stat.S_IWGRP | stat.S_IWOTH
OPEN_TO_OTHERS = stat.S_IRWXG | stat.S_IRWXO
_NO_OWNERS = frozenset({0, 65534})
"""The apparent owners on a file system without owners: root, or nobody if NFS squashes root."""
_NO_MODES = frozenset({errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EINVAL})


class Ownership:
    """The owner and modes required of everything in a directory.

    A file system without modes or owners (exFAT, CIFS) is used with a warning.

    Args:
        wanted: the directory.
    """

    def __init__(self, wanted: PrivatePath) -> None:
        self._wanted = wanted
        self._uid = wanted.uid
        self._modes = True

    def check_top(self, directory: int) -> None:
        """Check the open directory itself.

        Raises:
            ConfigError: it belongs to another user.
        """
        owner = os.fstat(directory).st_uid
        if owner == self._uid:
            return
        # An attacker who plants a directory cannot own the files that we create in it.
        if owner not in _NO_OWNERS or _owner_of_new_file(directory) != owner:
            raise ConfigError(
                f"{self._wanted} belongs to {user_name(owner)}, not to {user_name(self._uid)}; "
                f"use a directory of your own, with {self._wanted.instead}"
            )
        self._uid = owner
        self._warn("owners")

    def check(self, status: os.stat_result, path: Path | str, directory: bool = False) -> None:
        """Check that something is a file, or a directory, that belongs to this user.

        Raises:
            ConfigError: it is a link, or belongs to another user.
            OSError: it is not a file, or not a directory.
        """
        what = self._wanted.what
        if stat.S_ISLNK(status.st_mode):
            raise ConfigError(
                f"{path} is a symbolic link, which casfs does not follow in {what}; remove it"
            )
        if status.st_uid != self._uid:
            raise ConfigError(
                f"{path} belongs to {user_name(status.st_uid)}, not to {user_name(self._uid)}, "
                f"but is in {what}; remove it, or {self._wanted.another}"
            )
        if not (stat.S_ISDIR if directory else stat.S_ISREG)(status.st_mode):
            code = errno.ENOTDIR if directory else errno.EISDIR
            raise OSError(code, os.strerror(code), str(path))

    def ordinary_file(self) -> tuple[int, int]:
        """Return owner and mode of a file to which there is nothing to object."""
        return self._uid, stat.S_IFREG | 0o600

    def owns(self, status: os.stat_result) -> bool:
        """Return whether something belongs to this user."""
        return status.st_uid == self._uid

    def too_open(self, status: os.stat_result) -> int:
        """Return the permissions of other users, as mode bits; 0 if there are no modes."""
        return status.st_mode & OPEN_TO_OTHERS if self._modes else 0

    def set_mode(self, what: Path | str | int, mode: int) -> bool:
        """Change the mode of a file or directory of ours; return whether that was possible.

        Args:
            what: its descriptor, or its path if nobody else can replace it with a link.
            mode: the new mode.

        Raises:
            OSError: the disk failed.
        """
        try:
            os.chmod(what, mode)
            status = os.fstat(what) if isinstance(what, int) else os.lstat(what)
            if not stat.S_IMODE(status.st_mode) & OPEN_TO_OTHERS & ~mode:
                return True
        except OSError as error:
            # Nobody can change a read-only disk, and whatever we open is checked.
            if error.errno not in {*_NO_MODES, errno.EROFS}:
                raise
            if error.errno == errno.EROFS:
                return False
        if self._modes:
            self._warn("modes")
        return False

    def _warn(self, what: str) -> None:
        self._modes = False
        log.warning(
            "the file system of %s has no %s: other users may be able to read or change its files",
            self._wanted,
            what,
        )


def below(directory: Path) -> Iterator[tuple[Path, os.stat_result]]:
    """Yield what the owner of a directory has below it, each directory before its entries."""
    try:
        owner = os.lstat(directory).st_uid
        entries = os.listdir(directory)
    except FileNotFoundError:
        return
    for path in map(directory.joinpath, entries):
        try:
            status = os.lstat(path)
        except FileNotFoundError:
            continue
        # Skip what other users planted, which may be endless.
        if status.st_uid == owner:
            yield path, status
            if stat.S_ISDIR(status.st_mode):
                yield from below(path)


def _owner_of_new_file(directory: int) -> int | None:
    """Return the owner of a file created in a directory, None if none can be created."""
    name = f".casfs-{secrets.token_hex(8)}"
    try:
        file = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, dir_fd=directory)
    except OSError:
        return None
    try:
        return os.fstat(file).st_uid
    finally:
        with contextlib.suppress(OSError):
            os.unlink(name, dir_fd=directory)
        os.close(file)
