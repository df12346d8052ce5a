"""What is wrong with a disk, in a user's words, and which disk it is."""

import contextlib
import errno
import os
from pathlib import Path

_SETTINGS = frozenset({
    errno.EACCES, errno.EPERM, errno.ENOTDIR, errno.ENAMETOOLONG, errno.ELOOP, errno.EISDIR,
    errno.EINVAL, errno.ENOENT, errno.EEXIST,
})  # fmt: skip
_TOLD = {
    errno.EDQUOT: "has no room left: the quota is used up",
    errno.EROFS: "is read-only",
}


def is_disk_failure(error: OSError) -> bool:
    """Tell whether a disk is full or fails; else a setting is wrong, and trying again is no use."""
    return error.errno not in _SETTINGS


def existing(path: Path) -> Path:
    """Return the nearest directory that is there: the path itself, or one that it is to be in."""
    while not path.is_dir() and path != path.parent:
        path = path.parent
    return path


def disk_of(path: Path) -> Path:
    """Return where the disk is mounted that a path is on, or is to be on."""
    at = Path(os.path.realpath(existing(path)))
    with contextlib.suppress(OSError):
        while at != at.parent and not os.path.ismount(at):
            at = at.parent
    return at


def trouble(path: Path, error: OSError | None = None) -> str:
    """Return which disk a path is on, and what is wrong with it.

    Args:
        path: of what could not be written or read; it need not be there.
        error: what happened, None if the disk is to be asked how full it is.
    """
    at = disk_of(path)
    code = error.errno if error is not None else errno.ENOSPC
    told = _TOLD.get(code or 0)
    if code == errno.ENOSPC:
        told = "is full"
        with contextlib.suppress(OSError):
            if os.statvfs(at).f_files and not os.statvfs(at).f_favail:
                told = "has no room for one more file (no free inodes)"
    if told is None:
        told = f"fails ({error.strerror if error is not None and error.strerror else error})"
    return f"the disk at {at} {told}"
