"""Where the blocks of one output are on disk, and what is known of their leaves.

There are two kinds: a file for each block in the cache (`output_store.py`), and one file that is
to become a restored file (`part_store.py`).
"""

from abc import ABC, abstractmethod
from pathlib import Path
from typing import NamedTuple, Protocol

from casfs.blocks.disk.held import Held
from casfs.blocks.disk.leaf_index import LeafIndex
from casfs.blocks.disk.provisional import Transfer
from casfs.blocks.verify import Digest, Forgiven, Trust


class Stored(NamedTuple):
    """A block that was found on disk, its leaf, and how sure we are of it."""

    data: memoryview
    leaf: Digest
    trust: Trust


class Readers(Protocol):
    """Is notified who reads an output."""

    def begin(self) -> None:
        """Note one more reader."""

    def end(self) -> None:
        """Note one reader less."""


class BlockStore(ABC):
    """The blocks of one output on disk.

    Attributes:
        leaves: what is known of them.
        use: is notified who reads them.
        staging: directory of the files that `stage_somewhere` makes.
    """

    leaves: LeafIndex
    use: Readers
    staging: Path

    @abstractmethod
    def holds(self, block: int) -> bool:
        """Return whether a block seems to be there, without reading it."""

    @abstractmethod
    def load(self, block: int) -> Stored | None:
        """Return a block whose bytes hash to its leaf, and what is known of it, else None."""

    @abstractmethod
    def write(self, block: int, data: memoryview, generation: int | None = None) -> None:
        """Write a block.

        Args:
            block: number of the block.
            data: its bytes.
            generation: in which they came, if nothing is to be done once it has ended.

        Raises:
            OSError: no room, no permission, or a failing disk.
        """

    @abstractmethod
    def share(self, block: int, data: memoryview, path: Path) -> None:
        """Take over a block that another store has.

        Args:
            block: number of the block.
            data: its bytes, verified.
            path: the other store's file of it, which may be gone by now.

        Raises:
            OSError: that is not possible.
        """

    @abstractmethod
    def stage_somewhere(self, data: memoryview) -> Path | Held:
        """Store bytes of which nobody knows yet whether they are right.

        Raises:
            OSError: as `write`.
        """

    @abstractmethod
    def read_staged(self, block: int, staged: Path | Held) -> memoryview | None:
        """Return the bytes of a staged block, None if they are not as many as the block's.

        Raises:
            OSError: it is not there, or cannot be read.
        """

    @abstractmethod
    def remove(self, block: int) -> None:
        """Remove a block, if it is there and can be removed."""

    @abstractmethod
    def cached_bytes(self) -> int:
        """Return the bytes of the blocks that are there."""

    def read(self, block: int) -> memoryview | None:
        """Return a block whose bytes hash to its leaf, else None."""
        found = self.load(block)
        return found.data if found else None

    def invalidate(self, message: str, generation: int, doubtful: list[int]) -> list[int]:
        """Refuse everybody who has the output open; return the blocks that are to come again.

        Args:
            message: what was found to be wrong.
            generation: in which; nothing is done if it has ended.
            doubtful: blocks that are to come again, beside those that nothing vouches for.
        """
        return self._removed(self.leaves.end_generation(generation, doubtful, message))

    def invalidate_whole(self, message: str, generation: int, remedy: Forgiven) -> list[int]:
        """Refuse everybody as `invalidate` does; forget what `LeafIndex.remedy` says."""
        return self._removed(self.leaves.end_wrong_whole(generation, remedy, message))

    def invalidate_doubted(self, message: str, generation: int, run: range) -> bool:
        """Refuse everybody if a block of a run is doubted, and nothing brings it again.

        Returns:
            whether that is so.
        """
        forgotten = self.leaves.doubts.give_up(run, generation, message)
        self._removed(forgotten or [])
        return forgotten is not None

    def take_back(self, transfer: Transfer) -> list[int]:
        """Remove the blocks that a transfer brought and that were not to be kept yet; return them.

        Whoever has them is to wait until the same ones have come again, or to be refused.
        """
        return self._removed(self.leaves.doubts.doubt(transfer))

    def _removed(self, blocks: list[int]) -> list[int]:
        for block in blocks:
            self.remove(block)
        return blocks
