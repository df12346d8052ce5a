"""The session over libfuse 3, through mfusepy."""

import ctypes
import errno
import os
from collections.abc import Callable
from functools import partial
from importlib import metadata
from types import SimpleNamespace
from typing import Any

# Otherwise libfuse 2 is chosen where both are installed.
os.environ.setdefault("FUSE_LIBRARY_NAME", "fuse3")
import mfusepy

from casfs.errors import LibraryError
from casfs.mount.attributes import KIND
from casfs.mount.kernel_cache import FileStatus
from casfs.mount.mount_tuning import TUNING
from casfs.mount.names import NAMES, decode_name, encode_name, from_locale
from casfs.mount.operations import OPERATIONS, Operations
from casfs.mount.session import AHEAD, THREADS, Loop, Settings
from casfs.mount.signals import waits_in_vain
from casfs.ranges import BLOCK_SIZE
from casfs.third_party_internals import libfuse

if mfusepy.fuse_version_major != 3:
    raise OSError(f"this is libfuse {mfusepy.fuse_version_major}")

_KIND = KIND.encode()
_FILL_PLUS = 2
"""FUSE_FILL_DIR_PLUS of libfuse's fuse.h: an entry comes with all its attributes."""


class Libfuse3Session:
    """A session of mfusepy."""

    def __init__(self) -> None:
        self._loop = Loop()

    def run(self, operations: Operations, settings: Settings, started: Callable[[], None]) -> None:
        """Serve a mount, as `Session` says."""

        def begin(connection: Any, config: Any) -> None:
            library = libfuse(mfusepy)
            fuse = ctypes.c_void_p(library.fuse_get_context().contents.fuse)
            library.fuse_get_session.restype = ctypes.c_void_p
            session = ctypes.c_void_p(library.fuse_get_session(fuse))

            def invalidate(path: str) -> None:
                library.fuse_invalidate_path(fuse, encode_name(path))

            operations.watch(waits_in_vain(library), invalidate)

            def set_up() -> None:
                config.use_ino = True
                config.nullpath_ok = True
                connection.max_background = AHEAD
                # libfuse 3 needs this in both places.
                if "max_read" in settings.options:
                    connection.max_read = int(settings.options["max_read"])
                started()

            device = library.fuse_session_fd(session)
            self._loop.begin(partial(library.fuse_exit, fuse), device, set_up)

        options: dict[str, str | bool] = {"max_idle_threads": str(TUNING.idle_threads)}
        # Since 3.12 there is a limit, which is 10 by default.
        if mfusepy.fuse_version_minor >= 12:
            options["max_threads"] = str(THREADS)
        for what in ("attr_timeout", "entry_timeout"):
            options[what] = str(settings.fresh_seconds)
        try:
            _Fuse(
                operations,
                settings.owner,
                begin,
                settings.mountpoint,
                options | dict(settings.options),
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


class _Fuse(mfusepy.FUSE):  # type: ignore[misc]
    """The binding, with the most frequent requests optimized, and with attributes in listings."""

    def __init__(
        self,
        operations: Operations,
        owner: tuple[int, int],
        begin: Callable[[Any, Any], None],
        mountpoint: str,
        options: dict[str, str | bool],
    ) -> None:
        self._call = operations
        self._owner = owner
        callbacks = {name: partial(operations, name) for name in OPERATIONS}
        super().__init__(
            SimpleNamespace(use_ns=True, init_with_config=begin, **callbacks),
            from_locale(mountpoint),
            raw_fi=True,
            encoding=NAMES.encoding,
            errors=NAMES.errors,
            foreground=True,
            **{
                name: from_locale(value) if isinstance(value, str) else value
                for name, value in options.items()
            },
        )

    def fgetattr(self, path: bytes | None, buffer: Any, info: Any) -> int:
        """Answer with the attributes of a file."""
        status = self._call(
            "getattr", None if path is None else decode_name(path), info.contents if info else None
        )
        self._fill(buffer.contents, status)
        return 0

    def getxattr(self, path: bytes, name: bytes, value: Any, size: int, *args: Any) -> int:
        """Answer with an extended attribute; at once if it is of a kind that is not supported."""
        if not name.startswith(_KIND):
            return -errno.ENOTSUP
        answer: int = super().getxattr(path, name, value, size, *args)
        return answer

    def readdir_fuse_3(
        self, path: bytes | None, buffer: Any, filler: Any, offset: int, info: Any, flags: int
    ) -> int:
        """Answer with as many entries from an offset on as the kernel has room for."""
        del path
        plus = _FILL_PLUS if flags else 0
        stat = mfusepy.c_stat()

        def emit(name: str, status: FileStatus | None, place: int) -> bool:
            if status is None:
                return not filler(buffer, encode_name(name), None, place, 0)
            if not plus or status.size is None:
                stat.st_mode, stat.st_ino = status.mode, status.inode
                return not filler(buffer, encode_name(name), stat, place, 0)
            self._fill(stat, status)
            return not filler(buffer, encode_name(name), stat, place, plus)

        self._call("readdir", None, info.contents.fh, emit, offset, bool(plus))
        return 0

    def _fill(self, stat: Any, status: FileStatus) -> None:
        stat.st_mode, stat.st_ino, size, mtime = status
        stat.st_size = size or 0
        stat.st_nlink = 1
        stat.st_uid, stat.st_gid = self._owner
        stat.st_blocks = -(-stat.st_size // 512)
        stat.st_blksize = BLOCK_SIZE
        seconds, nanoseconds = divmod(mtime, 10**9)
        for timespec in (stat.st_atimespec, stat.st_mtimespec, stat.st_ctimespec):
            timespec.tv_sec, timespec.tv_nsec = seconds, nanoseconds


def versions() -> str:
    """Return the versions of the library and of the binding."""
    library = libfuse(mfusepy)
    library.fuse_pkgversion.restype = ctypes.c_char_p
    return f"libfuse {library.fuse_pkgversion().decode()}, mfusepy {metadata.version('mfusepy')}"
