"""Describes failures of disks for users: which disk it is, and what is wrong with it."""

import contextlib
import errno
import os
from pathlib import Path

from casfs.reasons import reason

_SETTINGS = frozenset({
    errno.EACCES, errno.EPERM, errno.ENOTDIR, errno.ENAMETOOLONG, errno.ELOOP, errno.EISDIR,
    errno.EINVAL, errno.ENOENT, errno.EEXIST,
})  # fmt: skip
_TEXTS = {
    errno.EDQUOT: "has no space left: the quota is exhausted",
    errno.EROFS: "is read-only",
}


def is_disk_failure(error: OSError) -> bool:
    """Return whether the disk is full or failing; otherwise a setting is wrong and retries fail."""
    return error.errno not in _SETTINGS


def is_there(path: str) -> bool:
    """Return whether there is something at a path.

    Raises:
        OSError: that cannot be found out.
    """
    try:
        os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return False
    return True


def existing(path: Path) -> Path:
    """Return the nearest directory that exists: the path itself or one of its parents."""
    while not path.is_dir() and path != path.parent:
        path = path.parent
    return path


def disk_of(path: Path) -> Path:
    """Return the mount point of the disk that a path is on, or would be on."""
    at = Path(os.path.realpath(existing(path)))
    with contextlib.suppress(OSError):
        while at != at.parent and not os.path.ismount(at):
            at = at.parent
    return at


def trouble(path: Path, error: OSError | None = None) -> str:
    """Return a description of what is wrong with the disk that a path is on.

    Args:
        path: of what could not be written or read; it need not exist.
        error: the failure; None = the disk is full.
    """
    at = disk_of(path)
    code = error.errno if error is not None else errno.ENOSPC
    text = _TEXTS.get(code or 0)
    if code == errno.ENOSPC:
        text = "is full"
        with contextlib.suppress(OSError):
            if os.statvfs(at).f_files and not os.statvfs(at).f_favail:
                text = "has no free inodes"
    if text is None:
        text = f"failed ({reason(error) if error is not None else 'for an unknown reason'})"
    return f"the disk at {at} {text}"
