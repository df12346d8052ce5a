"""A directory that this user alone can change: the cache and the log are kept in such directories.

What another user can write is not ours to trust: a planted link would have casfs write or remove
files elsewhere, and a planted file would be served. So on the way to the directory

- each parent belongs to this user or to root, and nobody else can write to it, unless it is sticky;
- the same goes for a symbolic link among the parents; the directory itself is never one;
- the directory, and every directory and file that is opened below, belongs to this user and is not
  a link. What is merely too open is closed; what belongs to somebody else is refused.

Once this holds nobody else can change anything below, so that paths can be used without a race.
"""

import contextlib
import logging
import os
import stat
from collections.abc import Iterable
from pathlib import Path

from casfs.errors import ConfigError
from casfs.ownership import OPEN_TO_OTHERS, WRITABLE_BY_OTHERS, Ownership, below
from casfs.parents import Wanted, open_parent

log = logging.getLogger(__name__)

_OPEN = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_ANYWHERE = frozenset({"lost+found"})
_FOR_ALL = frozenset({"/tmp", "/var/tmp", "/dev/shm"})  # noqa: S108 - not to be used


class PrivateDirectory:
    """A directory that this user alone can change, and what is opened below it.

    Args:
        path: of the directory, absolute.
        what: names it in messages.
        instead: the option that names another one.
        names: of what we keep in it, None for all there is; where there is anything else, others
            keep the permission to read the directory itself.

    Attributes:
        path: of the directory, without links.
    """

    def __init__(
        self,
        path: Path,
        what: str = "the cache directory",
        instead: str = "--cache-dir",
        names: frozenset[str] | None = frozenset(),
    ) -> None:
        self._wanted = Wanted(path, what, instead, os.geteuid())
        self._ownership = Ownership(self._wanted)
        self._names = names
        self._identity: tuple[int, int] | None = None
        self.path = Path(os.path.realpath(path.parent)) / path.name

    def make(self) -> None:
        """Make the directory unless it is there, and check it and its parents.

        Raises:
            ConfigError: somebody else could change it.
            OSError: it cannot be made or opened.
        """
        parent, name, path = open_parent(self._wanted)
        try:
            directory = os.open(name, _OPEN, dir_fd=parent)
        finally:
            os.close(parent)
        try:
            if path != self.path:
                raise ConfigError(f"{self._wanted} is at another place than before: {path}")
            self._ownership.check_top(directory)
            self._close(directory)
            status = os.fstat(directory)
            self._identity = (status.st_dev, status.st_ino)
        finally:
            os.close(directory)

    def confirm(self) -> None:
        """Make and check the directory again if it is not the one that was checked.

        Raises:
            ConfigError, OSError: as `make`.
        """
        try:
            status = os.lstat(self.path)
            # The number alone may be that of a new one.
            same = (status.st_dev, status.st_ino) == self._identity and self._ownership.owns(status)
        except FileNotFoundError:
            same = False
        if not same:
            self.make()

    def make_below(self, path: Path, checked: bool = False) -> None:
        """Make a directory below this one, and those in between, unless they are there.

        Args:
            path: of the directory.
            checked: those in between were checked already, if they are there.

        Raises:
            ConfigError: one of them is not ours alone.
            OSError: they cannot be made.
        """
        self.confirm()
        if checked:
            with contextlib.suppress(FileNotFoundError):
                self._make_one(path)
                return
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
        """Check a directory below this one whose parents were checked; tell whether it is there.

        Raises:
            ConfigError: it is not ours alone.
            OSError: it cannot be looked at.
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
        """Return what is in a directory below this one; nothing if it is none of ours.

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
        """Open a file below this directory, whose own directory was checked.

        Args:
            path: of the file.
            flags: as of `os.open`.

        Raises:
            ConfigError: it is not a file that is ours alone.
            OSError: it cannot be opened.
        """
        # Not to wait for the other end of a pipe that stands in the file's place.
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
        """Check a file that is open, and return its status.

        Args:
            file: its descriptor.
            path: names it in messages.
            written: whether it is written in place, so that it must have no other name.

        Raises:
            ConfigError: it is not a file that is ours alone.
        """
        status = os.fstat(file)
        self._ownership.check(status, path)
        if written and status.st_nlink > 1:
            raise ConfigError(f"{path} has another name, too (a hard link); remove it")
        if self._ownership.too_open(status):
            self._ownership.set_mode(file, 0o600)
        return status

    def check_file(self, path: Path | str, written: bool = False) -> None:
        """Check a file that is to be opened by other means; its own directory was checked.

        Args:
            path: of the file; there need be none.
            written: as for `check_open`.

        Raises:
            ConfigError: there is something that is not a file of ours alone.
        """
        try:
            status = os.lstat(path)
        except OSError:
            return
        self._ownership.check(status, path)
        if written and status.st_nlink > 1:
            raise ConfigError(f"{path} has another name, too (a hard link); remove it")
        if self._ownership.too_open(status):
            self._ownership.set_mode(path, 0o600)

    def _close(self, directory: int) -> None:
        """Take from others what they may do with the directory, and with what we have in it."""
        status = os.fstat(directory)
        mode = stat.S_IMODE(status.st_mode)
        there = set(os.listdir(directory))
        ours = there if self._names is None else there & self._names
        others = there - ours - _ANYWHERE
        if mode & stat.S_ISVTX and mode & WRITABLE_BY_OTHERS and self._for_all(directory, others):
            raise ConfigError(
                f"{self._wanted} is a directory for everybody; use one of your own, such as "
                f"{self._wanted.instead} {self._wanted.path / 'casfs'}"
            )
        too_much = WRITABLE_BY_OTHERS if others else OPEN_TO_OTHERS
        if self._ownership.too_open(status) & too_much:
            closed = mode & ~too_much & ~stat.S_ISVTX
            if self._ownership.set_mode(directory, closed):
                log.warning("%s was open to others; its mode is %04o now", self._wanted, closed)
        for name in sorted(ours):
            self._close_below(self.path / name)

    def _for_all(self, directory: int, entries: Iterable[str]) -> bool:
        """Return whether other users keep something in the directory, or are likely to."""
        if str(self.path) in _FOR_ALL:
            return True
        for entry in entries:
            with contextlib.suppress(FileNotFoundError):
                status = os.stat(entry, dir_fd=directory, follow_symlinks=False)
                if not self._ownership.owns(status):
                    return True
        return False

    def _close_below(self, top: Path) -> None:
        """Close something that we have in the directory: earlier versions left it open."""
        try:
            status = os.lstat(top)
        except FileNotFoundError:
            return
        self._ownership.check(status, top, directory=stat.S_ISDIR(status.st_mode))
        if not self._ownership.too_open(status):
            return
        if stat.S_ISDIR(status.st_mode):
            # It is closed all the way as the last step: what breaks off is done again.
            self._ownership.set_mode(top, stat.S_IMODE(status.st_mode) & ~WRITABLE_BY_OTHERS)
            for path, found in below(top):
                self._close_one(path, found)
        self._close_one(top, status)

    def _close_one(self, path: Path, status: os.stat_result) -> None:
        if stat.S_ISLNK(status.st_mode) or not self._ownership.too_open(status):
            return
        # Another process of ours may be removing what it does not need.
        with contextlib.suppress(FileNotFoundError):
            self._ownership.set_mode(path, 0o700 if stat.S_ISDIR(status.st_mode) else 0o600)
