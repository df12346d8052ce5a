"""Directories that only this user can change: for the cache and the log.

What another user can write cannot be trusted: a planted link would make casfs write or delete files
elsewhere, and a planted file would be served. So these are checked:

- each parent belongs to this user or to root, and nobody else can write to it unless it is sticky;
- the same applies to symbolic links among the parents; the directory itself must not be one;
- the directory, and every directory and file opened below it, belongs to this user and is not a
  link. Permissions that are too open are tightened; what belongs to another user is refused.

Once this holds, no other user can change anything below, so paths can be used without races.
"""

import contextlib
import logging
import os
import stat
from collections.abc import Iterable
from pathlib import Path

from casfs.errors import ConfigError
from casfs.ownership import OPEN_TO_OTHERS, WRITABLE_BY_OTHERS, Ownership, below
from casfs.parents import PrivatePath, open_parent

log = logging.getLogger(__name__)

_OPEN = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_ANYWHERE = frozenset({"lost+found"})
_FOR_ALL = frozenset({"/tmp", "/var/tmp", "/dev/shm"})  # noqa: S108 - these are refused


class PrivateDirectory:
    """A directory that only this user can change, and access to what is below it.

    Args:
        path: absolute path of the directory.
        what: describes it in messages.
        instead: the option that selects another directory.
        names: the entries that casfs owns, None for all. If there are other entries, other users
            keep their permission to read the directory itself.

    Attributes:
        path: path of the directory, with symbolic links in its parents resolved.
        ordinary_file: owner and mode of a file that casfs made; `check_open` objects to none of
            them, and looks at others closely.
    """

    def __init__(
        self,
        path: Path,
        what: str = "the cache directory",
        instead: str = "--cache-dir",
        names: frozenset[str] | None = frozenset(),
    ) -> None:
        self._wanted = PrivatePath(path, what, instead, os.geteuid())
        self._ownership = Ownership(self._wanted)
        self._names = names
        self._identity: tuple[int, int] | None = None
        self.path = Path(os.path.realpath(path.parent)) / path.name
        self.ordinary_file = self._ownership.ordinary_file()

    def make(self) -> None:
        """Create the directory if it is missing, and check it and its parents.

        Raises:
            ConfigError: another user could change it.
            OSError: it cannot be created or opened.
        """
        parent, name, path = open_parent(self._wanted)
        try:
            directory = os.open(name, _OPEN, dir_fd=parent)
        finally:
            os.close(parent)
        try:
            if path != self.path:
                raise ConfigError(f"{self._wanted} now resolves to another path: {path}")
            self._ownership.check_top(directory)
            self.ordinary_file = self._ownership.ordinary_file()
            self._close(directory)
            status = os.fstat(directory)
            self._identity = (status.st_dev, status.st_ino)
        finally:
            os.close(directory)

    def confirm(self) -> None:
        """Create and check the directory again if it was replaced since it was checked.

        Raises:
            ConfigError, OSError: as for `make`.
        """
        try:
            status = os.lstat(self.path)
            # A new directory may have the same inode number, so check its owner as well.
            same = (status.st_dev, status.st_ino) == self._identity and self._ownership.owns(status)
        except FileNotFoundError:
            same = False
        if not same:
            self.make()

    def make_below(self, path: Path, checked: bool = False) -> None:
        """Create a directory below this one, with its missing parents.

        Args:
            path: of the directory.
            checked: whether this directory and the existing parents were checked before.

        Raises:
            ConfigError: another user owns or could change one of them.
            OSError: one cannot be created.
        """
        if checked:
            with contextlib.suppress(FileNotFoundError):
                self._make_one(path)
                return
        self.confirm()
        at = self.path
        for name in path.relative_to(at).parts:
            at /= name
            self._make_one(at)

    def _make_one(self, path: Path) -> None:
        try:
            os.mkdir(path, 0o700)
        except FileExistsError:
            self.check_directory(path)

    def check_directory(self, path: Path | str) -> bool:
        """Check a directory whose parents were checked; return whether it exists.

        Raises:
            ConfigError: it is a link, or belongs to another user.
            OSError: its status cannot be read.
        """
        try:
            status = os.lstat(path)
        except FileNotFoundError:
            return False
        self._ownership.check(status, path, directory=True)
        if self._ownership.too_open(status):
            self._ownership.set_mode(path, 0o700)
        return True

    def entries(self, path: Path | str) -> list[os.DirEntry[str]]:
        """Return the entries of a directory below this one; empty if it is missing or not ours.

        Raises:
            OSError: it cannot be read.
        """
        try:
            if not self.check_directory(path):
                return []
            with os.scandir(path) as entries:
                return list(entries)
        except FileNotFoundError:
            return []
        except ConfigError as error:
            log.warning("%s", error)
            return []

    def open(self, path: Path | str, flags: int) -> int:
        """Open a file in a directory that was checked.

        Args:
            path: of the file.
            flags: as for `os.open`.

        Raises:
            ConfigError: it is a link, belongs to another user, or has another name.
            OSError: it cannot be opened.
        """
        # O_NONBLOCK: do not wait if a pipe was put in the file's place.
        flags |= os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
        try:
            file = os.open(path, flags, 0o600)
        except FileNotFoundError:
            raise
        except OSError:
            self.check_file(path)
            raise
        try:
            self.check_open(file, path, written=flags & os.O_ACCMODE != os.O_RDONLY)
        except BaseException:
            os.close(file)
            raise
        return file

    def check_open(self, file: int, path: Path | str, written: bool = False) -> os.stat_result:
        """Check an open file, and return its status.

        Args:
            file: its descriptor.
            path: describes it in messages.
            written: whether it is written in place, so it must not have another name.

        Raises:
            ConfigError: it is a link, belongs to another user, or has another name.
        """
        status = os.fstat(file)
        self._ownership.check(status, path)
        if written and status.st_nlink > 1:
            raise ConfigError(f"{path} has another hard link; remove it")
        if self._ownership.too_open(status):
            self._ownership.set_mode(file, 0o600)
        return status

    def check_file(self, path: Path | str, written: bool = False) -> None:
        """Check a file that something else will open, in a directory that was checked.

        Args:
            path: of the file; it need not exist.
            written: as for `check_open`.

        Raises:
            ConfigError: it is a link, belongs to another user, or has another name.
        """
        try:
            status = os.lstat(path)
        except OSError:
            return
        self._ownership.check(status, path)
        if written and status.st_nlink > 1:
            raise ConfigError(f"{path} has another hard link; remove it")
        if self._ownership.too_open(status):
            self._ownership.set_mode(path, 0o600)

    def _close(self, directory: int) -> None:
        """Tighten the permissions of the directory, and of our entries in it."""
        status = os.fstat(directory)
        mode = stat.S_IMODE(status.st_mode)
        there = set(os.listdir(directory))
        ours = there if self._names is None else there & self._names
        others = there - ours - _ANYWHERE
        if mode & stat.S_ISVTX and mode & WRITABLE_BY_OTHERS and self._for_all(directory, others):
            raise ConfigError(
                f"{self._wanted} is shared by all users; use a directory of your own, such as "
                f"{self._wanted.instead} {self._wanted.path / 'casfs'}"
            )
        too_much = WRITABLE_BY_OTHERS if others else OPEN_TO_OTHERS
        if self._ownership.too_open(status) & too_much:
            closed = mode & ~too_much & ~stat.S_ISVTX
            if self._ownership.set_mode(directory, closed):
                log.warning(
                    "%s was accessible to other users; changed its mode to %04o",
                    self._wanted,
                    closed,
                )
        for name in sorted(ours):
            self._close_below(self.path / name)

    def _for_all(self, directory: int, entries: Iterable[str]) -> bool:
        """Return whether other users have files in the directory, or are likely to."""
        if str(self.path) in _FOR_ALL:
            return True
        for entry in entries:
            with contextlib.suppress(FileNotFoundError):
                status = os.stat(entry, dir_fd=directory, follow_symlinks=False)
                if not self._ownership.owns(status):
                    return True
        return False

    def _close_below(self, top: Path) -> None:
        """Tighten the permissions of an entry of ours; earlier versions left them too open."""
        try:
            status = os.lstat(top)
        except FileNotFoundError:
            return
        self._ownership.check(status, top, directory=stat.S_ISDIR(status.st_mode))
        if not self._ownership.too_open(status):
            return
        if stat.S_ISDIR(status.st_mode):
            # The top is closed completely last, so an interrupted run is repeated.
            self._ownership.set_mode(top, stat.S_IMODE(status.st_mode) & ~WRITABLE_BY_OTHERS)
            for path, found in below(top):
                self._close_one(path, found)
        self._close_one(top, status)

    def _close_one(self, path: Path, status: os.stat_result) -> None:
        if stat.S_ISLNK(status.st_mode) or not self._ownership.too_open(status):
            return
        # Another casfs process may delete it at the same time.
        with contextlib.suppress(FileNotFoundError):
            self._ownership.set_mode(path, 0o700 if stat.S_ISDIR(status.st_mode) else 0o600)
