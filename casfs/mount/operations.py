"""The operations of FUSE, each one call of the client; knows no binding."""

import ctypes
import errno
import itertools
import logging
import os
import stat
import threading
import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any, Protocol

from casfs.client import Client, File, Node, SmallFile, to_bytes
from casfs.errors import CasfsError
from casfs.mount.failures import Failures
from casfs.mount.kernel_cache import CachedPages, SentAttributes, StaleError, Status
from casfs.mount.options import Modes
from casfs.ranges import BLOCK_SIZE
from casfs.threads import stop_waiting_if, trace_this_thread

log = logging.getLogger(__name__)

OPERATIONS = (
    "getattr", "getxattr", "listxattr", "open", "opendir", "read", "readdir", "release",
    "releasedir", "setxattr", "statfs",
)  # fmt: skip
"""What a binding offers to the kernel; a mount that is read-only is asked for nothing else."""

KIND = "user."
"""The kind of extended attributes that there are. `ls -l` asks for three of other kinds with each
entry, unless it is told once that they are not supported."""
ATTRIBUTES = f"{KIND}casfs."
"""What the names of all of them begin with."""
_LONGEST = 1 << 16
"""Bytes of an extended attribute at most (Linux); of a longer one no program gets anything."""
_WRITING = os.O_WRONLY | os.O_RDWR
_QUIET = (errno.ENOENT, errno.ENODATA, errno.EROFS)
"""Answers that are part of ordinary use, and no news for the log."""


class Info(Protocol):
    """What is open, as the kernel and a binding pass it."""

    fh: int
    flags: int
    direct_io: int
    keep_cache: int


@dataclass(frozen=True)
class OpenFile:
    """An open file, and since when it is open."""

    file: File
    node: Node
    since: float

    @property
    def content(self) -> Hashable:
        """Return what is equal for all handles that read the same bytes of the same file."""
        return self.node.path, self.file.content_version


