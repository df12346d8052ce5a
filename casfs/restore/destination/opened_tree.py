"""The directory of a restore, entered name by name: no link in it is ever followed.

Others may be able to write to it, and names come from a service. So each directory is opened from
the descriptor of the one above it, and every file is made, looked at and renamed by its own name in
such a directory. A link that is swapped in is refused.
"""

import contextlib
import errno
import os
import re
import stat
import threading
import unicodedata
from collections import OrderedDict
from functools import cached_property
from pathlib import Path

from casfs.destination_errors import destination_error
from casfs.directory_sync import sync_directory
from casfs.errors import CasfsError, DestinationError

OWN = ".casfs-restore"
"""The directory in DEST that has the manifest; no archive is restored there."""
_OPEN = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_MOST_OPEN = 128
_OWN_FILE = re.compile(r"\.casfs-[0-9a-f]{32}\.(part|leaves)")
"""What casfs writes beside a file until that has its name; see `PartPlace`."""


class OpenedDirectory:
    """A directory that is open; closed when nobody uses it.

    Attributes:
        descriptor: of the directory.
        has_own_name: it is known to have the name under which it was entered.
    """

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self.has_own_name = False

    def __del__(self) -> None:
        os.close(self.descriptor)

    def sync(self) -> None:
        """Bring the names in it to disk; see `sync_directory`.

        Raises:
            OSError: the disk fails.
        """
        sync_directory(self.descriptor)


class OpenedTree:
    """The directory of a restore, and those below it. Safe for threads.

    Lock order: its one lock guards what is open, and is innermost.

    Args:
        path: of the directory; made if it is missing.

    Attributes:
        path: absolute path of the directory.
        top: the directory itself.

    Raises:
        DestinationError: it cannot be made or opened.
    """

    def __init__(self, path: Path) -> None:
        self.path = Path(os.path.abspath(path))
        self._lock = threading.Lock()
        self._open: OrderedDict[tuple[str, ...], OpenedDirectory] = OrderedDict()
        self._made: list[Path] = []
        self._listed: tuple[OpenedDirectory, frozenset[str]] | None = None
        """The directory that was listed last, and what was in it."""
        missing = [one for one in (self.path, *self.path.parents) if not os.path.lexists(one)]
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            self._made = missing
            # What a user names may be a link; what is below it may not.
            self.top = OpenedDirectory(os.open(self.path, _OPEN & ~os.O_NOFOLLOW))
        except OSError as error:
            raise self.error("", error) from error

    @cached_property
    def ignores_case(self) -> bool:
        """Return whether the file system takes names that differ in case for one."""
        try:
            os.lstat(OWN.upper(), dir_fd=self.top.descriptor)
            # Inodes say nothing: a FUSE file system may have one for each spelling.
            return OWN.upper() not in os.listdir(self.top.descriptor)
        except OSError:
            return False

    def directory(self, names: tuple[str, ...], make: bool) -> OpenedDirectory | None:
        """Return a directory below the top.

        Args:
            names: of the directories on the way.
            make: make what is missing.

        Returns:
            None if it is missing, and is not to be made.

        Raises:
            DestinationError: something else is in its place, or it cannot be made.
        """
        if not names:
            return self.top
        with self._lock:
            found = self._open.get(names)
            if found is not None:
                self._open.move_to_end(names)
                return found
        parent = self.directory(names[:-1], make)
        if parent is None:
            return None
        found = self._enter(parent, names, make)
        if found is not None:
            with self._lock:
                self._open[names] = found
                while len(self._open) > _MOST_OPEN:
                    self._open.popitem(last=False)
        return found

    def status(self, path: str) -> os.stat_result | None:
        """Return the status of what is at a path, not following it; None if nothing is.

        Raises:
            DestinationError: the path cannot be one of a file here, or is in something that is not
                a directory.
        """
        names = split(path)
        try:
            parent = self.directory(names[:-1], make=False)
            return None if parent is None else os.lstat(names[-1], dir_fd=parent.descriptor)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise self.error(path, error) from error

    def require_name(self, path: str) -> None:
        """Require that what is at a path has this very name, not one that only looks alike.

        Some file systems ignore case, or how letters are composed, or dots at the end. Two archives
        whose names they take for one must not replace each other.

        Raises:
            DestinationError: it has another name.
        """
        names = split(path)
        for depth, name in enumerate(names):
            parent = self.directory(names[:depth], make=False)
            entered = None if depth == len(names) - 1 else self.directory(names[: depth + 1], False)
            if parent is None or (entered is not None and entered.has_own_name):
                continue
            if _may_have_other_name(name, parent.descriptor):
                self._require_entry(path, name, parent)
            if entered is not None:
                entered.has_own_name = True

    def _require_entry(self, path: str, name: str, parent: OpenedDirectory) -> None:
        known = self._listed
        if known is not None and known[0] is parent and name in known[1]:
            return
        try:
            found = frozenset(os.listdir(parent.descriptor))
        except OSError as error:
            raise self.error(path, error) from error
        self._listed = parent, found
        if name not in found:
            raise DestinationError(
                f"cannot restore {path}: the file system takes its name for that of another file, "
                "which is kept; restore it into another directory"
            )

    def forget(self) -> None:
        """Close what is open below the top, so that directories that were replaced are seen."""
        with self._lock:
            self._open.clear()
        self._listed = None

    def remove_made(self) -> None:
        """Remove the directory, and those above it, if this has made them and they are empty."""
        with contextlib.suppress(OSError):
            for path in self._made:
                path.rmdir()

    def error(self, path: str, error: OSError) -> CasfsError:
        """Return the error of a path that cannot be used, with what to do about it."""
        where = self.path / path if path else self.path
        return destination_error(str(where), where, error)

    def _enter(
        self, parent: OpenedDirectory, names: tuple[str, ...], make: bool
    ) -> OpenedDirectory | None:
        name, above = names[-1], parent.descriptor
        try:
            with contextlib.suppress(FileNotFoundError):
                return OpenedDirectory(os.open(name, _OPEN, dir_fd=above))
            if not make:
                return None
            with contextlib.suppress(FileExistsError):
                os.mkdir(name, 0o777, dir_fd=above)
                parent.sync()
            return OpenedDirectory(os.open(name, _OPEN, dir_fd=above))
        except OSError as error:
            path = "/".join(names)
            if error.errno in (errno.ENOTDIR, errno.ELOOP):
                raise DestinationError(
                    f"{self.path / path} is {_kind(name, above)} where a directory must be; move "
                    "it away and run the same command again"
                ) from error
            raise self.error(path, error) from error


