"""File handles, as an NFS server has them: a file without a path (name_to_handle_at(2))."""

import ctypes
import os
from pathlib import Path

_LARGEST = 128
_libc = ctypes.CDLL(None, use_errno=True)


class _Handle(ctypes.Structure):
    """`struct file_handle`."""

    _fields_ = (
        ("bytes", ctypes.c_uint),
        ("type", ctypes.c_int),
        ("handle", ctypes.c_ubyte * _LARGEST),
    )


class FileHandle:
    """The handle of a file; taking it opens nothing."""

    def __init__(self, path: Path) -> None:
        self._handle = _Handle(_LARGEST)
        mount = ctypes.c_int()
        place = os.fsencode(path)
        _check(
            _libc.name_to_handle_at(-100, place, ctypes.byref(self._handle), ctypes.byref(mount), 0)
        )

    def open(self, mountpoint: Path, flags: int = os.O_RDONLY) -> int:
        """Open the file in a mount; takes CAP_DAC_READ_SEARCH."""
        directory = os.open(mountpoint, os.O_RDONLY | os.O_DIRECTORY)
        try:
            return _check(_libc.open_by_handle_at(directory, ctypes.byref(self._handle), flags))
        finally:
            os.close(directory)


def _check(found: int) -> int:
    if found < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return found
