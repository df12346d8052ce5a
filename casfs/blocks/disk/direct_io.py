"""Block files, read and written past the kernel's page cache where the file system allows it.

A block passes the page cache on its way to the program that reads the mount; a second copy there,
of the cache's own file, would cost more than all the rest of the way.
"""

import contextlib
import errno
import fcntl
import os
from pathlib import Path

from casfs.blocks.buffers import Buffers
from casfs.private import PrivateDirectory

_PAGE = 4096


def write_file(path: Path, data: memoryview) -> None:
    """Make a file of these bytes; there must be none yet.

    Raises:
        OSError: no room, no permission, or a failing disk; nothing is left behind then.
    """
    file = _open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, len(data) % _PAGE == 0)
    try:
        written = 0
        while written < len(data):
            try:
                written += os.write(file, data[written:])
            except OSError as error:
                if error.errno != errno.EINVAL or not _stop_direct(file):
                    raise
    except OSError:
        path.unlink()
        raise
    finally:
        os.close(file)


def read_file(
    path: Path, length: int, memory: Buffers, private: PrivateDirectory
) -> memoryview | None:
    """Return the bytes of a file, None if it has not exactly `length` of them.

    The file's time is set to now, which tells eviction that it is in use.

    Raises:
        ConfigError: it is a link, no file, or somebody else's.
        OSError: it is not there, or cannot be read.
    """
    data = memory.take(length)
    try:
        file = _open(path, os.O_RDONLY, length % _PAGE == 0)
    except OSError:
        private.check_file(path)
        raise
    try:
        status = os.fstat(file)
        if (status.st_uid, status.st_mode) != private.ordinary_file:
            private.check_open(file, path)
        if status.st_size != length:
            return None
        done = 0
        while done < length:
            try:
                got = os.preadv(file, [data[done:]], done)
            except OSError as error:
                if error.errno != errno.EINVAL or not _stop_direct(file):
                    raise
                continue
            if got == 0:
                return None
            done += got
        with contextlib.suppress(OSError):
            # A cache that may only be read has no eviction either.
            os.utime(file)
        return data
    finally:
        os.close(file)


def _open(path: Path, flags: int, direct: bool) -> int:
    flags |= os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
    if direct:
        try:
            return os.open(path, flags | os.O_DIRECT, 0o600)
        except OSError as error:
            if error.errno != errno.EINVAL:
                raise
            # The file system knows no direct access, and may have made the file all the same.
            if flags & os.O_CREAT:
                path.unlink(missing_ok=True)
    return os.open(path, flags, 0o600)


def _stop_direct(file: int) -> bool:
    """Go on through the page cache, as memory or length do not suit; return whether that is new."""
    flags = fcntl.fcntl(file, fcntl.F_GETFL)
    fcntl.fcntl(file, fcntl.F_SETFL, flags & ~os.O_DIRECT)
    return bool(flags & os.O_DIRECT)
