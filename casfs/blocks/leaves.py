"""What is known of an output's leaves: in memory, and one record a block in a file beside them.

A record is one byte of `Trust` and the leaf. It says what a block on disk must hash to, and all
of them together say what the whole output hashes to, even when blocks have been evicted.
"""

import threading
from collections.abc import Iterable
from pathlib import Path

from casfs.blocks.leaf_file import LeafFile, Record
from casfs.blocks.leaf_pages import DOUBTED, INHERITED, TRUST, UNSAVED, LeafPages
from casfs.blocks.trust import Forgiven, Trust, Verdict
from casfs.private import PrivateDirectory
from casfs.ranges import Layout
from casfs.treehash import TreeHash


class Leaves:
    """The leaves of one output that are known.

    The file is read once, here. From then on what this process received counts, whatever another
    one writes there: its leaves are of bytes that it received, not of those handed on here. The
    note in it says what was forgotten, so that a service that is wrong for good is not asked for
    ever. That the output as a whole matched its hash no file is believed: it is found out anew.

    Lock order: its one lock is innermost; it is not held while reading or writing the file.

    Attributes:
        generation: counts how often bytes that were handed on were found to be wrong. In one
            generation a block that came, or was read, has one and the same leaf.
        changes: counts how often leaves came, changed or were forgotten.
        whole: the tree hash that the output as a whole was found to match, None before that.
    """

    def __init__(
        self,
        path: Path,
        layout: Layout,
        tree_hash: TreeHash,
        private: PrivateDirectory | None = None,
    ) -> None:
        self._tree_hash = tree_hash
        self._no_leaf = bytes(tree_hash.digest_size)
        private = private or PrivateDirectory(path.parent)
        self._file = LeafFile(path, layout.blocks, tree_hash.digest_size, private)
        self._lock = threading.Lock()
        self._settled = threading.Condition(self._lock)
        self._pages = LeafPages(layout.blocks, tree_hash)
        self.generation = 0
        self.changes = 0
        self.whole: bytes | None = None
        note = self._file.load(self._pages.load)
        self._forgiven = Forgiven(note) if note in tuple(Forgiven) else Forgiven.NOTHING

    def trust(self, block: int) -> Trust:
        """Return how sure we are of a block."""
        known = self._pages.state(block) & TRUST
        return Trust.WHOLE if known and self.whole else Trust(known)

    def least_trust(self) -> Trust:
        """Return how sure we are of the block that we are least sure of."""
        with self._lock:
            least = self._pages.least_trust()
            return Trust.WHOLE if least and self.whole else least

    def most_trust(self) -> Trust:
        """Return how sure we are of the block that we are most sure of."""
        with self._lock:
            return Trust.WHOLE if self.whole else self._pages.most_trust()

    def unchecked(self) -> bool:
        """Tell whether a block is known that nothing vouches for."""
        return not self.whole and self._pages.counts[Trust.UNCHECKED] > 0

    def complete(self) -> bool:
        """Tell whether every leaf is known."""
        return self._pages.complete()

    def leaf(self, block: int) -> bytes | None:
        """Return what a block hashes to, None if it is not known."""
        with self._lock:
            return self._pages.leaf(block) if self._pages.state(block) & TRUST else None

    def judge(self, block: int, leaf: bytes, trust: Trust) -> Verdict:
        """Tell what is known of bytes that came for a block, with this leaf."""
        with self._lock:
            return self._pages.judge(block, leaf, trust, self.trust(block))

    def put(self, block: int, leaf: bytes, trust: Trust, keep: bool = True) -> Verdict:
        """Record a leaf if the verdict is good.

        Args:
            block: number of the block.
            leaf: what came for it.
            trust: how sure we are of that.
            keep: write it to the file as well. Else that is done by `keep`.
        """
        with self._lock:
            verdict = self._pages.judge(block, leaf, trust, self.trust(block))
            state = self._pages.state(block)
            if verdict is not Verdict.GOOD:
                return verdict
            known = state & TRUST
            same = bool(known) and self._pages.leaf(block) == leaf
            saved = same and not state & UNSAVED
            trust = Trust(max(trust, known)) if same else trust
            unsaved = 0 if keep or saved else UNSAVED
            self._pages.set(block, trust | unsaved, None if same else leaf)
            self.changes += not same
            if state & DOUBTED and not self._pages.doubted:
                self._settled.notify_all()
        if not unsaved and not (saved and trust == known):
            self._file.write([(block, trust, leaf)])
        return verdict

    def keep(self, run: range) -> None:
        """Write the leaves of a run to the file that were left out there."""
        with self._lock:
            records = self._pages.take_unsaved(run)
        self._file.write(records)

    def write_again(self) -> None:
        """Write all leaves once more, since their file was removed."""
        with self._lock:
            known = self._pages.with_mark(TRUST)
            records = self._pages.records(n for n in known if not self._pages.state(n) & UNSAVED)
        self._file.write(records)

    def doubt(self, run: range) -> list[int]:
        """Trust no block of a run any more whose leaf was not to be kept yet; return these.

        They may have been handed on. They are doubted until the same bytes have come again.
        """
        with self._lock:
            blocks = self._pages.with_mark(UNSAVED, run)
            for block in blocks:
                self._pages.set(block, DOUBTED)
            self._note_change(blocks)
        return blocks

    def doubted(self, run: range | None = None) -> bool:
        """Tell whether a block, of a run or at all, is doubted."""
        if not self._pages.doubted or run is None:
            return bool(self._pages.doubted)
        with self._lock:
            return bool(self._pages.with_mark(DOUBTED, run))

    def wait_for_doubts(self, seconds: float) -> bool:
        """Wait until no block is doubted; return False if one still is after these seconds."""
        with self._settled:
            return self._settled.wait_for(lambda: not self._pages.doubted, seconds)

    def confirm(self, block: int, leaf: bytes) -> Trust:
        """Note that bytes of this leaf are about to be handed on; return how sure we are of them.

        That is `UNKNOWN` if another leaf is known by now, or none.
        """
        with self._lock:
            state = self._pages.state(block)
            if not state & TRUST or self._pages.leaf(block) != leaf:
                return Trust.UNKNOWN
            if state & INHERITED:
                self._pages.set(block, state & ~INHERITED)
            return self.trust(block)

    def root(self) -> bytes | None:
        """Return the tree hash over all leaves, None while one is not known or there is none."""
        while True:
            with self._lock:
                changes = self.changes
                if not self._pages.complete() or not self._pages.blocks:
                    return None
            roots = []
            for number in self._pages.page_numbers():
                with self._lock:
                    if self.changes != changes:
                        break
                    roots.append(self._pages.page_root(number))
            else:
                return self._tree_hash.root(roots)

    def trust_whole(self, root: bytes, changes: int) -> None:
        """Record that the output as a whole matched its tree hash, unless a leaf changed since.

        Args:
            root: the tree hash.
            changes: how many changes there had been before it was computed.
        """
        with self._lock:
            if self.changes != changes:
                return
            self.whole = root
            records = self._pages.take_unsaved(None)
            note = Forgiven.NOTHING if self._forgiven else None
            self._forgiven = Forgiven.NOTHING
        self._file.write(records, note)

    def end_generation(self, generation: int, doubtful: list[int]) -> list[int]:
        """Forget every leaf that no answer's hash vouched for, and these; return their blocks.

        Nothing more is done, and nothing returned, if another did it for this generation.
        """
        with self._lock:
            if self.generation != generation:
                return []
            blocks = self._forget_unvouched(doubtful)
        self._file.write(self._unknown(blocks))
        return blocks

    def remedy(self) -> Forgiven:
        """Return what is to be forgotten of an output that as a whole is not what it should be.

        At first these are the leaves that no answer's hash vouched for. When that did not help, or
        there are none, it is all of them, once. After that what was vouched for stays.
        """
        with self._lock:
            unvouched = self._pages.counts[Trust.UNCHECKED] > 0
            if unvouched and self._forgiven is not Forgiven.UNVOUCHED:
                return Forgiven.UNVOUCHED
            done = self._forgiven is Forgiven.EVERYTHING
            return Forgiven.NOTHING if done else Forgiven.EVERYTHING

    def end_wrong_whole(self, generation: int, remedy: Forgiven) -> list[int]:
        """Forget what `remedy` said, and note that; return the blocks that were forgotten.

        Nothing more is done, and nothing returned, if another did it for this generation.
        """
        anew = remedy is Forgiven.EVERYTHING
        with self._lock:
            if self.generation != generation:
                return []
            blocks = self._forget_unvouched(self._pages.with_mark(TRUST) if anew else [])
            note = self._forgiven = max(self._forgiven, remedy)
        self._file.write([] if anew else self._unknown(blocks), note, anew)
        return blocks

    def known(self) -> list[int]:
        """Return the blocks whose leaf is known."""
        with self._lock:
            return self._pages.with_mark(TRUST)

    def inherited(self) -> list[int]:
        """Return the blocks whose leaf was found in the file: it may have rotted there."""
        with self._lock:
            return self._pages.with_mark(INHERITED)

    def forget_inherited(self, blocks: list[int]) -> None:
        """Forget the leaves of those among these blocks that are known from the file alone."""
        with self._lock:
            blocks = [block for block in blocks if self._pages.state(block) & INHERITED]
            self._forget(blocks)
        self._file.write(self._unknown(blocks))

    def distrust(self, blocks: Iterable[int]) -> None:
        """Take none of these blocks for checked, since a record said so that others contradict."""
        with self._lock:
            checked = [n for n in blocks if self._pages.state(n) & TRUST == Trust.CHECKED]
            for block in checked:
                marks = self._pages.state(block) & ~TRUST
                self._pages.set(block, marks | Trust.UNCHECKED)
            records = self._pages.records(checked)
        self._file.write(records)

    def _forget_unvouched(self, doubtful: list[int]) -> list[int]:
        unvouched = self._pages.with_trust(Trust.UNCHECKED)
        blocks = sorted({*unvouched, *self._pages.with_mark(DOUBTED), *doubtful})
        self.generation += 1
        self._forget(blocks)
        return blocks

    def _forget(self, blocks: list[int]) -> None:
        for block in blocks:
            self._pages.set(block, Trust.UNKNOWN)
        self._note_change(blocks)

    def _note_change(self, blocks: list[int]) -> None:
        if blocks:
            self.whole = None
            self.changes += 1
        if not self._pages.doubted:
            self._settled.notify_all()

    def _unknown(self, blocks: list[int]) -> list[Record]:
        return [(block, Trust.UNKNOWN, self._no_leaf) for block in blocks]
