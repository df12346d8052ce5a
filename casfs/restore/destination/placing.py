"""Gives a file that is whole and verified its name; until then it has none that anybody uses."""

import errno
import os
import stat
import threading
from unicodedata import normalize

from casfs.errors import CasfsError, DestinationError
from casfs.restore.destination.opened_tree import OpenedDirectory, OpenedTree

_placing = threading.Lock()
"""Of two names that a file system takes for one, the second finds the first. Innermost; held for
looking and renaming."""


class FileAppearedError(CasfsError):
    """A file has appeared where none may be replaced."""

    code = errno.EEXIST


def umask() -> int:
    """Return the umask; call it while there is one thread."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def set_facts(file: int, mtime: int, mode: int) -> None:
    """Give a file that is open the mode and the time that it will have under its name.

    A time that the file system cannot store is left as it is.

    Args:
        file: descriptor.
        mtime: nanoseconds since 1970.
        mode: permissions.

    Raises:
        OSError: it cannot be changed.
    """
    os.fchmod(file, mode)
    try:
        os.utime(file, ns=(mtime, mtime))
    except OverflowError:
        return
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.EOVERFLOW, errno.ERANGE):
            raise


def place(
    tree: OpenedTree, directory: OpenedDirectory, part: str, path: str, replace: bool
) -> None:
    """Rename a file that is whole.

    Args:
        tree: explains what fails.
        directory: has the file, and gets its name.
        part: name of the file until now.
        path: where it belongs.
        replace: a file may be replaced.

    Raises:
        FileAppearedError: there is one by now that may not be replaced.
        DestinationError: it cannot be renamed, or would replace a file of another name.
    """
    name, where = path.rpartition("/")[2], directory.descriptor
    try:
        with _placing:
            if _exists(name, where):
                if not replace:
                    raise FileAppearedError(
                        f"{tree.path / path} has appeared meanwhile; it is kept"
                    )
                if tree.ignores_case or normalize("NFC", name) != normalize("NFD", name):
                    _require_own_name(tree, path, name, where)
            os.rename(part, name, src_dir_fd=where, dst_dir_fd=where)
    except CasfsError:
        raise
    except OSError as error:
        raise tree.error(path, error) from error


def is_same_file(directory: OpenedDirectory, name: str, file: int) -> bool:
    """Return whether a name is that of a file that is open."""
    try:
        status = os.lstat(name, dir_fd=directory.descriptor)
    except OSError:
        return False
    return stat.S_ISREG(status.st_mode) and os.path.samestat(status, os.fstat(file))


def _require_own_name(tree: OpenedTree, path: str, name: str, where: int) -> None:
    """Refuse to replace a file that only the file system takes for one of this name.

    Some ignore case, or how a letter is composed: two archives are one file there.

    Raises:
        DestinationError: it is such a file.
    """
    status = os.lstat(name, dir_fd=where)
    with os.scandir(where) as entries:
        names = [entry.name for entry in entries if entry.inode() == status.st_ino]
    if names and name not in names:
        raise DestinationError(
            f"cannot write {tree.path / path}: its file system takes the name for that of "
            f"{names[0]}, which is there; restore one of the two elsewhere"
        )


def _exists(name: str, directory: int) -> bool:
    try:
        os.lstat(name, dir_fd=directory)
    except FileNotFoundError:
        return False
    return True
