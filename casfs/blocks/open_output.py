"""An output that is being read: its store, and the check of the output as a whole."""

import shlex
from collections.abc import Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial

from casfs.blocks.block import Block
from casfs.blocks.disk.cached_elsewhere import CachedElsewhere
from casfs.blocks.disk.leaf_index import Judged
from casfs.blocks.disk.provisional import Transfer
from casfs.blocks.disk.store import OutputStores
from casfs.blocks.prefetch import Prefetcher
from casfs.blocks.sources import OpenSource
from casfs.blocks.streams import Streams
from casfs.blocks.verify import (
    Forgiven,
    LeafVerdict,
    matches,
    may_be_cached,
    trust_if_adopted,
    verified,
)
from casfs.deadline import Deadline
from casfs.errors import MismatchError, OutputMismatchError
from casfs.model import Output
from casfs.threads import wait_within


@dataclass(frozen=True)
class WholeMismatch:
    """An output that is not what the job says: the message, and the blocks to be fetched again."""

    message: str
    forgotten: list[int]


class OpenOutput:
    """An output that is being read.

    Attributes:
        output: what is read.
        store: its blocks on disk.
        key: names what is delivered together, in memory and in flight: blocks of one generation.
            So bytes from before a mismatch never reach whoever opens the output after it.
        sources: the jobs that bring it, in the order of `Output.sources`.
        state: of its leaves. While `state.undoubted` is `generation`, the one in which it was
            opened, nothing of it is wrong, or doubted: what was read may be delivered.
        generation: see `state`.
        prefetcher: decides what to prefetch for all of its readers together.
        transferred: the sources whose whole output came, or comes, where a range was asked for.
        moved: when bytes of it last came from the service, by the monotonic clock.
    """

    def __init__(self, output: Output, disk: OutputStores, streams: Streams) -> None:
        self.output = output
        self.store = disk.store(output)
        self.state = self.store.leaves.state
        self.generation = self.state.generation
        self.key = (self.store, self.generation)
        self.sources = [OpenSource(output, source, disk) for source in output.sources]
        self.prefetcher = Prefetcher(output.layout, streams)
        self.transferred: set[OpenSource] = set()
        self.moved = 0.0

    @property
    def refusal(self) -> str | None:
        """Return why its bytes are not delivered, None if they are."""
        if self.state.generation == self.generation:
            return None
        return self.store.leaves.mismatch or f"the {self.output} has changed; read it again"

    def source(self, block: int) -> OpenSource:
        """Return the source of a block."""
        return self.sources[self.output.source_number(block)]

    def note_read(self, run: range) -> None:
        """Tell whole-body transfers that somebody reads a run now, wherever it comes from."""
        for number in self.output.touched(run):
            self.sources[number].shared.note_read(run)

    def holds(self, block: int) -> bool:
        """Return whether a block seems to be on disk, without reading it."""
        elsewhere = self.source(block).elsewhere
        return self.store.holds(block) or any(place.holds(block) for place in elsewhere)

    def read(self, block: int) -> memoryview | None:
        """Return a block that is on disk, else None.

        Raises:
            OutputMismatchError: it is the last one, and the whole is not what it should be.
        """
        stored = self.store.load(block)
        if stored is not None:
            return stored.data
        found = (self._adopt(block, place) for place in self.source(block).elsewhere)
        return next((data for data in found if data is not None), None)

    def _adopt(self, block: int, place: CachedElsewhere) -> memoryview | None:
        """Return a block that is cached in another place; link it here as well."""
        stored = place.load(block)
        if stored is None:
            return None
        # Where it contradicts what came before, the service is to decide.
        adopted = [Block(block, stored.data, stored.leaf, trust_if_adopted(stored.trust))]
        judged = self.store.leaves.put(adopted, self.generation)
        if judged.verdict is not LeafVerdict.GOOD:
            return None
        self.store.leaves.flush()
        place.share(block, stored.data, self.store)
        if judged.complete:
            self.require_whole()
        return stored.data

    def compare(self, blocks: Iterable[Block]) -> None:
        """Compare blocks that came with what was verified before.

        Raises:
            MismatchError: they are something else.
            OutputMismatchError: everybody who has the output open is refused.
        """
        self._raise_if_wrong(self.store.leaves.judge(blocks, self.generation))

    def record(self, blocks: Iterable[Block], transfer: Transfer | None = None) -> None:
        """Record the leaves of blocks that came; check the whole output if they were the last ones.

        Args:
            blocks: what came.
            transfer: what brings those that are provisional.

        Raises:
            MismatchError: one of them is not what was verified before.
            OutputMismatchError: one of them is not what came before, and nobody knows which of
                the two is right. As with a mismatch of the whole, everybody is refused. Or that
                is so already; or the whole is wrong, see `check_whole`.
        """
        judged = self.store.leaves.put(blocks, self.generation, transfer)
        self._raise_if_wrong(judged)
        if judged.block is not None:
            message = (
                f"block {judged.block.number} of the {self.output} arrived twice with different "
                "bytes; do not use what was read of it, read it again"
            )
            self.store.invalidate(message, self.generation, [judged.block.number])
            raise OutputMismatchError(message)
        if judged.complete:
            self.require_whole()

    def check_whole(self) -> WholeMismatch | None:
        """Compare the whole output with its tree hash, once its last leaf is known.

        On a mismatch everybody who has the output open is refused from now on: whichever bytes
        were wrong, some may have been delivered, and the kernel may still have them. What may be
        wrong is forgotten, so that whoever opens the output again fetches it again; see
        `LeafIndex.remedy`.
        """
        leaves, expected = self.store.leaves, self.output.tree_hash
        generation, changes = self.generation, leaves.changes
        if expected is None or not leaves.complete() or matches(leaves.whole, expected):
            return None
        if leaves.generation != generation:
            return None  # Whoever has it open now checks what came since.
        # What is found must be found again after a restart, though the last block is not written.
        leaves.flush()
        found = leaves.root()
        if matches(found, expected):
            leaves.trust_whole(expected, changes)
            return None
        remedy = leaves.remedy()
        rotten = bool(remedy) and self._forget_rotten()
        # Who changed a leaf in the meantime checks the whole after us.
        if rotten or leaves.changes != changes:
            return None
        message = (
            f"the {self.output} as a whole has tree hash {found.hex() if found else 'unknown'}, "
            f"the service says {expected.hex()}; do not use what was read of it, "
            f"{self._advice(remedy)}"
        )
        # The other places first: who is refused this one must not still read the same there.
        if leaves.generation == generation and remedy:
            elsewhere = (place for source in self.sources for place in source.elsewhere)
            for place in {place.store: place for place in elsewhere}.values():
                place.refuse(message, everything=remedy is Forgiven.EVERYTHING)
        return WholeMismatch(message, self.store.invalidate_whole(message, generation, remedy))

    def _forget_rotten(self) -> bool:
        """Forget leaves that may have rotted in their file; return whether there were any.

        That is where the block does not vouch for its leaf. It was delivered to nobody, so nobody
        has all of the output yet. If this explains why the whole is wrong, the other records of the
        file may still be wrong as well: no block is taken for checked for their sake.
        """
        leaves = self.store.leaves
        inherited = leaves.inherited()
        rotten = [number for number in inherited if self.store.read(number) is None]
        if rotten:
            leaves.forget_inherited(rotten)
            leaves.distrust(set(inherited).difference(rotten))
        return bool(rotten)

    def _advice(self, remedy: Forgiven) -> str:
        if remedy:
            return "read it again"
        first, *others = self.output.sources
        whose = self.output.archive if others and self.output.archive else first.job_id
        name = shlex.join([self.output.vault, whose])
        return (
            "which was wrong again after all of it was fetched once more: when the service is "
            f"fixed, `casfs cache clear {name}` makes casfs fetch it again"
        )

    def require_whole(self) -> None:
        """Check the whole output if all of it is known by now.

        Raises:
            OutputMismatchError: it is not what it should be; see `check_whole`.
        """
        mismatch = self.check_whole()
        if mismatch is not None:
            raise OutputMismatchError(mismatch.message)

    def require_undoubted(self, source: OpenSource) -> None:
        """Refuse everybody if what a transfer brought was taken back, and no other brings it again.

        Raises:
            OutputMismatchError: that is so, or everybody is refused already.
        """
        if source.doubted(self.store):
            message = (
                f"the {self.output} came in one piece that broke off, so that what was read of it "
                "may be wrong; do not use that, read it again"
            )
            self.store.invalidate_doubted(message, self.generation, source.run)
        self.require_current()

    def require_current(self) -> None:
        """Raise if its bytes are not delivered.

        Raises:
            OutputMismatchError: that is so.
        """
        if (refusal := self.refusal) is not None:
            raise OutputMismatchError(refusal)

    def transfer(self, run: range) -> AbstractContextManager[Transfer]:
        """Expect that a run comes in one piece; see `Doubts.transfer`."""
        return self.store.leaves.doubts.transfer(run, self.generation)

    def write(self, block: int, data: memoryview) -> None:
        """Put a block's file in its place, unless everybody is refused by then.

        Its leaf is written before it, with those of all blocks that came meanwhile.

        Raises:
            OSError: as `OutputStore.write`.
        """
        self.store.leaves.flush()
        self.store.write(block, data, self.generation)

    def doubted(self) -> bool:
        """Return whether a block is doubted, so that readers must wait."""
        return bool(self.state.pages.doubted) and self.refusal is None

    def wait_for_doubts(self, deadline: Deadline) -> None:
        """Wait until what was taken back has come again the same, or everybody is refused.

        Raises:
            DeadlineError: that took too long.
        """
        wait = partial(self.store.leaves.doubts.wait, self.generation)
        if self.doubted() and not wait_within(wait, deadline.remaining()):
            raise deadline.error(f"the {self.output}, which comes again from its beginning")

    def _raise_if_wrong(self, judged: Judged) -> None:
        if judged.verdict is LeafVerdict.LATE:
            self.require_current()
        if judged.verdict is LeafVerdict.WRONG and (block := judged.block):
            raise MismatchError(
                f"block {block.number} of the {self.output} has hash {block.leaf.hex()}, which is "
                "not what was verified before; none of it was delivered"
            )

    def vouched(self) -> bool:
        """Return whether a hash of the service vouched for every byte delivered so far."""
        leaves = self.store.leaves
        return may_be_cached(self.refusal is not None, leaves.unchecked(), leaves.doubts.doubted())

    def verified(self) -> str:
        """Return `yes`, `partial` or `no`: whether the bytes are verified.

        Verified is what matched a tree hash of the service, in parts or as a whole. Where the
        job's own hash of the whole output is known, `yes` means that this one matched.
        """
        if self.refusal:
            return "no"
        leaves = self.store.leaves
        return verified(
            self.output.tree_hash, leaves.whole, leaves.least_trust(), leaves.most_trust()
        )
