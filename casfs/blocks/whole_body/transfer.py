"""From a body that carries all that a job has to blocks that are delivered."""

import logging
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field

from casfs.blocks.block import Block
from casfs.blocks.delivery import Delivery
from casfs.blocks.disk.provisional import Transfer
from casfs.blocks.gets.pool import Pool
from casfs.blocks.gets.stalls import Stalls
from casfs.blocks.gets.turns import Turns
from casfs.blocks.idle_transfer import IdleTransferError
from casfs.blocks.open_output import OpenOutput
from casfs.blocks.sources import OpenSource
from casfs.blocks.verify import Digest, Trust
from casfs.blocks.whole_body.staged_blocks import StagedBlocks
from casfs.deadline import Deadline
from casfs.errors import OutputMismatchError
from casfs.ranges import BLOCK_SIZE
from casfs.reasons import reason
from casfs.service.output_body import Body

log = logging.getLogger(__name__)


@dataclass(eq=False)
class WholeBodies:
    """Receives bodies that carry all that a job has, whatever range was asked for.

    Lock order: its one lock, around a counter, is innermost.

    Attributes:
        delivery: receives blocks and delivers them.
        pool: whose threads call this; those at a transfer lend their place.
        stalls: watches the calling threads.
        turns: blocks that are received at a time.
    """

    delivery: Delivery
    pool: Pool
    stalls: Stalls
    turns: Turns
    _counting: threading.Lock = field(default_factory=threading.Lock, init=False)
    _under_way: int = field(default=0, init=False)

    def adopt(self, opened: OpenOutput, run: range) -> bool:
        """Leave a run to the transfer that is under way; return False if there is none."""
        return opened.source(run.start).shared.adopt(run)

    def take(
        self, opened: OpenOutput, run: range, body: Body, deadline: Deadline, expected: ExitStack
    ) -> None:
        """Bring all blocks from a body, or leave a run to a transfer that brings them already.

        Args:
            opened: the output that is read.
            run: the blocks that were asked for.
            body: all that their job has.
            deadline: restarts with each block.
            expected: stays open while another attempt may follow this one.

        Raises:
            MismatchError: the blocks do not match the answer's tree hash, or what was known.
            OutputMismatchError: they contradict what was delivered.
            WrongAnswerError: the body is short. What was delivered of it is taken back.
            IdleTransferError: nobody reads on.
            CasfsError: there is no room on disk for blocks that must wait.
        """
        # An answer may come so late that a transfer has brought these blocks already.
        source = opened.source(run.start)
        wanted = self.delivery.memory.under_way(opened.key, run) or source.doubted(opened.store)
        if not wanted:
            return
        # Until the call has ended: when one breaks off, another attempt is to come.
        whole = opened.output.layout.touched(body.first, body.stop - body.first)
        leaves = expected.enter_context(opened.transfer(whole))
        # First: from now on, GETs and readers look whether a transfer is under way.
        opened.transferred.add(source)
        if not source.shared.adopt_or_begin(run):
            WholeBodyTransfer(self, opened, source, body, deadline, leaves).run()

    def end(self, opened: OpenOutput, block: int, is_last: bool) -> list[range]:
        """See to what a GET of a block leaves behind, now that it has ended.

        Args:
            opened: the output that was read.
            block: the block.
            is_last: the client is closed, so nothing comes after it.

        Returns:
            runs that are to be looked up again: they lie before a transfer that has ended.
        """
        source = opened.source(block)
        if opened.store.leaves.doubts.doubted() and not is_last:
            with suppress(OutputMismatchError):
                opened.require_undoubted(source)
        return source.shared.take_left()

    def take_left(self, opened: OpenOutput, block: int) -> list[range]:
        """Return and forget the runs that were left to a transfer that has failed."""
        return opened.source(block).shared.take_left()

    @contextmanager
    def count(self) -> Iterator[None]:
        """Count one transfer more inside."""
        with self._counting:
            self._under_way += 1
        try:
            yield
        finally:
            with self._counting:
                self._under_way -= 1

    def share(self) -> int:
        """Return how many of the blocks that a transfer delivers the cache keeps for a while."""
        return self.delivery.write_behind.lasting() // BLOCK_SIZE // self._under_way


