"""The leaves of an output in memory, in pages that are made when a leaf in them becomes known.

A service may say that an output has any size, and a reader may want one byte of it: what is not
known takes no memory. A page is a subtree, so that its root is computed once and kept until one of
its leaves changes.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from casfs.blocks.disk.leaf_file import PAGE, Record
from casfs.blocks.verify import (
    Digest,
    LeafVerdict,
    Trust,
    Verifier,
    judge,
    matches,
    trust_on_record,
)

TRUST = 0x0F
"""The bits of a state that are a `Trust`."""
INHERITED = 0x10
"""The leaf was found in the file, and no block has been delivered that hashes to it."""
UNSAVED = 0x20
"""The leaf is not to be written to the file yet."""
DOUBTED = 0x40
"""What came cannot be trusted any more, but may have been delivered: the leaf says what it was."""

_LOADED = bytes(
    byte | INHERITED if byte in (Trust.UNCHECKED, Trust.CHECKED) else Trust.UNKNOWN
    for byte in range(256)
)
"""The state that a byte of trust in a file means."""


class Put(NamedTuple):
    """What became of bytes that came for a block.

    Attributes:
        verdict: what is known of them; nothing was changed if it is not good.
        changed: another leaf was known, or none.
        settled: the block was doubted, and is no more.
        record: what is to be written to the file, None if that has it, or is to have it later.
    """

    verdict: LeafVerdict
    changed: bool = False
    settled: bool = False
    record: Record | None = None


class _Page:
    __slots__ = ("leaves", "root", "states")

    def __init__(self, count: int, digest_size: int) -> None:
        self.states = bytearray(count)
        self.leaves = bytearray(count * digest_size)
        self.root: Digest | None = None


class LeafPages:
    """States and leaves by block; the caller locks.

    Attributes:
        blocks: number of blocks.
        counts: how many blocks have each trust, but for the first, whose count is not kept.
        doubted: how many blocks are doubted.
        unknown: of how many blocks the leaf is not known.
    """

    def __init__(self, blocks: int, verifier: Verifier) -> None:
        self.blocks = blocks
        self.counts = [0] * (TRUST + 1)
        self.doubted = 0
        self.unknown = blocks
        self._verifier = verifier
        self._size = verifier.digest_size
        self._pages: dict[int, _Page] = {}

    def complete(self) -> bool:
        """Return whether every leaf is known."""
        return not self.unknown

    def state(self, block: int) -> int:
        """Return trust and marks of a block, 0 if nothing is known."""
        page = self._pages.get(block // PAGE)
        return page.states[block % PAGE] if page is not None else 0

    def leaf(self, block: int) -> Digest:
        """Return the leaf of a block that has a state."""
        start = block % PAGE * self._size
        return Digest(bytes(self._pages[block // PAGE].leaves[start : start + self._size]))

    def known(self, block: int) -> Digest | None:
        """Return the leaf of a block, None if it is not known."""
        return self.leaf(block) if self.state(block) & TRUST else None

    def confirm(self, block: int, leaf: Digest) -> Trust:
        """Note that bytes of this leaf are delivered; return how sure we are of them.

        That is `UNKNOWN` if another leaf is known by now, or none.
        """
        if not matches(self.known(block), leaf):
            return Trust.UNKNOWN
        state = self.state(block)
        if state & INHERITED:
            self.set(block, state & ~INHERITED)
        return Trust(state & TRUST)

    def set(self, block: int, state: int, leaf: bytes | None = None) -> None:
        """Give a block a state, and another leaf if one is given."""
        page = self._pages.get(block // PAGE)
        if page is None:
            page = self._add(block // PAGE)
        at = block % PAGE
        self._count(page.states[at], -1)
        self._count(state, 1)
        page.states[at] = state
        if leaf is not None:
            page.leaves[at * self._size : (at + 1) * self._size] = leaf
            page.root = None

    def load(self, number: int, trusts: bytes, leaves: bytes) -> None:
        """Fill a page from its beginning with what a file has, which may be anything."""
        states = trusts.translate(_LOADED)
        # A page of which nothing is known is not made.
        if not any(states):
            return
        page = self._add(number)
        page.states[: len(states)] = states
        page.leaves[: len(leaves)] = leaves
        for state in set(states):
            self._count(state, states.count(state))

    def with_mark(self, mark: int, run: range | None = None) -> list[int]:
        """Return the blocks, of a run or of all, whose state has one of these bits."""
        return [block for block, state in self._states(run) if state & mark]

    def with_trust(self, trust: int) -> list[int]:
        """Return the blocks that have a trust."""
        return [block for block, state in self._states(None) if state & TRUST == trust]

    def least_trust(self) -> Trust:
        """Return how sure we are of the block that we are least sure of."""
        if not self.complete() or not self.blocks:
            return Trust.UNKNOWN
        return Trust.UNCHECKED if self.counts[Trust.UNCHECKED] else Trust.CHECKED

    def most_trust(self) -> Trust:
        """Return how sure we are of the block that we are most sure of."""
        known = (trust for trust in reversed(Trust) if self.counts[trust])
        return next(known, Trust.UNKNOWN)

    def judge(self, block: int, leaf: Digest, trust: Trust, whole: bool) -> LeafVerdict:
        """Return what is known of bytes that came for a block.

        Args:
            block: number of the block.
            leaf: what its bytes hash to.
            trust: how sure we are of them.
            whole: the output as a whole matched its hash.
        """
        state = self.state(block)
        if not state:
            return LeafVerdict.GOOD
        known = Trust.WHOLE if whole and state & TRUST else Trust(state & TRUST)
        # What is known from the file alone was not delivered, and may have rotted. What is not
        # known any more, and not doubted, was taken back.
        delivered = bool(state & DOUBTED or (known and not state & INHERITED))
        return judge(leaf, trust, self.leaf(block), known, delivered)

    def put(self, block: int, leaf: Digest, trust: Trust, whole: bool, unsaved: bool) -> Put:
        """Record the leaf of bytes that came for a block, if the verdict is good.

        Args:
            block: number of the block.
            leaf: what its bytes hash to.
            trust: how sure we are of them.
            whole: the output as a whole matched its hash.
            unsaved: the leaf is not to be written to the file yet, unless that has it.
        """
        state = self.state(block)
        if not state:
            self.set(block, trust | UNSAVED if unsaved else trust, leaf)
            record = None if unsaved else (block, trust, leaf)
            return Put(LeafVerdict.GOOD, changed=True, record=record)
        verdict = self.judge(block, leaf, trust, whole)
        if verdict is not LeafVerdict.GOOD:
            return Put(verdict)
        known = state & TRUST
        same = bool(known) and matches(self.leaf(block), leaf)
        saved = same and not state & UNSAVED
        trust = trust_on_record(trust, Trust(known), same)
        later = unsaved and not saved
        self.set(block, trust | UNSAVED if later else trust, None if same else leaf)
        done = later or (saved and trust == known)
        return Put(
            verdict,
            changed=not same,
            settled=bool(state & DOUBTED),
            record=None if done else (block, trust, leaf),
        )

    def records(self, blocks: Iterable[int]) -> list[Record]:
        """Return the records of blocks that have a state."""
        return [(n, self.state(n) & TRUST, self.leaf(n)) for n in blocks]

    def take_unsaved(self, run: range | None) -> list[Record]:
        """Return the records of a run, or of all, that were not to be written yet: now they are."""
        blocks = self.with_mark(UNSAVED, run)
        for block in blocks:
            self.set(block, self.state(block) & ~UNSAVED)
        return self.records(blocks)

    def page_numbers(self) -> range:
        """Return the numbers of all pages, known or not."""
        return range(-(-self.blocks // PAGE))

    def page_root(self, number: int) -> Digest:
        """Return the root of a page of which every leaf is known."""
        page = self._pages[number]
        if page.root is None:
            ends = range(0, len(page.leaves), self._size)
            page.root = self._verifier.root(
                [Digest(bytes(page.leaves[at : at + self._size])) for at in ends]
            )
        return page.root

    def _add(self, number: int) -> _Page:
        count = min(PAGE, self.blocks - number * PAGE)
        page = self._pages[number] = _Page(count, self._size)
        return page

    def _count(self, state: int, change: int) -> None:
        if state & TRUST:
            self.counts[state & TRUST] += change
            self.unknown -= change
        if state & DOUBTED:
            self.doubted += change

    def _states(self, run: range | None) -> Iterator[tuple[int, int]]:
        run = range(self.blocks) if run is None else run
        near = range(run.start // PAGE, -(-run.stop // PAGE))
        known = sorted(self._pages) if len(self._pages) < len(near) else near
        for number in known:
            if number not in near or number not in self._pages:
                continue
            for block, state in enumerate(self._pages[number].states, number * PAGE):
                if state and block in run:
                    yield block, state
