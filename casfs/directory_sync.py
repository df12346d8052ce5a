"""Brings the names in a directory to disk, where its file system can do that."""

import errno
import os

_UNSUPPORTED = (errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP)
"""What fsync(2) answers where directories cannot be synced: vboxsf, some FUSE file systems."""


def sync_directory(descriptor: int) -> None:
    """Bring the names in a directory to disk; do nothing where the file system has no such call.

    Args:
        descriptor: of the directory.

    Raises:
        OSError: the disk fails.
    """
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _UNSUPPORTED:
            raise
