"""Whose the directories and files below a private directory are, and who else may use them."""

import contextlib
import errno
import logging
import os
import secrets
import stat
from collections.abc import Iterator
from pathlib import Path

from casfs.errors import ConfigError
from casfs.parents import Wanted, user_name

log = logging.getLogger(__name__)

WRITABLE_BY_OTHERS = stat.S_IWGRP | stat.S_IWOTH
OPEN_TO_OTHERS = stat.S_IRWXG | stat.S_IRWXO
_NO_OWNERS = frozenset({0, 65534})
"""Who seems to own what is on a file system that keeps no owners: root, or, where NFS makes root
nobody, nobody."""
_NO_MODES = frozenset({errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EINVAL})


class Ownership:
    """What is to be true of everything in a directory.

    A file system that keeps no modes or owners (exFAT, CIFS) is used with a warning.

    Args:
        wanted: the directory.
    """

    def __init__(self, wanted: Wanted) -> None:
        self._wanted = wanted
        self._uid = wanted.uid
        self._modes = True

    def check_top(self, directory: int) -> None:
        """Check the open directory itself.

        Raises:
            ConfigError: it is somebody else's.
        """
        owner = os.fstat(directory).st_uid
        if owner == self._uid:
            return
        # Who plants a directory for us cannot make the files his own that we make in it.
        if owner not in _NO_OWNERS or _owner_of_new_file(directory) != owner:
            raise ConfigError(
                f"{self._wanted} belongs to {user_name(owner)}, not to {user_name(self._uid)}; "
                f"use a directory of your own, with {self._wanted.instead}"
            )
        self._uid = owner
        self._warn("owners")

    def check(self, status: os.stat_result, path: Path | str, directory: bool = False) -> None:
        """Check something that is to be a file, or a directory.

        Raises:
            ConfigError: it is a link, or somebody else's.
            OSError: it is something else.
        """
        what = self._wanted.what
        if stat.S_ISLNK(status.st_mode):
            raise ConfigError(
                f"{path} is a symbolic link, and casfs follows none in {what}; remove it"
            )
        if status.st_uid != self._uid:
            raise ConfigError(
                f"{path} belongs to {user_name(status.st_uid)}, not to {user_name(self._uid)}, "
                f"but is in {what}; remove it, or {self._wanted.another}"
            )
        if not (stat.S_ISDIR if directory else stat.S_ISREG)(status.st_mode):
            code = errno.ENOTDIR if directory else errno.EISDIR
            raise OSError(code, os.strerror(code), str(path))

    def owns(self, status: os.stat_result) -> bool:
        """Return whether something is ours, whatever it is."""
        return status.st_uid == self._uid

    def too_open(self, status: os.stat_result) -> int:
        """Return what others may do with something, as bits of a mode; 0 if modes say nothing."""
        return status.st_mode & OPEN_TO_OTHERS if self._modes else 0

    def set_mode(self, what: Path | str | int, mode: int) -> bool:
        """Change the mode of a file or a directory of ours; tell whether that was possible.

        Args:
            what: its path, of which nobody else can make a link; or its descriptor.
            mode: what it is to be.

        Raises:
            OSError: the disk fails.
        """
        try:
            os.chmod(what, mode)
            status = os.fstat(what) if isinstance(what, int) else os.lstat(what)
            if not stat.S_IMODE(status.st_mode) & OPEN_TO_OTHERS & ~mode:
                return True
        except OSError as error:
            # On a disk that is read-only nobody can change anything, and what we open is checked.
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
            "the file system of %s keeps no %s: others may be able to read or change what is there",
            self._wanted,
            what,
        )


def below(directory: Path) -> Iterator[tuple[Path, os.stat_result]]:
    """Yield what the owner of a directory has below it, each directory before what is in it."""
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
        # What others have planted there may be endless.
        if status.st_uid == owner:
            yield path, status
            if stat.S_ISDIR(status.st_mode):
                yield from below(path)


def _owner_of_new_file(directory: int) -> int | None:
    """Return whose a file is that is made in a directory, None if none can be made."""
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
