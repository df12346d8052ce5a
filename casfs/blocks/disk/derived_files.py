"""Files that were made of outputs, beside the blocks: there whole or not at all, and checked.

    <cache>/blocks-1/<2 hex>/<62 hex>/kept      one file, by its key

Its bytes are followed by a leaf (SHA-256) for each of its blocks, its size, and a SHA-256 of both.
It is written under a temporary name and renamed, so that a crash leaves no partial file. It is not
synced, and may rot: bytes that do not match their leaf are never delivered.

Whoever has one open holds a shared lock on it, so that eviction leaves it alone.

Where the disk is full or fails, a small one is kept in memory instead.

Lock order: the one lock guards what is in memory, and is innermost.
"""

import contextlib
import fcntl
import logging
import os
import threading
from collections.abc import Callable, Iterable
from io import FileIO
from pathlib import Path

from casfs.blocks.block_tuning import TUNING
from casfs.blocks.disk.partial_file import PartialFile, lock
from casfs.blocks.disk.staging import Temporary
from casfs.blocks.verify import DERIVED, Digest, same_leaves
from casfs.errors import CasfsError
from casfs.metrics import Metrics
from casfs.private import PrivateDirectory
from casfs.ranges import BLOCK_SIZE, Layout
from casfs.reasons import reason

log = logging.getLogger(__name__)

NAME = "kept"
_LEAF = DERIVED.digest_size
_NUMBER = 8


class DerivedFile:
    """A derived file that is open; to be closed.

    Attributes:
        size: its bytes.
        leaves: what its blocks hash to, one after the other.
    """

    def __init__(self, file: FileIO, size: int, leaves: bytes) -> None:
        self._file = file
        self.size = size
        self.leaves = leaves

    def read(self, block: int) -> bytes | None:
        """Return a block, None if it is not what was written."""
        length = Layout(self.size).length(block)
        try:
            data = os.pread(self._file.fileno(), length, block * BLOCK_SIZE)
        except OSError as error:
            log.warning("cannot read %s: %s", self._file.name, reason(error))
            return None
        leaf = Digest(self.leaves[block * _LEAF : (block + 1) * _LEAF])
        if not DERIVED.is_block(data, leaf):
            return None
        self.touch()
        return data

    def is_same(self, other: "DerivedFile") -> bool:
        """Return whether another file was made with the same bytes."""
        return same_leaves(self.leaves, other.leaves)

    def touch(self) -> None:
        """Set the file's time to now, which tells eviction that it is in use."""
        with contextlib.suppress(OSError):
            os.utime(self._file.fileno())

    def is_at(self, path: Path) -> bool:
        """Return whether this is the file at a path."""
        try:
            return os.path.samestat(os.stat(path), os.fstat(self._file.fileno()))
        except OSError:
            return False

    def again(self) -> "DerivedFile":
        """Return the same file, open once more."""
        return DerivedFile(FileIO(os.dup(self._file.fileno())), self.size, self.leaves)

    def close(self) -> None:
        """Release it."""
        self._file.close()


