"""The FUSE operations, each of them one call of the client; independent of the binding."""

import ctypes
import errno
import itertools
import logging
import os
import stat
import threading
import time
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from casfs.client import Client, File, Node, SmallFile
from casfs.errors import CasfsError
from casfs.mount.attributes import KIND, Attributes
from casfs.mount.directories import Emit, OpenDirectories
from casfs.mount.failures import Failures
from casfs.mount.kernel_cache import CachedPages, FileStatus, SentAttributes, StaleError
from casfs.mount.mount_options import Modes
from casfs.mount.names import encode_name
from casfs.ranges import BLOCK_SIZE
from casfs.threads import stop_waiting_if, trace_this_thread

log = logging.getLogger(__name__)

_WRITES = (
    "chmod", "chown", "create", "link", "mkdir", "mknod", "removexattr", "rename", "rmdir",
    "setxattr", "symlink", "truncate", "unlink", "utimens",
)  # fmt: skip
"""What would change something. The kernel refuses these itself until somebody remounts it rw."""
OPERATIONS = (
    "getattr", "getxattr", "listxattr", "open", "opendir", "read", "readdir", "release",
    "releasedir", "statfs", *_WRITES,
)  # fmt: skip
"""What a binding offers to the kernel."""

_WRITING = os.O_WRONLY | os.O_RDWR
_LONGEST_NAME = 255
_QUIET = (errno.ENOENT, errno.ENODATA, errno.EROFS)
"""Errors that are part of ordinary use, and not worth logging."""


class Info(Protocol):
    """What is open, as the kernel and a binding pass it."""

    fh: int
    flags: int
    direct_io: int
    keep_cache: int


@dataclass(frozen=True)
class OpenFile:
    """An open file, and the time at which it was opened."""

    file: File
    node: Node
    since: float

    @property
    def content(self) -> Hashable:
        """Return a key that is equal for all handles that read the same bytes of the same file."""
        return self.node.path, self.file.content_version


