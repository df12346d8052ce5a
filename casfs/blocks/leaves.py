"""What is known of an output's leaves: in memory, and one record a block in a file beside them.

A record is one byte of `Trust` and the leaf. It says what a block on disk must hash to, and all
of them together say what the whole output hashes to, even when blocks have been evicted.
"""

import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from casfs.blocks.leaf_file import LeafFile, Record
from casfs.blocks.leaf_pages import DOUBTED, INHERITED, TRUST, UNSAVED, LeafPages
from casfs.blocks.transfers import Transfer, Transfers
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

    Lock order: under its one lock records are queued for the file, which has a lock of its own; it
    is not held while reading or writing the file.

    Attributes:
        generation: counts how often bytes that were handed on were found to be wrong. In one
            generation a block that came, or was read, has one and the same leaf. What belongs to
            an earlier generation changes nothing here, however late it comes.
        mismatch: what was wrong when the last generation ended.
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
        self._transfers = Transfers()
        self.generation = 0
        self.mismatch: str | None = None
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

    def judge(
        self, block: int, leaf: bytes, trust: Trust, generation: int | None = None
    ) -> Verdict:
        """Return what is known of bytes that came for a block, with this leaf; see `put`."""
        with self._lock:
            if generation not in (None, self.generation):
                return Verdict.LATE
            return self._pages.judge(block, leaf, trust, self.trust(block))

    def put(
        self,
        block: int,
        leaf: bytes,
        trust: Trust,
        generation: int | None = None,
        transfer: Transfer | None = None,
    ) -> Verdict:
        """Record a leaf if the verdict is good.

        Args:
            block: number of the block.
            leaf: what came for it.
            trust: how sure we are of that.
            generation: in which it was asked for, None for the present one.
            transfer: what brought it, if more is to come of that; the leaf is written to the file
                by `keep` then.
        """
        with self._lock:
            if generation not in (None, self.generation):
                return Verdict.LATE
            verdict = self._pages.judge(block, leaf, trust, self.trust(block))
            state = self._pages.state(block)
            if verdict is not Verdict.GOOD:
                return verdict
            known = state & TRUST
            same = bool(known) and self._pages.leaf(block) == leaf
            saved = same and not state & UNSAVED
            trust = Trust(max(trust, known)) if same else trust
            unsaved = 0 if transfer is None or saved else UNSAVED
            self._pages.set(block, trust | unsaved, None if same else leaf)
            if transfer is not None:
                transfer.brought(block)
            self.changes += not same
            if state & DOUBTED and not self._pages.doubted:
                self._settled.notify_all()
            write = not unsaved and not (saved and trust == known)
            if write:
                self._file.queue([(block, trust, leaf)])
        if write:
            self._file.flush()
        return verdict

    @contextmanager
    def transfer(self, run: range, generation: int) -> Iterator[Transfer]:
        """Expect that a run comes in one piece, or comes again that way, while inside."""
        transfer = Transfer(run, generation)
        with self._lock:
            self._transfers.add(transfer)
        try:
            yield transfer
        finally:
            with self._lock:
                self._transfers.remove(transfer)

    def keep(self, transfer: Transfer) -> None:
        """Write the leaves to the file that were left out there, since a transfer has ended well.

        Those that others brought are among them: it brought the same.
        """
        with self._lock:
            if transfer.generation != self.generation:
                return
            self._file.queue(self._pages.take_unsaved(transfer.run))
        self._file.flush()

    def write_again(self) -> None:
        """Write all leaves once more, since their file was removed."""
        with self._lock:
            known = self._pages.with_mark(TRUST)
            saved = (n for n in known if not self._pages.state(n) & UNSAVED)
            self._file.queue(self._pages.records(saved))
        self._file.flush()

    def doubt(self, transfer: Transfer) -> list[int]:
        """Trust nothing any more that a transfer alone brought, and that was not to be kept yet.

        The blocks, which are returned, may have been handed on. They are doubted until the same
        bytes have come again.
        """
        with self._lock:
            brought = transfer.take_back()
            if transfer.generation != self.generation:
                return []
            others = self._transfers.others(transfer)
            blocks = [
                block
                for block in self._pages.with_mark(UNSAVED, brought)
                if not any(block in other for other in others)
            ]
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

    def wait_for_doubts(self, generation: int, seconds: float) -> bool:
        """Wait until no block is doubted, or the generation has ended.

        Returns:
            False if one still is after these seconds.
        """

        def settled() -> bool:
            return not self._pages.doubted or self.generation != generation

        with self._settled:
            return self._settled.wait_for(settled, seconds)

    def end_doubts(self, run: range, generation: int, message: str) -> list[int] | None:
        """End a generation if a block of a run is doubted, and nothing brings it again.

        Returns:
            the blocks that were forgotten, None if that is not so.
        """
        with self._lock:
            if (
                self.generation != generation
                or not self._pages.with_mark(DOUBTED, run)
                or self._transfers.expected(run, generation)
            ):
                return None
            blocks = self._end(message, [])
        self._file.flush()
        return blocks

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
            note = Forgiven.NOTHING if self._forgiven else None
            self._forgiven = Forgiven.NOTHING
            self._file.queue(self._pages.take_unsaved(None), note)
        self._file.flush()

    def end_generation(
        self, generation: int, doubtful: list[int], message: str | None = None
    ) -> list[int]:
        """Forget every leaf that no answer's hash vouched for, and these; return their blocks.

        Nothing more is done, and nothing returned, if another did it for this generation.
        """
        with self._lock:
            if self.generation != generation:
                return []
            blocks = self._end(message, doubtful)
        self._file.flush()
        return blocks

    def remedy(self) -> Forgiven:
        """Return what is to be forgotten of an output that as a whole is not what it should be.

        At first these are the leaves that no answer's hash vouched for. When that did not help, or
        there are none, it is all of them, once. After that everything stays, and is what shows at
        each open that the output is wrong, until the user removes the file.
        """
        removed = self._file.was_removed()
        with self._lock:
            unvouched = self._pages.counts[Trust.UNCHECKED] > 0
            if unvouched and self._forgiven is Forgiven.NOTHING:
                return Forgiven.UNVOUCHED
            done = self._forgiven is Forgiven.EVERYTHING and not removed
            return Forgiven.NOTHING if done else Forgiven.EVERYTHING

    def wrong_for_good(self) -> bool:
        """Return whether the output was wrong as a whole after all was forgotten once."""
        return self._forgiven is Forgiven.EVERYTHING and not self.whole and self.complete()

    def end_wrong_whole(
        self, generation: int, remedy: Forgiven, message: str | None = None
    ) -> list[int]:
        """Forget what `remedy` said, and note that; return the blocks that were forgotten.

        Nothing more is done, and nothing returned, if another did it for this generation.
        """
        anew = remedy is Forgiven.EVERYTHING
        with self._lock:
            if self.generation != generation:
                return []
            note = self._forgiven = max(self._forgiven, remedy)
            if remedy is Forgiven.NOTHING:
                self._begin_generation(message)
                return []
            blocks = self._end(message, self._pages.with_mark(TRUST) if anew else [], note, anew)
        self._file.flush()
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
            self._file.queue(self._unknown(blocks))
        self._file.flush()

    def distrust(self, blocks: Iterable[int]) -> None:
        """Take none of these blocks for checked, since a record said so that others contradict."""
        with self._lock:
            checked = [n for n in blocks if self._pages.state(n) & TRUST == Trust.CHECKED]
            for block in checked:
                marks = self._pages.state(block) & ~TRUST
                self._pages.set(block, marks | Trust.UNCHECKED)
            self._file.queue(self._pages.records(checked))
        self._file.flush()

    def _end(
        self,
        message: str | None,
        doubtful: list[int],
        note: int | None = None,
        anew: bool = False,
    ) -> list[int]:
        unvouched = self._pages.with_trust(Trust.UNCHECKED)
        blocks = sorted({*unvouched, *self._pages.with_mark(DOUBTED), *doubtful})
        self._begin_generation(message)
        self._forget(blocks)
        self._file.queue([] if anew else self._unknown(blocks), note, anew)
        return blocks

    def _begin_generation(self, message: str | None) -> None:
        # First: who finds the generation ended looks at it.
        self.mismatch = message
        self.generation += 1
        self._settled.notify_all()

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
