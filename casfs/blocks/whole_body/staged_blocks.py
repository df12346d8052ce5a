"""Blocks of a body that wait on disk, or in memory if they are few, until all of it has come."""

from collections import deque
from collections.abc import Hashable
from pathlib import Path
from types import TracebackType
from typing import Self

from casfs.blocks.block_tuning import TUNING
from casfs.blocks.disk.block_store import BlockStore
from casfs.blocks.disk.cache_room import spare_bytes
from casfs.blocks.disk.held import Held
from casfs.blocks.verify import Digest
from casfs.disks import disk_of, trouble
from casfs.errors import CasfsError


class StagedBlocks:
    """A queue of blocks; a context manager that removes what is left.

    Args:
        store: of the output, whose disk they wait on.
        output: names it in messages.
        size: bytes that will wait.

    Raises:
        CasfsError: there is no room for them.
    """

    def __init__(self, store: BlockStore, output: Hashable, size: int) -> None:
        self._store = store
        self._output = output
        self._size = size
        self._blocks: deque[tuple[int, Digest, Path | Held]] = deque()
        if size > TUNING.held_largest and spare_bytes(store.staging) < size:
            raise self._no_room(f"the disk at {disk_of(store.staging)} has too little room")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for _, _, path in self._blocks:
            path.unlink(missing_ok=True)

    def add(self, number: int, leaf: Digest, data: memoryview) -> None:
        """Let a block wait.

        Raises:
            CasfsError: there is no room for it.
        """
        try:
            staged = self._store.stage_somewhere(data)
        except OSError as error:
            raise self._no_room(trouble(self._store.staging, error)) from error
        self._blocks.append((number, leaf, staged))

    def leaves(self) -> list[Digest]:
        """Return what the blocks hashed to when they came."""
        return [leaf for _, leaf, _ in self._blocks]

    def first(self) -> int | None:
        """Return the number of the block that has waited longest, None if none waits."""
        return self._blocks[0][0] if self._blocks else None

    def pop(self) -> tuple[int, Digest, memoryview]:
        """Take the first: number, what it hashed to, and its bytes; none of one that is gone."""
        number, leaf, path = self._blocks.popleft()
        try:
            return number, leaf, self._store.read_staged(number, path) or memoryview(b"")
        except FileNotFoundError:
            return number, leaf, memoryview(b"")
        finally:
            path.unlink(missing_ok=True)

    def _no_room(self, reason: str) -> CasfsError:
        return CasfsError(
            f"the {self._output} comes in one piece, {self._size} bytes, and must wait on disk "
            f"until it is checked, but: {reason}; make room in the cache directory"
        )
