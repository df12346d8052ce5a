"""One run on its way: what has come of it, over all answers, and what to ask for next.

An answer that breaks off is gone on with by the next, which asks for what is missing: for the rest
of a block first, where a range may begin inside one, and then for half as much as before. The tree
hash that came with the answer that broke off covers all that it should have brought. So it is
compared when the rest has come, whichever answers that takes, and nothing of it is delivered
before. There is no I/O here but to read bodies into memory.
"""

from casfs.blocks.block import Block
from casfs.blocks.buffers import Buffers
from casfs.blocks.gets.parts import Answer, Part
from casfs.blocks.verify import (
    Announced,
    Digest,
    Verifier,
    contradicted,
    left_to_whole,
    mismatch,
    trust_of_answers,
)
from casfs.errors import MismatchError, TransientError
from casfs.model import Output
from casfs.ranges import BLOCK_SIZE, runs
from casfs.service.output_body import Body


class ResumableRun:
    """What has come of a run, and what is missing.

    `ask` says what to ask for, `receive` takes an answer to that; then follows `accept`, or after
    an error `go_on`, or `receive` takes another answer to the same question.

    Args:
        output: what the run is of.
        run: its blocks, of one source.
        verifier: hashes them, and compares.
        any_range: a range may begin inside a block.

    Attributes:
        asked: the blocks that were asked for last.
        mismatches: how often what came was wrong.
        kept: bytes of the last answer that failed that were kept.
    """

    def __init__(self, output: Output, run: range, verifier: Verifier, any_range: bool) -> None:
        self._output = output
        self._verifier = verifier
        self._any_range = any_range
        self._limit = len(run)
        self._missing = list(run)
        self.asked, self._span = run, (0, 0)
        self._leaves: dict[int, Digest] = {}
        self._waiting: dict[int, memoryview] = {}
        """Blocks that came, and are not delivered while a hash of theirs is open."""
        self._ready: list[Block] = []
        """Of these and the answer's, those that may be delivered if that answer is right."""
        self._part: Part | None = None
        """Of the first missing block."""
        self._announced: list[Announced] = []
        self._whole: Announced | None = None
        """The job's own hash, where the run is all of its output."""
        if len(run) == output.layout.blocks and output.tree_hash is not None:
            self._whole = Announced(run, output.tree_hash)
            self._announced.append(self._whole)
        self._mixed = False
        """What came is of answers with different ETags."""
        self.mismatches = self.kept = 0
        self._answer = Answer()

    def kept_size(self, body: Body) -> int:
        """Return the bytes of the pieces in which what comes of a body is kept if it breaks off."""
        if not (body.announced or body.tree_hash is not None or self._has_hash(self.asked[0])):
            return body.stop - body.first
        return 1 if self._any_range else BLOCK_SIZE

    @property
    def left(self) -> list[int]:
        """Return the blocks that were not delivered yet."""
        return sorted([*self._missing, *self._waiting])

    @property
    def rest(self) -> range:
        """Return the run from the first block that was not delivered yet to the last one."""
        left = self.left
        return range(left[0], left[-1] + 1)

    def ask(self, limit: int) -> tuple[int, int] | None:
        """Return the first byte to ask for next, and the one behind the last; None at the end.

        Args:
            limit: blocks to ask for at most.
        """
        if not self._missing:
            return None
        limit = 1 if self._part else min(limit, self._limit)
        self.asked = next(self._output.split(next(runs(self._missing)), limit))
        start, stop = self._output.layout.span(self.asked)
        self._span = start + (self._part.filled if self._part else 0), stop
        return self._span

    def receive(self, body: Body, memory: Buffers) -> list[Block]:
        """Read the body of an answer that carries what was asked for.

        Returns:
            the blocks that may be delivered if the answer is right.

        Raises:
            MismatchError: what came does not match a tree hash of the service, or has another ETag
                than what came before, and no hash covers both.
            TransientError: the answer broke off, or is not of the same bytes as what came before.
        """
        self._forget_answer()
        part, self._answer.announced = self._part, body.announced
        if part is None and body.tree_hash is not None:
            self._answer.announced_hashes = [Announced(self.asked, body.tree_hash)]
        if part is not None and part.etag != body.etag:
            # A hash tells more than an ETag, which servers may make for each range.
            self._mixed = True
            if not self._has_hash(self.asked[0]):
                raise MismatchError(
                    f"the {self._output} has the ETag {body.etag}, and had {part.etag} before; "
                    "the part of a block that came before is requested again"
                )
        for number in self.asked:
            data, filled = (part.data, part.filled) if part else (self._take(number, memory), 0)
            try:
                body.read_into(data[filled:] if filled else data)
            except TransientError as error:
                self._answer.part = Part(data, filled + error.received, body.etag)
                raise
            part = None
            self._answer.blocks[number] = data
            self._leaves[number] = self._verifier.leaf(data)
        self._compare()
        came = self._waiting | self._answer.blocks
        trusts = trust_of_answers(came, self._all_announced(), self._leaves)
        self._ready = [
            Block(number, came[number], self._leaves[number], trust)
            for number, trust in trusts.items()
        ]
        return self._ready

    def accept(self) -> list[Block]:
        """Take the answer that was received for right; return the blocks that may be delivered."""
        self._keep()
        return self._ready

    def note_handed_on(self) -> None:
        """Release the blocks that were accepted: they have been delivered."""
        for block in self._ready:
            del self._waiting[block.number]
        self._ready = []

    def go_on(self, error: TransientError) -> bool:
        """Keep what can be used of an answer that failed, and ask for less.

        Returns:
            False if the same bytes are to be asked for again.
        """
        before, part, held = self._span, self._answer.part, self._held()
        self.kept = 0
        if isinstance(error, MismatchError):
            self.mismatches += 1
            if not (self._waiting or self._part):
                return False
            self._any_range = self._any_range and not self._mixed
            self._forget_all()
        else:
            # Where neither a length nor a hash was announced, what broke off may be anything.
            worth = part is not None and self._is_worth_keeping(part)
            if (self._answer.blocks or worth) and (
                self._answer.announced or self._has_hash(self.asked[0])
            ):
                self._keep()
                self._part = part if worth else self._part
                self.kept = self._held() - held
            self._limit = max(self._limit // 2, 1)
        self._forget_answer()
        return self.ask(self._limit) != before

    def ask_whole_blocks(self) -> bool:
        """Give up the part of a block that came, since a range may begin inside none after all.

        Returns:
            False if there was none.
        """
        part, self._part, self._any_range = self._part, None, False
        return part is not None

    def ask_less(self) -> None:
        """Ask for half as many blocks as last time: the service does not give so many at once."""
        self._limit = max(len(self.asked) // 2, 1)

    def drop(self) -> None:
        """Release all memory."""
        self._forget_answer()
        self._waiting.clear()
        self._part = None

    def _held(self) -> int:
        """Return the bytes that need not come again."""
        return sum(map(len, self._waiting.values())) + (self._part.filled if self._part else 0)

    def _take(self, number: int, memory: Buffers) -> memoryview:
        return memory.take(self._output.layout.length(number))

    def _all_announced(self) -> list[Announced]:
        return self._announced + self._answer.announced_hashes

    def _has_hash(self, number: int) -> bool:
        return any(number in one.run for one in self._all_announced())

    def _compare(self) -> None:
        complete = [one for one in self._all_announced() if one.is_complete(self._leaves)]
        # The job's own hash last: what it shows is another matter where all others match.
        complete.sort(key=lambda one: one is self._whole)
        here = self._waiting | self._answer.blocks
        delivered = self._leaves.keys() - here.keys()
        wrong = contradicted(self._verifier.root, complete, self._leaves, delivered)
        for one, found in wrong:
            # What was put together of answers with different ETags says nothing of the whole.
            to_whole = one is self._whole and not self._mixed
            if to_whole and left_to_whole(one, complete, self.mismatches):
                self._announced.remove(one)
                self._whole = None
                continue
            fate = "none of it was delivered"
            if any(block in delivered for block in one.run):
                fate = "what was delivered of it had another hash, which matched"
            raise mismatch(self._output, one.run, found, one.digest, fate)

    def _is_worth_keeping(self, part: Part) -> bool:
        before = self._part.filled if self._part and not self._answer.blocks else 0
        if not self._any_range or part.filled <= before:
            return False
        # Without a hash, only the ETag shows whether two answers have the same bytes.
        number = self.asked[len(self._answer.blocks)]
        return self._has_hash(number) or part.is_tagged()

    def _keep(self) -> None:
        """Keep the blocks and the hash of the answer that was received."""
        if self._answer.blocks:
            self._part = None
        self._waiting |= self._answer.blocks
        self._missing = [number for number in self._missing if number not in self._answer.blocks]
        self._announced += self._answer.announced_hashes
        self._answer = Answer()

    def _forget_answer(self) -> None:
        for number in self._answer.blocks:
            del self._leaves[number]
        self._answer, self._ready = Answer(), []

    def _forget_all(self) -> None:
        """Ask for everything again that was not delivered: any of it may be what is wrong."""
        self._forget_answer()
        for number in self._waiting:
            del self._leaves[number]
        self._missing = self.left
        self._waiting.clear()
        self._part, self._mixed = None, False
        whole = range(self._output.layout.blocks)
        self._announced = [one for one in self._announced if one.run == whole]
