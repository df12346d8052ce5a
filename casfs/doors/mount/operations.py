"""The operations of FUSE, each one call of the client.

The only module that knows the FUSE binding, so that another one of the same interface is one line.
"""

import ctypes
import errno
import itertools
import logging
import os
import stat
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from casfs.client import Client, File
from casfs.errors import CasfsError, MountError
from casfs.ranges import BLOCK_SIZE
from casfs.tree.nodes import CONTROL, Node

try:
    import fuse
except OSError as failure:
    raise MountError(
        f"the FUSE library is missing ({failure}); install it: apt-get install libfuse2 fuse3"
    ) from failure

log = logging.getLogger(__name__)

_PREFIX = "user.casfs."
_WRITING = os.O_WRONLY | os.O_RDWR
_REMEMBERED_SECONDS = 1.0
_QUIET = (errno.ENOENT, errno.ENODATA, errno.EROFS)
"""Answers that are part of ordinary use, and no news for the log."""


def _from_kernel(path: str) -> str:
    """Return a path as Python writes it: the binding hands over bytes as Latin-1."""
    return os.fsdecode(path.encode("latin-1"))


def _to_kernel(name: str) -> str:
    return os.fsencode(name).decode("latin-1")


@dataclass(frozen=True)
class _Failure:
    """A read that failed: its bytes, the errno, and until when it is remembered."""

    span: range
    errno: int
    until: float


@dataclass
class OpenFile:
    """An open file, with the last failure to read it.

    The kernel asks once more for pages that it wanted ahead and that failed. It gets the answer of
    the first time, or every error would take twice its time.
    """

    file: File
    node: Node
    failure: _Failure | None = None

    def pread(self, size: int, offset: int) -> bytes | memoryview:
        """Return bytes of the file."""
        failed = self.failure
        if failed and offset in failed.span and time.monotonic() < failed.until:
            raise fuse.FuseOSError(failed.errno)
        try:
            return self.file.pread(size, offset)
        except CasfsError as error:
            until = time.monotonic() + _REMEMBERED_SECONDS
            self.failure = _Failure(range(offset, offset + size), error.errno or errno.EIO, until)
            raise


