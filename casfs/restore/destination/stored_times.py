"""The times of restored files, which not every file system can store."""

import contextlib
import errno
import os

from casfs.restore.destination.existing_files import same_time

_REFUSED = (errno.EPERM, errno.ENOSYS, errno.EOPNOTSUPP)
"""What utimensat(2) answers where files have no times, or only their owner may set them."""
_OUT_OF_RANGE = (errno.EINVAL, errno.EOVERFLOW, errno.ERANGE)
_PROBE = "probe"
_PROBED = 1_000_000_000 * 10**9


def set_time(file: int, mtime: int) -> None:
    """Give a file that is open its time; one that the file system cannot store is left out.

    Args:
        file: descriptor, also of a directory.
        mtime: nanoseconds since 1970.

    Raises:
        OSError: the disk fails.
    """
    try:
        os.utime(file, ns=(mtime, mtime))
    except OverflowError:
        return
    except OSError as error:
        if error.errno not in (*_REFUSED, *_OUT_OF_RANGE):
            raise


def stores_times(directory: int) -> bool:
    """Find out by trying whether the files in a directory keep the times that they are given.

    Args:
        directory: descriptor of one in which nothing else has such names.

    Returns:
        True also if no file can be made: whoever needs one will be told why.
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        file = os.open(_PROBE, flags, 0o600, dir_fd=directory)
    except OSError:
        return True
    try:
        set_time(file, _PROBED)
        return same_time(os.fstat(file).st_mtime_ns, _PROBED)
    except OSError:
        return True
    finally:
        os.close(file)
        with contextlib.suppress(OSError):
            os.unlink(_PROBE, dir_fd=directory)
