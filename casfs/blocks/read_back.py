"""What is on disk is what was verified: a file is read back, past the page cache, as it is written.

Each piece is synced, dropped from the page cache where the kernel does that, and read. A block that
was just received is compared with the bytes that were verified, one from an earlier run with its
leaf. The SHA-256 of the file is computed of what was read.
"""

import ctypes
import os
from collections.abc import Callable, Sequence

from casfs.blocks.disk.part_store import PartStore
from casfs.blocks.verify import Verifier, file_hash
from casfs.errors import DestinationError
from casfs.ranges import BLOCK_SIZE, Layout

_TRIES = 3
"""Times that a block is written before the disk is taken to be broken."""

Piece = Sequence[tuple[int, memoryview | None]]
"""Neighboring blocks, with the bytes that were verified; None if only the leaf is known."""


class ReadBack:
    """Reads a file back, piece by piece in order; called by one thread at a time.

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
        self._memory = memoryview(bytearray(min(BLOCK_SIZE, layout.size)))
        self._sha256 = file_hash()

    @property
    def sha256(self) -> str:
        """Return the SHA-256 of what was read so far, in hexadecimal."""
        return self._sha256.digest().hex()

    def check(self, piece: Piece, sync: Callable[[int], None] = os.fdatasync) -> None:
        """Sync a piece, and compare what is on disk with what was verified.

        What is not the same is fetched and written again.

        Args:
            piece: the blocks behind those of the last call.
            sync: brings the file of a descriptor to disk.

        Raises:
            DestinationError: the disk fails, or gives back other bytes than were written.
            CasfsError: a block that is wrong on disk cannot be fetched again.
        """
        self._sync(piece, sync)
        for number, data in piece:
            for tries in range(_TRIES):
                found = self._memory[: self._layout.length(number)]
                if self._is_there(number, found, data):
                    break
                if tries == _TRIES - 1:
                    raise DestinationError(
                        f"block {number} of {self._store.place.shown} is not on disk as it was "
                        "written; check the disk, and run the same command again"
                    )
                self._store.remove(number)
                data = self._bring(number)
                self._sync([(number, data)], sync)
            self._sha256.update(found)

    def _sync(self, piece: Piece, sync: Callable[[int], None]) -> None:
        if not piece:
            return
        run = range(piece[0][0], piece[-1][0] + 1)
        first, stop = self._layout.span(run)
        file = self._store.descriptor
        try:
            sync(file)
            os.posix_fadvise(file, first, stop - first, os.POSIX_FADV_DONTNEED)
        except OSError as error:
            raise self._store.place.error(error) from error

    def _is_there(self, number: int, found: memoryview, data: memoryview | None) -> bool:
        try:
            if not self._store.read_into(number, found):
                return False
        except OSError as error:
            raise self._store.place.error(error) from error
        if data is not None:
            return len(data) == len(found) and _same(found, data)
        leaf = self._store.leaves.leaf(number)
        return leaf is not None and self._verifier.is_block(found, leaf)


_libc = ctypes.CDLL(None)
_libc.memcmp.argtypes = (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t)


def _same(one: memoryview, other: memoryview) -> bool:
    """Compare bytes; comparing memoryviews takes ten times as long, and blocks other threads."""
    if not one:
        return True
    places = (ctypes.addressof(ctypes.c_char.from_buffer(view)) for view in (one, other))
    return bool(_libc.memcmp(*places, len(one)) == 0)
