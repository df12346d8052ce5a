"""Brings an output into a file: verified blocks go to their places, and are read back."""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from casfs.blocks.block_cache import BlockCache
from casfs.blocks.disk.part_store import PartStore
from casfs.blocks.read_back import Piece, ReadBack, ReadBehind
from casfs.blocks.reader import Reader
from casfs.blocks.verify import Digest, Verifier
from casfs.errors import OutputMismatchError
from casfs.metrics import Metrics
from casfs.model import Output
from casfs.ranges import BLOCK_SIZE

_PIECE = 4
"""Blocks that are read back at a time."""
_PASSES = 3
"""An output that is wrong as a whole is fetched again twice: first what nothing vouched for."""


@dataclass(frozen=True, slots=True)
class FilledPart:
    """A file that is whole, and on disk as it was verified; it has no name yet.

    Attributes:
        sha256: of the file, in hexadecimal.
        tree_hash: of the file, None if it is empty.
        verified: `yes`, `partial` or `no`: whether hashes of the service vouch for it.
        fetched: bytes that came from the service.
        copied: bytes that came from the cache.
    """

    sha256: str
    tree_hash: Digest | None
    verified: str
    fetched: int
    copied: int = 0


class PartFilling:
    """An output on its way into a file; used by one thread.

    Args:
        cache: fetches blocks.
        output: what is fetched.
        store: the file.
        verifier: compares blocks with leaves.
        metrics: counts what is read.
    """

    def __init__(
        self,
        cache: BlockCache,
        output: Output,
        store: PartStore,
        verifier: Verifier,
        metrics: Metrics,
    ) -> None:
        self._cache = cache
        self._verifier = verifier
        self._output = output
        self._layout = output.layout
        self._store = store
        self._metrics = metrics

    @property
    def descriptor(self) -> int:
        """Return the descriptor of the file, for as long as this object is used."""
        return self._store.file.descriptor

    def missing(self) -> int:
        """Return how many bytes are not in the file yet."""
        return self._store.missing()

    def run(self, note: Callable[[int], None], finish: Callable[[int], None]) -> FilledPart:
        """Bring what is missing, bring it to disk, and read it back.

        Args:
            note: is called with the bytes of each block that was brought.
            finish: is called with the descriptor once all bytes are written, before the last sync.

        Raises:
            OutputMismatchError: the output as a whole is not what it should be.
            ExpiredError: a block is neither here nor at the service.
            DestinationError: the file cannot be written, or is not on disk as it was written.
            CasfsError: the service failed.
        """
        for tries in range(_PASSES):
            try:
                sha256 = self._pass(note, finish)
                break
            except OutputMismatchError:
                if tries == _PASSES - 1:
                    raise
        opened = self._cache.open(self._output)
        opened.require_current()
        root = self._store.leaves.root()
        counted = self._store.fetched(), self._store.copied()
        return FilledPart(sha256, root, opened.verified(), *counted)

    def _pass(self, note: Callable[[int], None], finish: Callable[[int], None]) -> str:
        opened = self._cache.open(self._output)
        opened.require_current()
        opened.require_whole()
        if self._layout.blocks > 1 and self._store.missing() == self._layout.size:
            window = self._cache.window()
            self._cache.prefetch(self._output, window, most_of_larger=window)
        reader = Reader(self._cache, opened, self._metrics)
        try:
            return self._fill(partial(self._bring, reader), note, finish)
        finally:
            reader.close()
            # A block in memory keeps its file open, and nobody reads the file here again.
            self._cache.forget(opened)

    def _fill(
        self,
        bring: Callable[[int], memoryview],
        note: Callable[[int], None],
        finish: Callable[[int], None],
    ) -> str:
        """Bring what is missing, and read back what is written behind that; return the SHA-256."""
        back = ReadBack(self._store, self._layout, self._verifier, bring)
        last: Piece = ()
        with ReadBehind(back) as behind:
            for piece in self._pieces(bring, note):
                if last:
                    behind.add(last)
                last = piece
            behind.end()
        finish(self._store.file.descriptor)
        back.hash(back.check(last, os.fsync))
        return back.sha256

    def _pieces(
        self, bring: Callable[[int], memoryview], note: Callable[[int], None]
    ) -> Iterator[Piece]:
        blocks = self._layout.blocks
        for begin in range(0, blocks, _PIECE):
            piece: list[tuple[int, memoryview | None]] = []
            for number in range(begin, min(begin + _PIECE, blocks)):
                data = None if self._store.holds(number) else bring(number)
                note(self._layout.length(number))
                piece.append((number, data))
            yield piece

    def _bring(self, reader: Reader, number: int) -> memoryview:
        """Fetch a block, from cache or service, and see to it that it is written."""
        data = memoryview(reader.pread(BLOCK_SIZE, number * BLOCK_SIZE))
        if not self._store.holds(number):
            # It was in memory, or whoever brought it could not write it.
            try:
                self._store.write_again(number, data)
            except OSError as error:
                raise self._store.place.error(error) from error
        return data
