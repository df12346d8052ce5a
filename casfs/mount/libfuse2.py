"""The session over libfuse 2, through fusepy."""

import ctypes
import os
from collections.abc import Callable
from functools import partial
from importlib import metadata
from typing import Any

import fuse

from casfs.errors import LibraryError
from casfs.mount.kernel_cache import FileStatus
from casfs.mount.names import decode_name, encode_name
from casfs.mount.operations import OPERATIONS, Operations
from casfs.mount.session import AHEAD, Loop, Settings
from casfs.mount.signals import waits_in_vain
from casfs.ranges import BLOCK_SIZE
from casfs.third_party_internals import libfuse


class Libfuse2Session:
    """A session of fusepy."""

    def __init__(self) -> None:
        self._loop = Loop()

    def run(self, operations: Operations, settings: Settings, started: Callable[[], None]) -> None:
        """Serve a mount, as `Session` says."""

        def begin(path: str) -> None:
            del path
            library = libfuse(fuse)
            pointer = ctypes.c_void_p(library.fuse_get_context().contents.fuse)
            for call in (library.fuse_get_session, library.fuse_session_next_chan):
                call.restype = ctypes.c_void_p
            session = ctypes.c_void_p(library.fuse_get_session(pointer))
            channel = ctypes.c_void_p(library.fuse_session_next_chan(session, None))
            device = library.fuse_chan_fd(channel)
            operations.watch(waits_in_vain(library))
            self._loop.begin(partial(library.fuse_exit, pointer), device, started)

        options: dict[str, str | bool] = {"use_ino": True, "nonempty": True}
        options["max_background"] = str(AHEAD)
        for what in ("attr_timeout", "entry_timeout"):
            options[what] = str(settings.fresh_seconds)
        try:
            fuse.FUSE(
                _Callbacks(operations, settings.owner, begin),
                os.fsencode(settings.mountpoint).decode("latin-1"),
                raw_fi=True,
                encoding="latin-1",
                foreground=True,
                **{
                    name: os.fsencode(value).decode("latin-1") if isinstance(value, str) else value
                    for name, value in (options | dict(settings.options)).items()
                },
            )
        except RuntimeError as error:
            raise LibraryError(f"{settings.mountpoint} could not be mounted") from error
        finally:
            self._loop.end()

    def stop(self) -> None:
        """Make the session end, as `Session` says."""
        self._loop.stop()

    def gone(self) -> bool:
        """Return whether the kernel sends no more requests, as `Session` says."""
        return self._loop.gone()


class _Callbacks:
    """What fusepy calls: each operation is an attribute that calls this object with its name."""

    use_ns = True
    flag_nullpath_ok = 1
    flag_nopath = 1

    def __init__(
        self, operations: Operations, owner: tuple[int, int], begin: Callable[[str], None]
    ) -> None:
        self._operations = operations
        self._owner = owner
        self.init = begin
        for name in OPERATIONS:
            setattr(self, name, partial(self, name))

    def __call__(self, operation: str, path: str | None, *args: Any) -> Any:
        if operation == "init":
            return self.init(path or "/")
        decoded = None if path is None else _from_kernel(path)
        if operation == "readdir":
            return self._entries(decoded, *args)
        found = self._operations(operation, decoded, *args)
        return self._attributes(found) if isinstance(found, FileStatus) else found

    def _entries(self, path: str | None, handle: int) -> list[tuple[str, Any, int]]:
        entries: list[tuple[str, Any, int]] = []

        def emit(name: str, status: FileStatus | None, place: int) -> bool:
            del place
            entries.append((_to_kernel(name), self._attributes(status) if status else None, 0))
            return True

        self._operations("readdir", path, handle, emit)
        return entries

    def _attributes(self, status: FileStatus) -> dict[str, int]:
        # From a listing the kernel uses nothing but mode and inode here.
        size = status.size or 0
        return {
            "st_mode": status.mode,
            "st_ino": status.inode,
            "st_nlink": 1,
            "st_uid": self._owner[0],
            "st_gid": self._owner[1],
            "st_size": size,
            "st_blocks": -(-size // 512),
            "st_blksize": BLOCK_SIZE,
            "st_atime": status.mtime,
            "st_mtime": status.mtime,
            "st_ctime": status.mtime,
        }


def _from_kernel(path: str) -> str:
    """Return a path as Python writes it: fusepy can pass bytes only as Latin-1."""
    return decode_name(path.encode("latin-1"))


def _to_kernel(name: str) -> str:
    return encode_name(name).decode("latin-1")


def versions() -> str:
    """Return the versions of the library and of the binding."""
    major, minor = divmod(libfuse(fuse).fuse_version(), 10)
    return f"libfuse {major}.{minor}, fusepy {metadata.version('fusepy')}"
