"""Gives a file that is whole and verified its name; until then it has none that anybody uses."""

import errno
import os
import stat

from casfs.errors import CasfsError
from casfs.restore.destination.opened_tree import OpenedDirectory, OpenedTree


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
        DestinationError: it cannot be renamed.
    """
    name, where = path.rpartition("/")[2], directory.descriptor
    try:
        if not replace and _exists(name, where):
            raise FileAppearedError(f"{tree.path / path} has appeared meanwhile; it is kept")
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


def _exists(name: str, directory: int) -> bool:
    try:
        os.lstat(name, dir_fd=directory)
    except FileNotFoundError:
        return False
    return True
