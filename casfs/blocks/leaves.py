"""What is known of an output's leaves: in memory, and one record a block in a file beside them.

A record is one byte of `Trust` and the leaf. It says what a block on disk must hash to, and all
of them together say what the whole output hashes to, even when blocks have been evicted.
"""

import errno
import logging
import os
import threading
from collections.abc import Iterable
from enum import Enum, IntEnum, auto
from pathlib import Path

from casfs.errors import CasfsError
from casfs.private import PrivateDirectory
from casfs.ranges import Layout
from casfs.treehash import TreeHash

log = logging.getLogger(__name__)


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


class Verdict(Enum):
    """What the known leaf of a block says of bytes that came for it."""

    GOOD = auto()
    """They are the first ones, or the same again."""
    WRONG = auto()
    """They are not what was vouched for better than they are."""
    DOUBTFUL = auto()
    """They differ from bytes that may have been handed on, and either may be wrong."""


class Leaves:
    """The leaves of one output that are known.

    The file is read once, here. From then on what this process received counts, whatever another
    one writes there: its leaves are of bytes that it received, not of those handed on here. The
    file is made with the first record, never by looking. One more record behind the last block's
    says, once it was found, that the output as a whole matched its tree hash, and which that is.
    A file that cannot be written costs asking again after a restart, and nothing else.

    Lock order: its one lock is innermost; it is not held while reading or writing the file.

    Attributes:
        generation: counts how often bytes that were handed on were found to be wrong. In one
            generation a block that came, or was read, has one and the same leaf.
        changes: counts how often leaves came, changed or were forgotten.
    """

    def __init__(
        self,
        path: Path,
        layout: Layout,
        tree_hash: TreeHash,
        private: PrivateDirectory | None = None,
    ) -> None:
        self._path = path
        self._private = private or PrivateDirectory(path.parent)
        self._tree_hash = tree_hash
        self._size = len(tree_hash.leaf(b""))
        self._lock = threading.Lock()
        self._trust = bytearray(layout.blocks)
        self._leaves = bytearray(layout.blocks * self._size)
        self._inherited = bytearray(layout.blocks)
        self._whole = False
        self._unwritten = False
        self.generation = 0
        self.changes = 0
        self._load(self._read())

    def trust(self, block: int) -> Trust:
        """Return how sure we are of a block."""
        known = self._trust[block]
        return Trust.WHOLE if known and self._whole else Trust(known)

    def least_trust(self) -> Trust:
        """Return how sure we are of the block that we are least sure of."""
        with self._lock:
            return Trust.WHOLE if self._whole else _first(Trust, self._trust)

    def most_trust(self) -> Trust:
        """Return how sure we are of the block that we are most sure of."""
        with self._lock:
            return Trust.WHOLE if self._whole else _first(reversed(Trust), self._trust)

    def unchecked(self) -> bool:
        """Tell whether a block is known that nothing vouches for."""
        return not self._whole and Trust.UNCHECKED in self._trust

    def complete(self) -> bool:
        """Tell whether every leaf is known."""
        return Trust.UNKNOWN not in self._trust

    def leaf(self, block: int) -> bytes | None:
        """Return what a block hashes to, None if it is not known."""
        with self._lock:
            return self._leaf(block) if self._trust[block] else None

    def judge(self, block: int, leaf: bytes, trust: Trust) -> Verdict:
        """Tell what is known of bytes that came for a block, with this leaf."""
        with self._lock:
            return self._judge(block, leaf, trust)

    def put(self, block: int, leaf: bytes, trust: Trust) -> Verdict:
        """Record a leaf if the verdict is good."""
        with self._lock:
            verdict, known = self._judge(block, leaf, trust), self._trust[block]
            if verdict is not Verdict.GOOD:
                return verdict
            same = bool(known) and self._leaf(block) == leaf
            trust = Trust(max(trust, known)) if same else trust
            self._leaves[block * self._size : (block + 1) * self._size] = leaf
            self._trust[block] = trust
            self._inherited[block] = 0
            self.changes += not same
        if trust != known or not same:
            self._write([(block, trust, leaf)])
        return verdict

    def confirm(self, block: int, leaf: bytes) -> Trust:
        """Note that bytes of this leaf are about to be handed on; return how sure we are of them.

        That is `UNKNOWN` if another leaf is known by now, or none.
        """
        with self._lock:
            if not self._trust[block] or self._leaf(block) != leaf:
                return Trust.UNKNOWN
            self._inherited[block] = 0
            return self.trust(block)

    def root(self) -> bytes | None:
        """Return the tree hash over all leaves, None while one is not known."""
        with self._lock:
            if not self.complete():
                return None
            leaves, size = bytes(self._leaves), self._size
        return self._tree_hash.root([leaves[at : at + size] for at in range(0, len(leaves), size)])

    def trust_whole(self, root: bytes, changes: int) -> None:
        """Record that the output as a whole matched its tree hash, unless a leaf changed since.

        Args:
            root: the tree hash.
            changes: how many changes there had been before it was computed.
        """
        with self._lock:
            if self.changes != changes:
                return
            self._whole = True
        self._write([(len(self._trust), Trust.WHOLE, root)])

    def end_generation(self, generation: int, doubtful: list[int]) -> list[int]:
        """Forget every leaf that no answer's hash vouched for, and these; return their blocks.

        Nothing more is done, and nothing returned, if another did it for this generation.
        """
        with self._lock:
            if self.generation != generation:
                return []
            self.generation += 1
            unchecked = [n for n, trust in enumerate(self._trust) if trust == Trust.UNCHECKED]
            blocks = sorted({*unchecked, *doubtful})
            self._forget(blocks)
        self._write([(block, Trust.UNKNOWN, bytes(self._size)) for block in blocks])
        return blocks

    def inherited(self) -> list[int]:
        """Return the blocks whose leaf was found in the file: it may have rotted there."""
        return [n for n, found in enumerate(self._inherited) if found and self._trust[n]]

    def forget_inherited(self, blocks: list[int]) -> None:
        """Forget the leaves of those among these blocks that are known from the file alone."""
        with self._lock:
            blocks = [block for block in blocks if self._inherited[block]]
            self._forget(blocks)
        self._write([(block, Trust.UNKNOWN, bytes(self._size)) for block in blocks])

    def _forget(self, blocks: list[int]) -> None:
        for block in blocks:
            self._trust[block] = Trust.UNKNOWN
        if blocks:
            self._whole = False
            self.changes += 1

    def _judge(self, block: int, leaf: bytes, trust: Trust) -> Verdict:
        known = self.trust(block)
        if known is Trust.UNKNOWN or self._leaf(block) == leaf:
            return Verdict.GOOD
        if known > trust:
            return Verdict.WRONG
        # What is known from the file alone was not handed on, and may have rotted.
        return Verdict.GOOD if self._inherited[block] else Verdict.DOUBTFUL

    def _leaf(self, block: int) -> bytes:
        return bytes(self._leaves[block * self._size : (block + 1) * self._size])

    def _write(self, records: list[tuple[int, Trust, bytes]]) -> None:
        if not records:
            return
        try:
            file = self._open()
            try:
                for block, trust, leaf in records:
                    record = bytes((trust,)) + leaf
                    if os.pwrite(file, record, block * len(record)) < len(record):
                        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            finally:
                os.close(file)
            self._unwritten = False
        except OSError as error:
            if not self._unwritten:
                log.warning("hashes are not kept in %s: %s", self._path, error)
            self._unwritten = True

    def _open(self) -> int:
        flags = os.O_WRONLY | os.O_CREAT
        try:
            return self._private.open(self._path, flags)
        except FileNotFoundError:
            self._private.make_below(self._path.parent)
            return self._private.open(self._path, flags)

    def _read(self) -> bytes:
        try:
            with open(self._private.open(self._path, os.O_RDONLY), "rb") as file:
                return file.read()
        except FileNotFoundError:
            return b""
        except CasfsError:
            raise
        except OSError as error:
            log.warning("hashes cannot be read, fetching their blocks again: %s", error)
            return b""

    def _load(self, file: bytes) -> None:
        record, blocks = 1 + self._size, len(self._trust)
        count = min(len(file) // record, blocks)
        leaves = bytearray(file[: count * record])
        self._trust[:count] = leaves[::record].translate(_LOADED)
        self._inherited[:count] = self._trust[:count]
        del leaves[::record]
        self._leaves[: len(leaves)] = leaves
        last = file[blocks * record : (blocks + 1) * record]
        # Any record may be torn or rotten: trust in the whole is only taken over if it is true.
        self._whole = last[:1] == bytes((Trust.WHOLE,)) and self.root() == last[1:]


_RECEIVED = (Trust.UNCHECKED, Trust.CHECKED)
_LOADED = bytes(byte if byte in _RECEIVED else Trust.UNKNOWN for byte in range(256))
"""What a byte of trust in a file means, which may be any."""


def _first(trusts: Iterable[Trust], among: bytearray) -> Trust:
    return next((trust for trust in trusts if trust in among), Trust.UNKNOWN)
