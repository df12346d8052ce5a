"""What is on disk is what was verified: a file is read back, past the page cache, as it is written.

Each piece is read from the disk; where the file system can only be read through the page cache, the
piece is synced and dropped from there first. A block that was just received is compared with the
bytes that were verified, one from an earlier run with its leaf. The SHA-256 of the file is computed
of the same bytes, behind that.
"""

import ctypes
import mmap
import os
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from casfs.blocks.disk.part_store import PartStore
from casfs.blocks.verify import Verifier, file_hash
from casfs.errors import DestinationError
from casfs.ranges import BLOCK_SIZE, Layout
from casfs.threads import thread_refused

_TRIES = 3
"""Times that a block is written before the disk is taken to be broken."""
_WAITING = 4
"""Pieces that are being read back and hashed at most; their blocks stay in memory."""

Piece = Sequence[tuple[int, memoryview | None]]
"""Neighboring blocks, with the bytes that were verified; None if only the leaf is known."""


class ReadBack:
    """Reads a file back, piece by piece in order.

    `check` is called by one thread at a time, and so is `hash`, with what `check` returned.

    Args:
        store: the file.
        layout: of the output.
        verifier: compares blocks with leaves.
        bring: fetches a block and writes it to the file.
    """

    def __init__(
        self,
        store: PartStore,
        layout: Layout,
        verifier: Verifier,
        bring: Callable[[int], memoryview],
    ) -> None:
        self._store = store
        self._layout = layout
        self._verifier = verifier
        self._bring = bring
        # It begins on a page, as reading past the page cache needs.
        self._memory = memoryview(mmap.mmap(-1, max(1, min(BLOCK_SIZE, layout.size))))
        self._sha256 = file_hash()

    @property
    def sha256(self) -> str:
        """Return the SHA-256 of what was hashed so far, in hexadecimal."""
        return self._sha256.digest().hex()

    def check(self, piece: Piece, sync: Callable[[int], None] | None = None) -> list[memoryview]:
        """Compare what is on disk with what was verified; return it, to be hashed.

        What is not the same is fetched and written again.

        Args:
            piece: the blocks behind those of the last call.
            sync: brings the file of a descriptor to disk first.

        Raises:
            DestinationError: the disk fails, or gives back other bytes than were written.
            CasfsError: a block that is wrong on disk cannot be fetched again.
        """
        if sync is not None or not self._store.file.is_direct:
            self._sync(piece, sync or os.fdatasync)
        return [self._check_block(number, data) for number, data in piece]

    def hash(self, blocks: Iterable[memoryview]) -> None:
        """Add to the SHA-256 of the file."""
        for block in blocks:
            self._sha256.update(block)

    def _check_block(self, number: int, data: memoryview | None) -> memoryview:
        for _ in range(_TRIES):
            found = self._found(number, data)
            if found is not None:
                return found
            self._store.remove(number)
            data = self._bring(number)
            self._sync([(number, data)], os.fdatasync)
        raise DestinationError(
            f"block {number} of {self._store.place.shown} is not on disk as it was written; check "
            "the disk, and run the same command again"
        )

    def _sync(self, piece: Piece, sync: Callable[[int], None]) -> None:
        if not piece:
            return
        try:
            self._store.file.sync(range(piece[0][0], piece[-1][0] + 1), sync)
        except OSError as error:
            raise self._store.place.sync_error(error) from error

    def _found(self, number: int, data: memoryview | None) -> memoryview | None:
        """Return a block if the disk has what it must be."""
        file = self._store.file
        direct = file.is_direct
        try:
            found = self._compared(number, data)
            if direct and not file.is_direct:
                # It came through the page cache, which need not have what the disk has.
                self._sync([(number, data)], os.fdatasync)
                found = self._compared(number, data)
        except OSError as error:
            raise self._store.place.error(error) from error
        return found

    def _compared(self, number: int, data: memoryview | None) -> memoryview | None:
        if data is None:
            return self._store.read(number)
        found = self._memory[: len(data)]
        whole = len(data) == self._layout.length(number) and self._store.file.read(number, found)
        return data if whole and is_same(found, data) else None


class ReadBehind:
    """Reads pieces back and hashes them, each in a thread, behind what brings them.

    Args:
        back: does both.
    """

    def __init__(self, back: ReadBack) -> None:
        self._back = back
        self._checks = ThreadPoolExecutor(1, "read-back")
        self._hashes = ThreadPoolExecutor(1, "sha256")
        self._waiting: deque[Future[None]] = deque()

    def __enter__(self) -> "ReadBehind":
        return self

    def __exit__(self, *error: object) -> None:
        """Give up what has not begun, and wait for what has."""
        for pool in (self._checks, self._hashes):
            pool.shutdown(cancel_futures=True)

    def add(self, piece: Piece) -> None:
        """Let a piece be read back and hashed; wait while too many are.

        Raises:
            ThreadError: there is no thread to do it in.
            CasfsError: an earlier one could not be read back.
        """
        self._let_end(_WAITING - 1)
        try:
            checked = self._checks.submit(self._back.check, piece)
            self._waiting.append(self._hashes.submit(self._hash, checked))
        except RuntimeError as error:
            raise thread_refused("read-back", error) from error

    def end(self) -> None:
        """Wait until all are read back and hashed.

        Raises:
            CasfsError: one could not be read back.
        """
        self._let_end(0)

    def _hash(self, checked: "Future[list[memoryview]]") -> None:
        self._back.hash(checked.result())

    def _let_end(self, most: int) -> None:
        while len(self._waiting) > most:
            self._waiting.popleft().result()


_libc = ctypes.CDLL(None)
_libc.memcmp.argtypes = (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t)


def is_same(one: memoryview, other: memoryview) -> bool:
    """Compare bytes; comparing memoryviews takes ten times as long, and blocks other threads."""
    if not one:
        return True
    places = (ctypes.addressof(ctypes.c_char.from_buffer(view)) for view in (one, other))
    return bool(_libc.memcmp(*places, len(one)) == 0)