class Operations(fuse.Operations):  # type: ignore[misc]
    """Translates the kernel's requests, and every error to an errno.

    Args:
        client: answers them.
        owner: user and group that own everything.
        umask: permissions to take away from 0444 and 0555.
        started: is called when the kernel begins to ask.
    """

    use_ns = True
    # Reads come with a handle: the library need not work out the path.
    flag_nullpath_ok = 1
    flag_nopath = 1
    # The binding wants a path here that does not come. Without it, "no terminal" is answered.
    ioctl = None

    def __init__(
        self, client: Client, owner: tuple[int, int], umask: int, started: Callable[[], None]
    ) -> None:
        self._client = client
        self._owner = owner
        self._umask = umask
        self._started = started
        self._files: dict[int, OpenFile] = {}
        self._folders: dict[int, list[Node]] = {}
        self._handles = itertools.count(1)
        self._threads: set[int] = set()

    def __call__(self, operation: str, path: str | None, *args: Any) -> Any:
        """Run an operation; let nothing but an `OSError` with a real errno out.

        The binding crashes on an OSError without errno, which those of requests are, and then
        reports success with no data to the program that reads.
        """
        self._keep_thread()
        try:
            decoded = None if path is None else _from_kernel(path)
            return getattr(self, operation)(decoded, *args)
        except CasfsError as error:
            if error.errno not in _QUIET:
                log.error("%s: %s", self._about(operation, path, args), error)
            raise fuse.FuseOSError(error.errno) from error
        except fuse.FuseOSError:
            raise
        except Exception as error:
            log.exception("%s met a bug; please report it", self._about(operation, path, args))
            raise fuse.FuseOSError(errno.EIO) from error

    def _keep_thread(self) -> None:
        """Keep what Python makes for a thread that is not its own: else every request makes anew.

        Holding the state once more than it is let go keeps it. It is never freed, so of threads
        that the library ends and begins again only the first in each place is kept.
        """
        thread = threading.get_ident()
        if thread not in self._threads:
            self._threads.add(thread)
            ctypes.pythonapi.PyGILState_Ensure()

    def init(self, path: str) -> None:
        """Note that the kernel begins to ask."""
        del path
        self._started()

    def getattr(self, path: str | None, handle: Any = None) -> dict[str, int]:
        """Return the status of what stands at a path, or of an open file."""
        if path is None:
            return self._status(self._files[handle.fh].node)
        return self._status(self._client.stat(path))

    def opendir(self, path: str) -> int:
        """Look a folder's entries up, for as long as it is open."""
        handle = next(self._handles)
        self._folders[handle] = self._client.list(path)
        return handle

    def readdir(self, path: str | None, handle: int) -> Iterator[tuple[str, Any, int]]:
        """Return the entries of an open folder."""
        del path
        nodes = self._folders[handle]
        names = ((node.path.rpartition("/")[2], node) for node in nodes)
        entries = ((_to_kernel(name), self._kind(node), 0) for name, node in names)
        return itertools.chain([(".", None, 0), ("..", None, 0)], entries)

    def releasedir(self, path: str | None, handle: int) -> int:
        """Close a folder."""
        del path
        del self._folders[handle]
        return 0

    def open(self, path: str, info: Any) -> int:
        """Open a file for reading."""
        if info.flags & _WRITING:
            raise fuse.FuseOSError(errno.EROFS)
        node = self._client.stat(path)
        handle = next(self._handles)
        file = self._client.open(node)
        self._files[handle] = OpenFile(file, node)
        info.fh = handle
        # What the kernel has of bytes that are verified serves the next who opens as well. Other
        # pages must go: a mismatch found since would not reach who reads them.
        info.keep_cache = file.lasting
        # It must not trust the size of bytes that change all the time.
        info.direct_io = path.startswith(f"/{CONTROL}/")
        return 0

    def read(self, path: str | None, size: int, offset: int, info: Any) -> Any:
        """Return bytes of an open file."""
        del path
        data = self._files[info.fh].pread(size, offset)
        if isinstance(data, bytes) or not data:
            return bytes(data)
        # The binding copies from bytes, or straight from memory that is dressed as an array.
        return (ctypes.c_char * len(data)).from_buffer(data)

    def release(self, path: str | None, info: Any) -> int:
        """Close a file."""
        del path
        self._files.pop(info.fh).file.close()
        return 0

    def statfs(self, path: str) -> dict[str, int]:
        """Return the status of the file system: nothing free, and nothing known of what is used."""
        del path
        return {
            "f_bsize": BLOCK_SIZE,
            "f_frsize": BLOCK_SIZE,
            "f_namemax": 255,
            "f_flag": os.ST_RDONLY,
        }

    def getxattr(self, path: str, name: str, position: int = 0) -> bytes:
        """Return an extended attribute."""
        del position
        # The kernel asks for attributes of its own with every access.
        if name.startswith(_PREFIX):
            value = self._client.attributes(self._client.stat(path)).get(name[len(_PREFIX) :])
            if value is not None:
                return value.encode()
        raise fuse.FuseOSError(errno.ENODATA)

    def listxattr(self, path: str) -> list[str]:
        """Return the names of all extended attributes."""
        return [_PREFIX + name for name in self._client.attributes(self._client.stat(path))]

    def setxattr(self, path: str, *args: Any) -> int:
        """Refuse."""
        del path, args
        raise fuse.FuseOSError(errno.EROFS)

    def _about(self, operation: str, path: str | None, args: tuple[Any, ...]) -> str:
        """Return what an operation is about, for the log."""
        if operation != "read":
            return f"{operation} {_from_kernel(path or '')}"
        size, offset, info = args
        return f"read {self._files[info.fh].node.path}, bytes {offset}-{offset + size - 1}"

    def _kind(self, node: Node) -> dict[str, int]:
        mode = stat.S_IFDIR | 0o555 if node.folder else stat.S_IFREG | 0o444
        return {"st_mode": mode & ~self._umask, "st_ino": node.inode}

    def _status(self, node: Node) -> dict[str, int]:
        return self._kind(node) | {
            "st_nlink": 1,
            "st_uid": self._owner[0],
            "st_gid": self._owner[1],
            "st_size": node.size,
            "st_blocks": -(-node.size // 512),
            "st_blksize": BLOCK_SIZE,
            "st_atime": node.mtime,
            "st_mtime": node.mtime,
            "st_ctime": node.mtime,
        }


class Session:
    """A FUSE session: the kernel on one side, operations on the other."""

    def __init__(self) -> None:
        self._pointer: ctypes.c_void_p | None = None

    def run(
        self,
        client: Client,
        mountpoint: str,
        options: dict[str, str | bool],
        owner: tuple[int, int],
        umask: int,
        started: Callable[[], None],
    ) -> None:
        """Serve a mount until it is unmounted or `stop` is called.

        Raises:
            MountError: the library could not mount; it said why on standard error.
        """

        def begin() -> None:
            self._pointer = ctypes.c_void_p(fuse._libfuse.fuse_get_context().contents.fuse)
            started()

        try:
            fuse.FUSE(
                Operations(client, owner, umask, begin),
                _to_kernel(mountpoint),
                raw_fi=True,
                encoding="latin-1",
                foreground=True,
                **options,
            )
        except RuntimeError as error:
            raise MountError(f"{mountpoint} could not be mounted; see the line above") from error

    def stop(self) -> None:
        """Tell the session to end; the thread that runs it must then be woken by a signal."""
        if self._pointer is not None:
            fuse._libfuse.fuse_exit(self._pointer)
