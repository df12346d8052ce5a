"""What is known of an output's leaves: in memory, and one record a block in a file beside them.

A record is one byte of `Trust` and the leaf. It says what a block on disk must hash to, and all
of them together say what the whole output hashes to, even when blocks have been evicted.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from casfs.blocks.block import Block
from casfs.blocks.disk.doubts import Doubts
from casfs.blocks.disk.leaf_file import LeafDirectory, Record
from casfs.blocks.disk.leaf_pages import INHERITED, TRUST, UNSAVED
from casfs.blocks.disk.leaf_state import LeafState
from casfs.blocks.disk.provisional import Transfer
from casfs.blocks.verify import (
    Digest,
    Forgiven,
    LeafVerdict,
    Trust,
    Verifier,
    remedy,
)
from casfs.private import PrivateDirectory
from casfs.ranges import Layout


class Judged(NamedTuple):
    """The verdict on blocks: of the first `block` that is not good, or that all are.

    Where leaves were recorded, it also says whether that of every block is known by now.
    """

    verdict: LeafVerdict
    block: Block | None = None
    complete: bool = False


class LeafIndex:
    """The leaves of one output that are known.

    The file is read once, here. From then on what this process received counts, whatever another
    one writes there: its leaves are of bytes that it received, not of those delivered here. The
    note in it says what was forgotten, so that a service that is wrong for good is not asked for
    ever. That the output as a whole matched its hash no file is believed: it is checked again.

    Attributes:
        state: what the parts share. Whoever reads looks at it for its generation and for doubts.
        doubts: about blocks of which nobody knows yet whether they are right.
    """

    def __init__(
        self,
        path: Path,
        layout: Layout,
        verifier: Verifier,
        private: LeafDirectory | None = None,
    ) -> None:
        self._verifier = verifier
        private = private or PrivateDirectory(path.parent)
        self.state = LeafState(path, layout, verifier, private)
        self.doubts = Doubts(self.state)
        note = self.state.note
        self._forgiven = Forgiven(note) if note in tuple(Forgiven) else Forgiven.NOTHING

    @property
    def generation(self) -> int:
        """Return how often bytes that were delivered were found to be wrong.

        In one generation a block that came, or was read, has one and the same leaf. What belongs to
        an earlier one changes nothing, however late it comes.
        """
        return self.state.generation

    @property
    def mismatch(self) -> str | None:
        """Return what was wrong when the last generation ended."""
        return self.state.mismatch

    @property
    def changes(self) -> int:
        """Return how often leaves came, changed or were forgotten."""
        return self.state.changes

    @property
    def whole(self) -> Digest | None:
        """Return the tree hash that the output as a whole matched, None before that."""
        return self.state.whole

    def trust(self, block: int) -> Trust:
        """Return how sure we are of a block."""
        known = self.state.pages.state(block) & TRUST
        return Trust.WHOLE if known and self.state.whole else Trust(known)

    def least_trust(self) -> Trust:
        """Return how sure we are of the block that we are least sure of."""
        with self.state.lock:
            least = self.state.pages.least_trust()
            return Trust.WHOLE if least and self.state.whole else least

    def most_trust(self) -> Trust:
        """Return how sure we are of the block that we are most sure of."""
        with self.state.lock:
            return Trust.WHOLE if self.state.whole else self.state.pages.most_trust()

    def unchecked(self) -> bool:
        """Return whether a block is known that nothing vouches for."""
        return not self.state.whole and self.state.pages.counts[Trust.UNCHECKED] > 0

    def complete(self) -> bool:
        """Return whether every leaf is known."""
        return self.state.pages.complete()

    def leaf(self, block: int) -> Digest | None:
        """Return what a block hashes to, None if it is not known."""
        with self.state.lock:
            return self.state.pages.known(block)

    def judge(self, blocks: Iterable[Block], generation: int | None = None) -> Judged:
        """Return what is known of blocks that came; see `put`."""
        with self.state.lock:
            if generation not in (None, self.state.generation):
                return Judged(LeafVerdict.LATE)
            whole, pages = self.state.whole is not None, self.state.pages
            for block in blocks:
                verdict = pages.judge(block.number, block.leaf, block.trust, whole)
                if verdict is not LeafVerdict.GOOD:
                    return Judged(verdict, block)
        return Judged(LeafVerdict.GOOD)

    def put(
        self,
        blocks: Iterable[Block],
        generation: int | None = None,
        transfer: Transfer | None = None,
    ) -> Judged:
        """Record the leaves of blocks that came, up to the first of which the verdict is not good.

        They are written to the file by `flush`.

        Args:
            blocks: what came.
            generation: in which they were asked for, None for the present one.
            transfer: what brings those that are provisional; their leaves are written to the file
                by `Doubts.keep`.
        """
        records: list[Record] = []
        with self.state.lock:
            if generation not in (None, self.state.generation):
                return Judged(LeafVerdict.LATE)
            judged = self._put(blocks, transfer, records)
            self.state.file.queue(records)
        return judged

    def _put(
        self, blocks: Iterable[Block], transfer: Transfer | None, records: list[Record]
    ) -> Judged:
        whole, pages = self.state.whole is not None, self.state.pages
        for block in blocks:
            provisional = transfer is not None and block.provisional
            put = pages.put(block.number, block.leaf, block.trust, whole, provisional)
            if put.verdict is not LeafVerdict.GOOD:
                return Judged(put.verdict, block)
            if transfer is not None and provisional:
                transfer.brought(block.number)
            self.state.changes += put.changed
            if put.settled:
                self.state.note_doubts()
            if put.record is not None:
                records.append(put.record)
        return Judged(LeafVerdict.GOOD, complete=not pages.unknown)

    def flush(self) -> None:
        """Write to the file what is not there yet."""
        self.state.file.flush()

    def write_again(self) -> None:
        """Write all leaves once more, since their file was removed."""
        with self.state.lock:
            known = self.state.pages.with_mark(TRUST)
            saved = (n for n in known if not self.state.pages.state(n) & UNSAVED)
            self.state.file.queue(self.state.pages.records(saved))
        self.state.file.flush()

    def confirm(self, block: int, leaf: Digest) -> Trust:
        """Note that bytes of this leaf are about to be delivered; return how sure we are of them.

        That is `UNKNOWN` if another leaf is known by now, or none.
        """
        with self.state.lock:
            trust = self.state.pages.confirm(block, leaf)
            return Trust.WHOLE if trust and self.state.whole else trust

    def root(self) -> Digest | None:
        """Return the tree hash over all leaves, None while one is not known or there is none."""
        while True:
            with self.state.lock:
                changes = self.state.changes
                if not self.state.pages.complete() or not self.state.pages.blocks:
                    return None
            roots = []
            for number in self.state.pages.page_numbers():
                with self.state.lock:
                    if self.state.changes != changes:
                        break
                    roots.append(self.state.pages.page_root(number))
            else:
                return self._verifier.root(roots)

    def trust_whole(self, root: Digest, changes: int) -> None:
        """Record that the output as a whole matched its tree hash, unless a leaf changed since.

        Args:
            root: the tree hash.
            changes: how many changes there had been before it was computed.
        """
        with self.state.lock:
            if self.state.changes != changes:
                return
            self.state.whole = root
            note = Forgiven.NOTHING if self._forgiven else None
            self._forgiven = Forgiven.NOTHING
            self.state.file.queue(self.state.pages.take_unsaved(None), note)
        self.state.file.flush()

    def end_generation(
        self, generation: int, doubtful: list[int], message: str | None = None
    ) -> list[int]:
        """Forget every leaf that no answer's hash vouched for, and these; return their blocks.

        Nothing more is done, and nothing returned, if another did it for this generation.
        """
        with self.state.lock:
            if self.state.generation != generation:
                return []
            blocks = self.state.end(message, doubtful)
        self.state.file.flush()
        return blocks

    def remedy(self) -> Forgiven:
        """Return what is to be forgotten of an output that as a whole is not what it should be."""
        removed = self.state.file.was_removed()
        with self.state.lock:
            unvouched = self.state.pages.counts[Trust.UNCHECKED] > 0
            return remedy(self._forgiven, unvouched, removed)

    def wrong_for_good(self) -> bool:
        """Return whether the output was wrong as a whole after all was forgotten once."""
        return self._forgiven is Forgiven.EVERYTHING and not self.state.whole and self.complete()

    def end_wrong_whole(
        self, generation: int, remedy: Forgiven, message: str | None = None
    ) -> list[int]:
        """Forget what `remedy` said, and note that; return the blocks that were forgotten.

        Nothing more is done, and nothing returned, if another did it for this generation.
        """
        fresh = remedy is Forgiven.EVERYTHING
        with self.state.lock:
            if self.state.generation != generation:
                return []
            note = self._forgiven = max(self._forgiven, remedy)
            if remedy is Forgiven.NOTHING:
                self.state.begin_generation(message)
                return []
            known = self.state.pages.with_mark(TRUST) if fresh else []
            blocks = self.state.end(message, known, note, fresh)
        self.state.file.flush()
        return blocks

    def known(self) -> list[int]:
        """Return the blocks whose leaf is known."""
        with self.state.lock:
            return self.state.pages.with_mark(TRUST)

    def inherited(self) -> list[int]:
        """Return the blocks whose leaf was found in the file: it may have rotted there."""
        with self.state.lock:
            return self.state.pages.with_mark(INHERITED)

    def forget_inherited(self, blocks: list[int]) -> None:
        """Forget the leaves of those among these blocks that are known from the file alone."""
        with self.state.lock:
            blocks = [block for block in blocks if self.state.pages.state(block) & INHERITED]
            self.state.forget(blocks)
            self.state.file.queue(self.state.unknown(blocks))
        self.state.file.flush()

    def distrust(self, blocks: Iterable[int]) -> None:
        """Take none of these blocks for checked, since a record said so that others contradict."""
        with self.state.lock:
            checked = [n for n in blocks if self.state.pages.state(n) & TRUST == Trust.CHECKED]
            for block in checked:
                marks = self.state.pages.state(block) & ~TRUST
                self.state.pages.set(block, marks | Trust.UNCHECKED)
            self.state.file.queue(self.state.pages.records(checked))
        self.state.file.flush()
