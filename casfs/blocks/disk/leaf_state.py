"""What the parts of an output's leaves share: pages, file and generation, under one lock."""

import threading
from pathlib import Path

from casfs.blocks.disk.leaf_file import LeafDirectory, LeafFile, Record
from casfs.blocks.disk.leaf_pages import DOUBTED, LeafPages
from casfs.blocks.verify import Digest, Trust, Verifier
from casfs.ranges import Layout


class LeafState:
    """The state of an output's leaves; but for `changes` it is changed under its lock alone.

    Lock order: under the lock records are queued for the file, which has a lock of its own; it is
    not held while reading or writing the file.

    Attributes:
        lock: to be held by callers.
        settled: is notified when nothing is doubted, or a generation ends.
        pages: the leaves.
        file: the file that they are written to.
        generation, mismatch, changes, whole: see `LeafIndex`.
        undoubted: the generation, while nothing of it is doubted, else -1. Readers look at it at
            each read, without the lock.
        note: what was found in the file beside the leaves.
    """

    def __init__(
        self, path: Path, layout: Layout, verifier: Verifier, private: LeafDirectory
    ) -> None:
        self._no_leaf = bytes(verifier.digest_size)
        self.file = LeafFile(path, layout.blocks, verifier.digest_size, private)
        self.lock = threading.Lock()
        self.settled = threading.Condition(self.lock)
        self.pages = LeafPages(layout.blocks, verifier)
        self.generation = 0
        self.undoubted = 0
        self.mismatch: str | None = None
        self.changes = 0
        self.whole: Digest | None = None
        self.note = self.file.load(self.pages.load)

    @property
    def unread(self) -> int | None:
        """Return for which errno leaves that the file may have are not known, None if all are.

        Their blocks seem not to be there, though they may be.
        """
        return None if self.pages.complete() else self.file.unread

    def end(
        self,
        message: str | None,
        doubtful: list[int],
        note: int | None = None,
        fresh: bool = False,
    ) -> list[int]:
        """End the generation; return the blocks that are forgotten.

        Those are the doubted ones and all that no answer's hash vouched for.

        Args:
            message: what was found to be wrong.
            doubtful: blocks that are forgotten beside them.
            note: see `LeafFile.queue`.
            fresh: all blocks are forgotten.
        """
        unvouched = self.pages.with_trust(Trust.UNCHECKED)
        blocks = sorted({*unvouched, *self.pages.with_mark(DOUBTED), *doubtful})
        self.begin_generation(message)
        self.forget(blocks)
        self.file.queue([] if fresh else self.unknown(blocks), note, fresh)
        return blocks

    def begin_generation(self, message: str | None) -> None:
        """End the generation, and forget nothing."""
        # First: who finds the generation ended looks at it.
        self.mismatch = message
        self.undoubted = -1
        self.generation += 1
        self.note_doubts()
        self.settled.notify_all()

    def forget(self, blocks: list[int]) -> None:
        """Forget the leaves of blocks."""
        for block in blocks:
            self.pages.set(block, Trust.UNKNOWN)
        self.note_change(blocks)

    def note_change(self, blocks: list[int]) -> None:
        """Note that the leaves of blocks are not what they were."""
        if blocks:
            self.whole = None
            self.changes += 1
        self.note_doubts()

    def note_doubts(self) -> None:
        """Note that blocks may be doubted that were not, or the other way round."""
        self.undoubted = -1 if self.pages.doubted else self.generation
        if not self.pages.doubted:
            self.settled.notify_all()

    def unknown(self, blocks: list[int]) -> list[Record]:
        """Return the records of blocks that are not known any more."""
        return [(block, Trust.UNKNOWN, self._no_leaf) for block in blocks]
