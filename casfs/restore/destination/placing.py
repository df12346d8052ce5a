"""Gives a file that is whole and verified its name; until then it has none that anybody uses."""

import contextlib
import ctypes
import errno
import os
import re
import stat
from pathlib import Path
from unicodedata import normalize

from casfs.errors import CasfsError, DestinationError
from casfs.restore.destination.existing_files import Overwrite, judge_other
from casfs.restore.destination.opened_tree import OpenedDirectory, OpenedTree
from casfs.restore.destination.stored_times import set_time

_NOREPLACE = 1
"""RENAME_NOREPLACE of renameat2(2)."""
_LISTINGS = 8
"""A listing may miss a name while others in the directory change, as by FUSE, which lists a large
directory in pieces."""
_renameat2 = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
"""None where the C library has none."""


class FileAppearedError(CasfsError):
    """A file has appeared where none may be replaced."""

    code = errno.EEXIST


def umask() -> int:
    """Return the umask, without setting it meanwhile for all threads where the kernel says it."""
    with contextlib.suppress(OSError):
        found = re.search(r"^Umask:\s*([0-7]+)$", Path("/proc/self/status").read_text(), re.M)
        if found is not None:
            return int(found[1], 8)
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def set_facts(file: int, mtime: int, mode: int) -> None:
    """Give a file that is open the mode and the time that it will have under its name.

    A mode or a time that the file system cannot store is left as it is.

    Args:
        file: descriptor.
        mtime: nanoseconds since 1970.
        mode: permissions.

    Raises:
        OSError: it cannot be changed.
    """
    try:
        os.fchmod(file, mode)
    except OSError as error:
        # The owner may change it, unless the file system has one mode for all files.
        if error.errno not in (errno.EPERM, errno.ENOSYS, errno.EOPNOTSUPP):
            raise
    set_time(file, mtime)


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
        if replace:
            if tree.ignores_case or normalize("NFC", name) != normalize("NFD", name):
                _require_own_name(tree, path, name, where)
            os.rename(part, name, src_dir_fd=where, dst_dir_fd=where)
        else:
            _rename_to_new(part, name, where)
    except CasfsError:
        raise
    except FileExistsError as error:
        raise FileAppearedError(
            f"{tree.path / path} has appeared meanwhile, or its file system takes its name for "
            "that of another archive; the existing file is kept. Move it away and run the same "
            "command again"
        ) from error
    except OSError as error:
        raise tree.error(path, error) from error


def may_replace(directory: OpenedDirectory, path: str, mtime: int, overwrite: Overwrite) -> bool:
    """Return whether what is at a path now may be replaced: hours after it was judged first.

    Args:
        directory: that the file is in.
        path: of the file.
        mtime: of the archive, nanoseconds since 1970.
        overwrite: which files may be replaced.

    Raises:
        FileAppearedError: it may not: somebody has put something else there.
    """
    try:
        status = os.lstat(path.rpartition("/")[2], dir_fd=directory.descriptor)
    except FileNotFoundError:
        return False
    if overwrite is Overwrite.ALWAYS:
        return True
    found = judge_other(status.st_mtime_ns, mtime, differs=True)
    if not stat.S_ISREG(status.st_mode) or found.is_kept:
        raise FileAppearedError(
            f"{path} has meanwhile been replaced by something newer, which is kept"
        )
    return True


def _rename_to_new(old: str, new: str, directory: int) -> None:
    """Rename a file, unless there is one of that name: in one step, where the system can.

    Raises:
        FileExistsError: there is one.
        OSError: it cannot be renamed.
    """
    if _renameat2 is not None:
        if not _renameat2(directory, os.fsencode(old), directory, os.fsencode(new), _NOREPLACE):
            return
        code = ctypes.get_errno()
        if code not in (errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP):
            raise OSError(code, os.strerror(code))
    try:
        os.link(old, new, src_dir_fd=directory, dst_dir_fd=directory, follow_symlinks=False)
    except FileExistsError:
        raise
    except OSError:
        # There are no hard links, either.
        if _exists(new, directory):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST)) from None
        os.rename(old, new, src_dir_fd=directory, dst_dir_fd=directory)
    else:
        os.unlink(old, dir_fd=directory)


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
    os.lstat(name, dir_fd=where)
    other = "another file"
    for _ in range(_LISTINGS):
        names = os.listdir(where)
        if name in names:
            return
        other = next((one for one in names if _folded(one) == _folded(name)), other)
    raise DestinationError(
        f"cannot write {tree.path / path}: its file system takes the name for that of "
        f"{other}, which is there; restore one of the two elsewhere"
    )


def _folded(name: str) -> str:
    return normalize("NFC", name).casefold()


def _exists(name: str, directory: int) -> bool:
    try:
        os.lstat(name, dir_fd=directory)
    except FileNotFoundError:
        return False
    return True
