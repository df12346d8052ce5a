"""What is known of an output's leaves: in memory, and one record a block in a file beside them.

A record is one byte of `Trust` and the leaf. It says what a block on disk must hash to, and all
of them together say what the whole output hashes to, even when blocks have been evicted.
"""

from collections.abc import Iterable
from pathlib import Path

from casfs.blocks.disk.doubts import Doubts
from casfs.blocks.disk.leaf_file import LeafDirectory
from casfs.blocks.disk.leaf_pages import DOUBTED, INHERITED, TRUST, UNSAVED
from casfs.blocks.disk.leaf_state import LeafState
from casfs.blocks.disk.provisional import Transfer
from casfs.blocks.verify import (
    Digest,
    Forgiven,
    LeafVerdict,
    Trust,
    Verifier,
    matches,
    remedy,
    trust_on_record,
)
from casfs.private import PrivateDirectory
from casfs.ranges import Layout


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

    def judge(
        self, block: int, leaf: Digest, trust: Trust, generation: int | None = None
    ) -> LeafVerdict:
        """Return what is known of bytes that came for a block, with this leaf; see `put`."""
        with self.state.lock:
            if generation not in (None, self.state.generation):
                return LeafVerdict.LATE
            return self.state.pages.judge(block, leaf, trust, self.trust(block))

    def put(
        self,
        block: int,
        leaf: Digest,
        trust: Trust,
        generation: int | None = None,
        transfer: Transfer | None = None,
    ) -> LeafVerdict:
        """Record a leaf if the verdict is good.

        Args:
            block: number of the block.
            leaf: what came for it.
            trust: how sure we are of that.
            generation: in which it was asked for, None for the present one.
            transfer: what brought it, if more is to come of that; the leaf is written to the file
                by `Doubts.keep` then.
        """
        with self.state.lock:
            if generation not in (None, self.state.generation):
                return LeafVerdict.LATE
            verdict = self.state.pages.judge(block, leaf, trust, self.trust(block))
            state = self.state.pages.state(block)
            if verdict is not LeafVerdict.GOOD:
                return verdict
            known = state & TRUST
            same = bool(known) and matches(self.state.pages.leaf(block), leaf)
            saved = same and not state & UNSAVED
            trust = trust_on_record(trust, Trust(known), same)
            unsaved = 0 if transfer is None or saved else UNSAVED
            self.state.pages.set(block, trust | unsaved, None if same else leaf)
            if transfer is not None:
                transfer.brought(block)
            self.state.changes += not same
            if state & DOUBTED and not self.state.pages.doubted:
                self.state.settled.notify_all()
            write = not unsaved and not (saved and trust == known)
            if write:
                self.state.file.queue([(block, trust, leaf)])
        if write:
            self.state.file.flush()
        return verdict

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
