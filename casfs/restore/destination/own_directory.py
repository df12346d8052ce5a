"""What casfs keeps in the directory of a restore: `.casfs-restore`, with the manifest.

.casfs-restore/manifest.jsonl    what became of each archive (`manifest.py`)
.casfs-restore/SHA256SUMS        for `sha256sum -c`, run in the directory of the restore
.casfs-restore/lock              locked while a restore writes there
"""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from casfs.destination_errors import sync_error
from casfs.directory_sync import sync_directory
from casfs.errors import (
    ConfigError,
    DestinationBusyError,
    DestinationDiskError,
    DestinationError,
)
from casfs.reasons import reason
from casfs.restore.destination.manifest import NAME, SUMS
from casfs.restore.destination.name_rules import NameRules, probed_rules
from casfs.restore.destination.opened_tree import OWN, OpenedDirectory, OpenedTree
from casfs.restore.destination.placing import is_same_file
from casfs.restore.destination.stored_times import stores_times

_LOCK = "lock"
_MODE = 0o644


class OwnDirectory:
    """The directory that casfs keeps in that of a restore; locked while this is open.

    Args:
        tree: the directory of the restore.

    Attributes:
        manifest: path of the manifest.
        sums: path of the file for `sha256sum -c`.

    Raises:
        DestinationBusyError: another restore writes there.
        DestinationError: it cannot be made.
    """

    def __init__(self, tree: OpenedTree) -> None:
        self._tree = tree
        self.manifest = tree.path / OWN / NAME
        self.sums = tree.path / OWN / SUMS
        directory = tree.directory((OWN,), make=True)
        if directory is None:
            raise DestinationError(f"{tree.path / OWN} is gone")
        self._directory: OpenedDirectory = directory
        self._locked = self._open(_LOCK, os.O_RDWR | os.O_CREAT)
        try:
            fcntl.flock(self._locked, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Not by the number of its names: file systems without hard links may say 0.
            is_removed = not is_same_file(directory, _LOCK, self._locked)
        except BlockingIOError:
            is_removed = True
        except OSError as error:
            os.close(self._locked)
            raise tree.error(OWN, error) from error
        if is_removed:
            # It is locked, or whoever had it has removed it just now.
            os.close(self._locked)
            raise DestinationBusyError(
                f"another casfs is restoring into {tree.path}; wait for its end, and run the same "
                "command again"
            )

    def __enter__(self) -> "OwnDirectory":
        return self

    def __exit__(self, *error: object) -> None:
        """Release the lock; what was made for nothing is removed."""
        where = self._directory.descriptor
        with contextlib.suppress(OSError):
            if os.listdir(where) == [_LOCK]:
                os.unlink(_LOCK, dir_fd=where)
                os.rmdir(OWN, dir_fd=self._tree.top.descriptor)
                self._tree.remove_made()
        os.close(self._locked)

    def require_sync(self) -> None:
        """Require that files can be brought to disk here, before anything is paid for.

        The manifest, which is synced first, may be on another disk.

        Raises:
            DestinationSyncError: the disk can never do that.
            DestinationDiskError: it fails.
        """
        try:
            os.fsync(self._locked)
        except OSError as error:
            raise sync_error(str(self._tree.path), self._tree.path, error) from error

    def name_rules(self) -> NameRules:
        """Return which names the file system refuses."""
        return probed_rules(self._directory.descriptor)

    def stores_times(self) -> bool:
        """Return whether files keep the times that they are given."""
        return stores_times(self._directory.descriptor)

    def open_manifest(self) -> int:
        """Open the manifest, and make it if there is none; the caller closes it.

        Raises:
            DestinationError: it cannot be opened.
        """
        file = self._open(NAME, os.O_RDWR | os.O_CREAT | os.O_APPEND)
        try:
            self._directory.sync()
        except OSError as error:
            os.close(file)
            raise self._tree.error(OWN, error) from error
        return file

    def replace_sums(self, lines: Iterator[bytes]) -> None:
        """Write the file for `sha256sum -c` anew.

        Raises:
            DestinationError: it cannot be written.
        """
        new, where = f".{SUMS}.new", self._directory.descriptor
        file = self._open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        try:
            with open(file, "wb") as text:
                text.writelines(lines)
                text.flush()
                self._sync(file, SUMS)
            os.rename(new, SUMS, src_dir_fd=where, dst_dir_fd=where)
            self._directory.sync()
        except OSError as error:
            with contextlib.suppress(OSError):
                os.unlink(new, dir_fd=where)
            raise self._tree.error(f"{OWN}/{SUMS}", error) from error

    def _sync(self, file: int, name: str) -> None:
        try:
            os.fsync(file)
        except OSError as error:
            path = self._tree.path / OWN / name
            raise sync_error(str(path), path.parent, error) from error

    def _open(self, name: str, flags: int) -> int:
        flags |= os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            return os.open(name, flags, _MODE, dir_fd=self._directory.descriptor)
        except OSError as error:
            raise self._tree.error(f"{OWN}/{name}", error) from error


def open_destination(
    path: Path, writes: bool
) -> tuple[OpenedTree, OwnDirectory] | tuple[OpenedTree | None, None]:
    """Open the directory of a restore, and lock what casfs keeps there.

    Args:
        path: of the directory.
        writes: make and lock what is missing; otherwise None stands for it.

    Raises:
        ConfigError: it cannot be written to.
        DestinationBusyError: another restore writes there.
        DestinationDiskError: its disk is full, or fails.
    """
    if not writes:
        return (OpenedTree(path) if path.is_dir() else None), None
    tree = None
    try:
        tree = OpenedTree(path)
        return tree, OwnDirectory(tree)
    except DestinationError as error:
        if tree is not None:
            tree.remove_made()
        if isinstance(error, DestinationBusyError | DestinationDiskError):
            raise
        raise ConfigError(str(error)) from error


def open_manifest_at(path: Path) -> int:
    """Open a manifest that is somewhere else, and make it if there is none; its name is on disk.

    Raises:
        ConfigError: it cannot be opened.
    """
    try:
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
        directory = os.open(path.absolute().parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            file = os.open(path, flags, _MODE)
            sync_directory(directory)
        finally:
            os.close(directory)
    except OSError as error:
        raise ConfigError(f"--manifest {path} cannot be opened: {reason(error)}") from error
    return file


def manifest_of(destination: Path) -> Path:
    """Return where the manifest of a restore is, unless another place was given."""
    return destination / OWN / NAME