class Operations:
    """Translates the kernel's requests to calls of the client, and every error to an errno.

    Reads come with a handle but no path, which would cost the library a lookup.

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
        self._attributes = Attributes(client, self._sent)
        self._failures = Failures()
        self._directories = OpenDirectories(client, self._sent, self._status)
        self._handles = itertools.count(1)
        self._threads: set[int] = set()
        self._interrupted: Callable[[], bool] | None = None
        self._invalidate: Callable[[str], object] | None = None

    def watch(
        self,
        interrupted: Callable[[], bool],
        invalidate: Callable[[str], object] | None = None,
    ) -> None:
        """Answer EINTR to a program that receives a fatal signal while it waits for a listing.

        Otherwise the kernel keeps even a killed program waiting until there is an answer.

        Args:
            interrupted: returns whether this thread's request comes from a program that is being
                killed.
            invalidate: makes the kernel drop what it has of a path; None if the library cannot.
        """
        self._interrupted = interrupted
        self._invalidate = invalidate

    def __call__(self, operation: str, path: str | None, *args: Any) -> Any:
        """Run an operation; raise nothing but an `OSError` with a real errno.

        A binding turns any other exception into something else, even into success without data:
        fusepy does so with an OSError that has no errno, as those of requests.
        """
        self._keep_thread()
        try:
            if operation in _WRITES:
                raise _answer(errno.EROFS)
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
        """Pin Python's thread state, which ctypes would create and destroy for each request.

        libfuse calls us on threads that Python did not start. One unbalanced PyGILState_Ensure pins
        the state, for good: of threads that reuse an identifier only the first is pinned.
        """
        thread = threading.get_ident()
        if thread not in self._threads:
            self._threads.add(thread)
            ctypes.pythonapi.PyGILState_Ensure()
            trace_this_thread()
        if self._interrupted is not None:
            stop_waiting_if(self._interrupted)

    def getattr(self, path: str | None, info: Info | None = None) -> FileStatus:
        """Return the status of what is at a path, or of an open file."""
        if path is None and info is not None:
            return self._status(self._sent.note(self._files[info.fh].node))
        path = path or "/"
        # The name alone: each directory above has been looked up before.
        if len(encode_name(path[path.rfind("/") + 1 :])) > _LONGEST_NAME:
            raise _answer(errno.ENAMETOOLONG)
        return self._status(self._sent.note(self._node(path)))

    def opendir(self, path: str) -> int:
        """List a directory, for as long as it is open."""
        return self._directories.open(path, self._invalidate)

    def readdir(
        self, path: str | None, handle: int, emit: Emit, start: int = 0, plus: bool = False
    ) -> None:
        """Emit the entries of an open directory, as `OpenDirectories.read`."""
        del path
        self._directories.read(handle, emit, start, plus)

    def releasedir(self, path: str | None, handle: int) -> int:
        """Close a directory."""
        del path
        self._directories.close(handle)
        return 0

    def open(self, path: str, info: Info) -> int:
        """Open a file for reading."""
        if info.flags & _WRITING:
            raise _answer(errno.EROFS)
        meant = self._sent.open_at(path)
        if meant is None or isinstance(meant, SmallFile):
            meant = self._client.stat(path)
        if isinstance(meant, SmallFile):
            return self._open_small(meant.frozen(), info)
        node, is_forgotten = self._sent.opened(meant)
        try:
            if is_forgotten and self._invalidate is not None:
                self._invalidate(path)
            file = self._open_as(node)
        except BaseException:
            self._sent.closed(node)
            raise
        self._add(file, node, info)
        # Pages of verified bytes serve the next reader as well. Others must be dropped: a mismatch
        # found since would not reach who reads them. While somebody reads them, dropping them
        # waits for everything that is in flight.
        info.keep_cache = (
            self._pages.opened(path, file.content_version, file.size) and file.cacheable
        )
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
        # memmove copies straight from an array over the memory.
        return (ctypes.c_char * len(data)).from_buffer(data)

    def release(self, path: str | None, info: Info) -> int:
        """Close a file."""
        del path
        opened = self._files.pop(info.fh)
        self._sent.closed(opened.node)
        if not isinstance(opened.node, SmallFile):
            self._pages.closed(opened.node.path, opened.file.content_version)
        opened.file.close()
        return 0

    def statfs(self, path: str) -> dict[str, int]:
        """Return the status of the file system: full, with what the vaults contain, as is known."""
        del path
        archives, size = self._client.totals()
        return {
            "f_bsize": BLOCK_SIZE,
            "f_frsize": BLOCK_SIZE,
            # Programs do not show a file system without blocks.
            "f_blocks": max(1, -(-size // BLOCK_SIZE)),
            "f_files": archives,
            "f_namemax": _LONGEST_NAME,
            "f_flag": os.ST_RDONLY,
        }

    def getxattr(self, path: str, name: str, position: int = 0) -> bytes:
        """Return an extended attribute."""
        del position
        if not name.startswith(KIND):
            raise _answer(errno.ENOTSUP)
        value = self._attributes.value(path, name)
        if value is None:
            raise _answer(errno.ENODATA)
        return value

    def listxattr(self, path: str) -> list[str]:
        """Return the names of the extended attributes that belong to a file's content."""
        return self._attributes.names(path)

    def status_facts(self) -> Mapping[str, object]:
        """Return how many files are open."""
        return {"open_files": len(self._files)}

    def _open_as(self, node: Node) -> File:
        """Open a file, provided that it has the size that was sent to the kernel."""
        file = self._client.open(node)
        if file.size != node.size:
            file.close()
            raise StaleError
        return file

    def _open_small(self, frozen: SmallFile, info: Info) -> int:
        node, cached = self._sent.opened_small(frozen)
        self._add(self._client.open(node), node, info)
        # Past the cache, the kernel does not go by the size that it was sent.
        info.direct_io, info.keep_cache = not cached, False
        return 0

    def _add(self, file: File, node: Node, info: Info) -> None:
        info.fh = next(self._handles)
        self._files[info.fh] = OpenFile(file, node, time.monotonic())

    def _node(self, path: str) -> Node:
        return self._sent.open_at(path) or self._client.stat(path)

    def _about(self, operation: str, path: str | None, args: tuple[Any, ...]) -> str:
        """Describe an operation for the log."""
        if operation != "read":
            return f"{operation} {path or ''}"
        size, offset, info = args
        return f"read {self._files[info.fh].node.path}, bytes {offset}-{offset + size - 1}"

    def _status(self, node: Node) -> FileStatus:
        mode = self._directory_mode if node.is_directory else self._file_mode
        return FileStatus(mode, node.inode, node.size, node.mtime)


class _AnswerError(OSError):
    """A deliberate answer, as opposed to an error that nobody handled."""


def _answer(number: int) -> _AnswerError:
    return _AnswerError(number, os.strerror(number))
