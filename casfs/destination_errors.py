"""Explains why a restored file cannot be written, and what to do about it."""

import errno
import os
from pathlib import Path

from casfs.directory_sync import UNSUPPORTED
from casfs.disks import disk_of, trouble
from casfs.errors import (
    CasfsError,
    DestinationDiskError,
    DestinationError,
    DestinationFullError,
    DestinationSyncError,
)

_FULL = (errno.ENOSPC, errno.EDQUOT)
_DISK = (errno.EIO, errno.EROFS, errno.ENODEV, errno.ENXIO, errno.ESTALE)
_NAME = (errno.ENAMETOOLONG, errno.EILSEQ, errno.EINVAL)


def destination_error(shown: str, path: Path, error: OSError) -> CasfsError:
    """Return the error of a file that cannot be written.

    Args:
        shown: path of the file, for people.
        path: of the directory that it is in, to find out about its disk.
        error: what failed.
    """
    if isinstance(error, CasfsError):
        return error
    what = f"cannot write {shown}: "
    if error.errno in _FULL:
        return DestinationFullError(
            f"{what}{trouble(path, error)}; make room and run the same command again"
        )
    if error.errno in _DISK:
        return DestinationDiskError(
            f"{what}{trouble(path, error)}; fix this and run the same command again"
        )
    if error.errno in _NAME:
        return DestinationError(f"{what}its file system does not allow the name")
    return DestinationError(f"{what}{os.strerror(error.errno or 0)}")


def sync_error(shown: str, path: Path, error: OSError) -> CasfsError:
    """Return the error of a file that is written, and that cannot be brought to disk.

    Args:
        shown: path of the file, for people.
        path: of the directory that it is in.
        error: what fsync(2) failed with.
    """
    if error.errno not in UNSUPPORTED:
        return destination_error(shown, path, error)
    return DestinationSyncError(
        f"cannot write {shown}: the disk at {disk_of(path)} cannot sync files (fsync), so a crash "
        "may undo what was written; use another disk"
    )