@dataclass(eq=False)
class WholeBodyTransfer:
    """One transfer of all that a job has.

    If the answer has no tree hash, but says how long it is, each block is delivered as it comes,
    unchecked, and provisional until the end has come. Otherwise the blocks wait on disk until all
    are there: before the end, an answer without a length may be anything. The deadline restarts
    with each block, since one transfer takes as long as it takes. What is not received yet waits in
    the network until it may be delivered, what is on disk waits there.

    Attributes:
        all: what all transfers share.
        opened: the output that is read.
        source: the job whose output comes.
        body: the body.
        deadline: restarts with each block.
        leaves: how far it has come; what it brought can be taken back.
    """

    all: WholeBodies
    opened: OpenOutput
    source: OpenSource
    body: Body
    deadline: Deadline
    leaves: Transfer

    def __post_init__(self) -> None:
        self._delivery = self.all.delivery
        self._output, self._store = self.opened.output, self.opened.store

    def run(self) -> None:
        """Bring all blocks, and deliver them; errors as `WholeBodies.take`."""
        try:
            # It may take hours, for which others do not wait.
            with self.all.pool.lend(), self.all.count():
                if self.body.tree_hash is None and self.body.announced:
                    self._deliver_as_it_comes()
                else:
                    self._deliver_at_its_end()
        except IdleTransferError:
            raise
        except BaseException as error:
            # What its end would have shown is not known: all that it brought may be wrong.
            taken_back = self._store.take_back(self.leaves)
            self._delivery.memory.forget(self.opened.key, taken_back)
            if isinstance(error, Exception) and not self.opened.prefetcher.any_reader():
                raise IdleTransferError(
                    f"it broke off, and nobody has it open ({reason(error)})"
                ) from error
            raise
        finally:
            self.source.shared.end()

    def _deliver_as_it_comes(self) -> None:
        run = self.leaves.run
        for number in run:
            self._wait_for_readers(number)
            last = number == run[-1]
            with self.all.turns.turn(False, self.deadline, self._output):
                data, leaf = self._receive(number)
                if last:
                    self._finish()
                self._deliver(Block(number, data, leaf, Trust.UNCHECKED, provisional=not last))
            # Whoever waits at the next turn keeps no block.
            del data
            self.deadline.restart()

    def _deliver_at_its_end(self) -> None:
        verifier, run = self._delivery.verifier, self.leaves.run
        size = self.body.stop - self.body.first
        with StagedBlocks(self._store, self._output, size) as staged:
            for number in run:
                with self.all.turns.turn(False, self.deadline, self._output):
                    data, leaf = self._receive(number)
                    staged.add(number, leaf, data)
                del data
                self.deadline.restart()
            self.body.finish()
            trust = Trust.UNCHECKED
            if self.body.tree_hash is not None:
                verifier.require_run(self._output, run, staged.leaves(), self.body.tree_hash)
                trust = Trust.CHECKED
            while (first := staged.first()) is not None:
                self._wait_for_readers(first)
                number, leaf, data = staged.pop()
                # The disk is not trusted with what came.
                one = range(number, number + 1)
                verifier.require_run(self._output, one, [verifier.leaf(data)], leaf)
                self._deliver(Block(number, data, leaf, trust))
                del data

    def _receive(self, number: int) -> tuple[memoryview, Digest]:
        data = self._delivery.buffers.take(self._output.layout.length(number))
        self.body.read_into(data)
        return data, self._delivery.verifier.leaf(data)

    def _finish(self) -> None:
        self.body.finish()
        self._store.leaves.doubts.keep(self.leaves)

    def _deliver(self, block: Block) -> None:
        self._delivery.record(self.opened, [block], self.leaves)
        # On disk before it is delivered: what a transfer drops costs another transfer.
        try:
            self.opened.write(block.number, block.data)
            self._delivery.write_behind.added(len(block.data))
        except OSError as error:
            self.source.shared.keeps = False
            self._delivery.metrics.unsaved_blocks.inc()
            log.warning(
                "block %d of the %s was not cached: %s", block.number, self._output, reason(error)
            )
        self._delivery.memory.complete(self.opened.key, [(block.number, block.data)])

    def _wait_for_readers(self, number: int) -> None:
        """Wait until a block may be delivered, or raise IdleTransferError: nobody reads on."""
        # While something is doubted, readers wait for the transfer.
        if self.opened.doubted():
            return
        with self.all.stalls.pause():
            self.deadline.restart()
            while True:
                seen, reached = self.source.shared.signs()
                if self._is_awaited() or number < reached + self._ahead():
                    return
                self.source.shared.wait_for_sign(seen, self.deadline)
                self.deadline.restart()

    def _is_awaited(self) -> bool:
        """Return whether a run that waits for the transfer is still in flight; forget others."""
        under_way, key = self._delivery.memory.under_way, self.opened.key
        adopted, own = self.source.shared.runs()
        for run in adopted:
            if under_way(key, run):
                return True
            self.source.shared.forget(run)
        return own is not None and bool(under_way(key, own))

    def _ahead(self) -> int:
        """Return how many blocks the cache keeps until they are read.

        Half of the transfer's share when that is not the whole output: what was read before counts
        as used as late as what was written after it.
        """
        if not self.source.shared.keeps:
            return 0
        share = self.all.share()
        return share if share >= self._output.layout.blocks else share // 2
