"""What is known of an output's leaves: one record a block, in a file beside the blocks.

A record is one byte of `Trust` and the leaf. It says what a block on disk must hash to, and all
of them together say what the whole output hashes to, even when blocks have been evicted.
"""

import contextlib
import errno
import os
import threading
import weakref
from collections.abc import Iterator
from enum import IntEnum
from pathlib import Path

from casfs.ranges import Layout
from casfs.treehash import TreeHash


class Trust(IntEnum):
    """How sure we are of a block."""

    UNKNOWN = 0
    """Nothing was received."""
    UNCHECKED = 1
    """It came with the right length and no hash of its own."""
    CHECKED = 2
    """It came in an answer that matched its tree hash."""
    WHOLE = 3
    """The output as a whole matched its tree hash."""


class Leaves:
    """The leaves of one output that are known, on disk.

    One more record behind the last block's says, once it was found, that the output as a whole
    matched its tree hash, and which that is. The file is made with the first record, never by
    looking. Trust is kept in memory too, one byte a block; leaves are read from the file.
    """

    def __init__(self, path: Path, layout: Layout, tree_hash: TreeHash) -> None:
        self._path = path
        self._tree_hash = tree_hash
        self._record_size = 1 + len(tree_hash.leaf(b""))
        self._lock = threading.Lock()
        self._trust = bytearray(layout.blocks)
        self._inherited = bytearray(layout.blocks)
        self._known = 0
        self._whole = False
        self._file: int | None = None
        with contextlib.suppress(FileNotFoundError):
            self._load(self._open(os.O_RDWR))

    def trust(self, block: int) -> Trust:
        """Return how sure we are of a block."""
        known = self._trust[block]
        return Trust.WHOLE if known and self._whole else Trust(known)

    def least_trust(self) -> Trust:
        """Return how sure we are of the block that we are least sure of."""
        with self._lock:
            return Trust.WHOLE if self._whole else Trust(min(self._trust))

    def least_known_trust(self) -> Trust:
        """Return how sure we are of the block that we are least sure of, among those received."""
        with self._lock:
            return Trust(min(filter(None, self._trust), default=Trust.UNKNOWN))

    def most_trust(self) -> Trust:
        """Return how sure we are of the block that we are most sure of."""
        with self._lock:
            return Trust.WHOLE if self._whole else Trust(max(self._trust))

    def complete(self) -> bool:
        """Tell whether every leaf is known."""
        return self._known == len(self._trust)

    def leaf(self, block: int) -> bytes | None:
        """Return what a block hashes to, None if it is not known or cannot be read."""
        if self._file is None or not self._trust[block]:
            return None
        record = os.pread(self._file, self._record_size, block * self._record_size)
        return record[1:] if len(record) == self._record_size else None

    def put(self, block: int, leaf: bytes, trust: Trust) -> None:
        """Record a leaf; one that differs from an earlier record takes back trust in the whole.

        Raises:
            OSError: it cannot be written; it then counts as not known.
        """
        same = self.leaf(block) == leaf
        if not same or trust > self._trust[block]:
            self._write(block, trust, leaf)
        with self._lock:
            self._known += not self._trust[block]
            self._trust[block] = max(trust, self._trust[block] if same else trust)
            self._whole = self._whole and same
            self._inherited[block] = 0

    def root(self) -> bytes | None:
        """Return the tree hash over all leaves, None while one is not known."""
        if self._file is None or not self.complete():
            return None
        return self._tree_hash.root([record[1:] for record in self._records(self._file)])

    def trust_whole(self, root: bytes) -> None:
        """Record that the output as a whole matched its tree hash.

        Raises:
            OSError: it cannot be written; the whole is checked again after a restart.
        """
        self._write(len(self._trust), Trust.WHOLE, root)
        with self._lock:
            self._whole = True

    def forget_unchecked(self) -> list[int]:
        """Forget every leaf that no answer's hash vouched for; return their blocks."""
        blocks = [n for n, trust in enumerate(self._trust) if trust == Trust.UNCHECKED]
        self.forget(blocks)
        return blocks

    def inherited(self) -> list[int]:
        """Return the blocks whose leaf was found in the file: it may have rotted there."""
        return [n for n, found in enumerate(self._inherited) if found and self._trust[n]]

    def forget(self, blocks: list[int]) -> None:
        """Forget the leaves of blocks."""
        with self._lock:
            for block in blocks:
                self._known -= bool(self._trust[block])
                self._trust[block] = Trust.UNKNOWN
            self._whole = False
        for block in blocks:
            self._write(block, Trust.UNKNOWN, bytes(self._record_size - 1))

    def _write(self, block: int, trust: Trust, leaf: bytes) -> None:
        if self._file is None:
            with self._lock:
                self._file = self._file or self._open(os.O_RDWR | os.O_CREAT)
        if os.pwrite(self._file, bytes((trust,)) + leaf, block * self._record_size) <= len(leaf):
            raise OSError(errno.ENOSPC, f"{self._path} was not written whole")

    def _open(self, flags: int) -> int:
        self._file = os.open(self._path, flags | os.O_CLOEXEC, 0o600)
        weakref.finalize(self, os.close, self._file)
        return self._file

    def _load(self, file: int) -> None:
        for block, record in enumerate(self._records(file)):
            if record[0] in (Trust.UNCHECKED, Trust.CHECKED):
                self._trust[block] = record[0]
                self._inherited[block] = 1
        self._known = len(self._trust) - self._trust.count(Trust.UNKNOWN)
        last = os.pread(file, self._record_size, len(self._trust) * self._record_size)
        # Any record may be torn or rotten: trust in the whole is only taken over if it is true.
        self._whole = last[:1] == bytes((Trust.WHOLE,)) and self.root() == last[1:]

    def _records(self, file: int) -> Iterator[bytes]:
        size, at_once = self._record_size, 4096
        for start in range(0, len(self._trust), at_once):
            count = min(at_once, len(self._trust) - start)
            data = os.pread(file, count * size, start * size)
            for at in range(0, len(data) - size + 1, size):
                yield data[at : at + size]