class Operations:
    """Translates the kernel's requests, and every error to an errno.

    Reads come with a handle and without a path, which the library would have to work out.

    Args:
        client: answers them.
        modes: permissions of files and directories.
    """

    def __init__(self, client: Client, modes: Modes) -> None:
        self._client = client
        self._file_mode = stat.S_IFREG | modes.file
        self._directory_mode = stat.S_IFDIR | modes.directory
        self._files: dict[int, OpenFile] = {}
        self._pages = CachedPages()
        self._sent = SentAttributes()
        self._failures = Failures()
        self._directories: dict[int, list[Node]] = {}
        self._handles = itertools.count(1)
        self._threads: set[int] = set()
        self._interrupted: Callable[[], bool] | None = None

    def watch(self, interrupted: Callable[[], bool]) -> None:
        """Answer EINTR to whoever is told to end while it waits for a listing.

        Else the kernel keeps a program waiting, even one that is killed, until there is an answer.

        Args:
            interrupted: returns whether the caller of this thread's request is told to end.
        """
        self._interrupted = interrupted

    def __call__(self, operation: str, path: str | None, *args: Any) -> Any:
        """Run an operation; let nothing but an `OSError` with a real errno out.

        A binding makes something of any other exception, down to success without data: fusepy
        does of an OSError without errno, which those of requests are.
        """
        self._keep_thread()
        try:
            return getattr(self, operation)(path, *args)
        except InterruptedError as error:
            raise _answer(errno.EINTR) from error
        except CasfsError as error:
            if error.errno not in _QUIET:
                log.error("%s: %s", self._about(operation, path, args), error)
            raise _answer(error.errno or errno.EIO) from error
        except (_AnswerError, StaleError):
            raise
        except Exception as error:
            log.exception("%s hit a bug; please report it", self._about(operation, path, args))
            raise _answer(errno.EIO) from error

    def _keep_thread(self) -> None:
        """Keep what Python makes for a thread that is not its own: else every request makes anew.

        Holding the state once more than it is let go keeps it. It is never freed, so of threads
        that the library ends and begins again only the first in each place is kept.
        """
        thread = threading.get_ident()
        if thread not in self._threads:
            self._threads.add(thread)
            ctypes.pythonapi.PyGILState_Ensure()
            trace_this_thread()
        if self._interrupted is not None:
            stop_waiting_if(self._interrupted)

    def getattr(self, path: str | None, info: Info | None = None) -> Status:
        """Return the status of what is at a path, or of an open file."""
        if path is None and info is not None:
            return self._status(self._files[info.fh].node)
        return self._status(self._sent.note(self._node(path or "/")))

    def opendir(self, path: str) -> int:
        """Look a directory's entries up, for as long as it is open."""
        handle = next(self._handles)
        self._directories[handle] = self._client.list(path)
        return handle

    def readdir(
        self,
        path: str | None,
        handle: int,
        emit: Callable[[str, Status | None, int], bool],
        start: int = 0,
        plus: bool = False,
    ) -> None:
        """Emit name, status and the place behind it of each entry, until `emit` has enough.

        Args:
            path: not used.
            handle: the open directory.
            emit: takes an entry; returns False to stop.
            start: the place to begin at, 0 or one that was emitted.
            plus: whether the kernel takes over the status of an entry, if its size is known.
        """
        del path
        nodes = self._directories[handle]
        for place, name in enumerate((".", "..")[start:], start):
            if not emit(name, None, place + 1):
                return
        for place in range(max(start, 2), len(nodes) + 2):
            node = nodes[place - 2]
            if plus and node.size is not None:
                node = self._sent.note(node)
            name = node.path[node.path.rfind("/") + 1 :]
            if not emit(name, self._status(node), place + 1):
                return

    def releasedir(self, path: str | None, handle: int) -> int:
        """Close a directory."""
        del path
        del self._directories[handle]
        return 0

    def open(self, path: str, info: Info) -> int:
        """Open a file for reading."""
        if info.flags & _WRITING:
            raise _answer(errno.EROFS)
        node = self._sent.opened(self._node(path))
        try:
            file = self._open_as(node)
        except BaseException:
            self._sent.closed(node)
            raise
        handle = next(self._handles)
        self._files[handle] = OpenFile(file, node, time.monotonic())
        info.fh = handle
        # What the kernel has of bytes that are verified serves the next who opens as well. Other
        # pages must go: a mismatch found since would not reach who reads them. While somebody
        # reads them, that waits for all that is on its way to them.
        info.keep_cache = (
            self._pages.opened(path, file.content_version, file.size) and file.cacheable
        )
        # It must not trust the size of bytes that may change.
        info.direct_io = isinstance(node, SmallFile)
        return 0

    def read(self, path: str | None, size: int, offset: int, info: Info) -> Any:
        """Return bytes of an open file, in what `ctypes.memmove` copies from."""
        del path
        opened = self._files[info.fh]
        known = self._failures.known(opened.content, offset, opened.since)
        if known is not None:
            raise _answer(known)
        try:
            data = opened.file.pread(size, offset)
        except CasfsError as error:
            span = range(offset, offset + size)
            self._failures.note(opened.content, span, error.errno or errno.EIO)
            raise
        if isinstance(data, bytes) or not data:
            return bytes(data)
        # Memory that is dressed as an array is copied from straight.
        return (ctypes.c_char * len(data)).from_buffer(data)

    def release(self, path: str | None, info: Info) -> int:
        """Close a file."""
        del path
        opened = self._files.pop(info.fh)
        self._sent.closed(opened.node)
        self._pages.closed(opened.node.path, opened.file.content_version)
        opened.file.close()
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
        if not name.startswith(KIND):
            raise _answer(errno.ENOTSUP)
        if name.startswith(ATTRIBUTES):
            value = self._attributes(path).get(name[len(ATTRIBUTES) :])
            if value is not None:
                return to_bytes(value)[:_LONGEST]
        raise _answer(errno.ENODATA)

    def listxattr(self, path: str) -> list[str]:
        """Return the names of all extended attributes."""
        return [ATTRIBUTES + name for name in self._attributes(path)]

    def setxattr(self, path: str, *args: Any) -> int:
        """Refuse."""
        del path, args
        raise _answer(errno.EROFS)

    def _attributes(self, path: str) -> dict[str, str]:
        return self._client.attributes(self._node(path))

    def _open_as(self, node: Node) -> File:
        """Open a file of the size that the kernel was told."""
        file = self._client.open(node)
        if file.size != node.size and not isinstance(node, SmallFile):
            file.close()
            raise StaleError
        return file

    def _node(self, path: str) -> Node:
        return self._sent.open_at(path) or self._client.stat(path)

    def _about(self, operation: str, path: str | None, args: tuple[Any, ...]) -> str:
        """Return what an operation is about, for the log."""
        if operation != "read":
            return f"{operation} {path or ''}"
        size, offset, info = args
        return f"read {self._files[info.fh].node.path}, bytes {offset}-{offset + size - 1}"

    def _status(self, node: Node) -> Status:
        mode = self._directory_mode if node.is_directory else self._file_mode
        return Status(mode, node.inode, node.size, node.mtime)


class _AnswerError(OSError):
    """An answer that is meant, not an error that was missed."""


def _answer(number: int) -> _AnswerError:
    return _AnswerError(number, os.strerror(number))