def _may_have_other_name(name: str, directory: int) -> bool:
    """Return whether there is a file under a name that only looks like this one: maybe the same."""
    normal = unicodedata.normalize
    alike = {name.swapcase(), normal("NFC", name), normal("NFD", name), name.rstrip(". ")}
    for other in alike - {name, ""}:
        with contextlib.suppress(OSError, ValueError):
            os.lstat(other, dir_fd=directory)
            return True
    return False


def split(path: str) -> tuple[str, ...]:
    """Return the names in a path of a file, each of which is a plain name.

    Raises:
        DestinationError: one of them would lead elsewhere, or to what casfs keeps here.
    """
    names = tuple(path.split("/"))
    for name in names:
        if name in ("", ".", "..") or "\0" in name:
            raise DestinationError(f"{path!r} is not a path that can be restored")
    if _folded(names[0]) == OWN:
        raise DestinationError(f"{path!r} is where casfs keeps the record of this restore")
    for name in names:
        if _OWN_FILE.fullmatch(_folded(name)):
            raise DestinationError(f"{path!r} has the name of a file that casfs writes itself")
    return names


def _folded(name: str) -> str:
    """Return what file systems that ignore case, and blanks and dots at the end, may call alike."""
    return name.casefold().rstrip(". ")


def _kind(name: str, above: int) -> str:
    mode = 0
    with contextlib.suppress(OSError):
        mode = os.lstat(name, dir_fd=above).st_mode
    return "a link" if stat.S_ISLNK(mode) else "a file"
