"""Brings the names in a directory to disk, where its file system can do that."""

import errno
import os

UNSUPPORTED = (errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP)
"""What fsync(2) answers where something cannot be synced: on vboxsf, and some FUSE file systems."""


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
        if error.errno not in UNSUPPORTED:
            raise