class DerivedFiles:
    """The derived files of one cache.

    Args:
        directory: directory of all outputs.
        temporary: directory of files that are being written.
        written: is notified how many bytes the cache has grown by.
        metrics: counts what was found rotten.
    """

    def __init__(
        self,
        directory: Path,
        temporary: Temporary,
        written: Callable[[int], None],
        metrics: Metrics,
    ) -> None:
        self._directory = directory
        self._temporary = temporary
        self._private = temporary.private
        self._written = written
        self._metrics = metrics
        self._lock = threading.Lock()
        self._in_memory: dict[str, DerivedFile] = {}

    def find(self, key: str, rotten: Callable[[str], None] | None = None) -> DerivedFile | None:
        """Open a derived file, None if there is none; one that is damaged is removed.

        Args:
            key: names it.
            rotten: is called with the key of one that is damaged.

        Raises:
            ConfigError: what is in its place is a link, or belongs to somebody else.
        """
        if (remembered := self._remembered(key)) is not None:
            return remembered
        path = self.path(key)
        try:
            self._private.check_directory(path.parent.parent)
            self._private.check_directory(path.parent)
            file = FileIO(path, opener=self._private.open)
        except FileNotFoundError:
            return None
        except CasfsError:
            raise
        except OSError as error:
            log.warning("cannot read %s, recreating it: %s", path, reason(error))
            return None
        try:
            lock(file)
            derived = _load(file)
        except OSError as error:
            log.warning("cannot read %s, recreating it: %s", path, reason(error))
            file.close()
            return None
        if derived is None:
            file.close()
            if rotten is not None:
                rotten(key)
            self._remove_rotten(path)
            return None
        derived.touch()
        return derived

    def make(self, pieces: Iterable[bytes], key_of: Callable[[], str]) -> DerivedFile:
        """Write a file, put it in its place, and return it open.

        Args:
            pieces: its bytes.
            key_of: names it, once all pieces were written.

        Raises:
            CasfsError: the cache cannot be written; or what `pieces` or `key_of` raise. Nothing is
                left behind then.
        """
        partial = PartialFile(self._temporary, "a file made of an inventory")
        try:
            size, leaves = _write(partial, pieces)
            key = key_of()
            partial.place(self.path(key))
        except BaseException:
            partial.discard()
            raise
        derived = DerivedFile(partial.file, size, leaves)
        if partial.in_memory:
            self._remember(key, derived)
        else:
            self._written(derived.size)
        return derived

    def _remember(self, key: str, derived: DerivedFile) -> None:
        """Keep a file in memory until others need its place."""
        with self._lock:
            self._in_memory[key] = derived.again()
            while sum(one.size for one in self._in_memory.values()) > TUNING.derived_memory:
                self._in_memory.pop(next(iter(self._in_memory))).close()

    def _remembered(self, key: str) -> DerivedFile | None:
        with self._lock:
            derived = self._in_memory.get(key)
            return derived.again() if derived is not None else None

    def remove_rotten(self, key: str, derived: DerivedFile) -> None:
        """Remove an open file of which a block was wrong, unless another took its place."""
        with self._lock:
            remembered = self._in_memory.pop(key, None)
        if remembered is not None:
            remembered.close()
        path = self.path(key)
        if derived.is_at(path):
            self._remove_rotten(path)

    def _remove_rotten(self, path: Path) -> None:
        self._metrics.rotten_blocks.inc()
        log.warning("%s is corrupt, recreating it", path)
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            log.warning("cannot remove %s: %s", path, reason(error))

    def path(self, key: str) -> Path:
        """Return where a derived file is, or would be."""
        return self._directory / key[:2] / key[2:] / NAME


def remove_unused(path: str, private: PrivateDirectory) -> bool:
    """Remove a derived file; return False if somebody has it open.

    Raises:
        OSError: it is not there, is not ours, or cannot be removed.
    """
    with FileIO(path, opener=private.open) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError as error:
            # Where a file system knows no locks, who has it open can read on all the same.
            log.info("cannot lock %s: %s", path, reason(error))
        os.unlink(path)
        return True


def _write(partial: PartialFile, pieces: Iterable[bytes]) -> tuple[int, bytes]:
    """Write a file; return its bytes, and what its blocks hash to."""
    leaves = bytearray()
    size, block = 0, DERIVED.new()
    for piece in pieces:
        rest = memoryview(piece)
        while rest:
            some = rest[: BLOCK_SIZE - size % BLOCK_SIZE]
            block.update(some)
            partial.write(some)
            size, rest = size + len(some), rest[len(some) :]
            if size % BLOCK_SIZE == 0:
                leaves += block.digest()
                block = DERIVED.new()
    if size % BLOCK_SIZE:
        leaves += block.digest()
    facts = bytes(leaves) + size.to_bytes(_NUMBER)
    partial.write(memoryview(facts + DERIVED.leaf(facts)))
    return size, bytes(leaves)


def _load(file: FileIO) -> DerivedFile | None:
    """Return the file if what follows its bytes is true."""
    total = os.fstat(file.fileno()).st_size
    end = os.pread(file.fileno(), _NUMBER + _LEAF, max(total - _NUMBER - _LEAF, 0))
    size, digest = int.from_bytes(end[:_NUMBER]), Digest(end[_NUMBER:])
    leaves_size = Layout(size).blocks * _LEAF
    if size + leaves_size + len(end) != total:
        return None
    leaves = os.pread(file.fileno(), leaves_size, size)
    if not DERIVED.is_block(leaves + end[:_NUMBER], digest):
        return None
    return DerivedFile(file, size, leaves)
