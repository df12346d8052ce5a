"""Transfers of whole outputs, from servers that ignore the range that they are asked for."""

import logging
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

from casfs.blocks.buffers import Memory
from casfs.blocks.disk.transfers import Transfer
from casfs.blocks.disk.write_behind import Saver
from casfs.blocks.memory_cache import Flights
from casfs.blocks.open_output import OpenOutput
from casfs.blocks.receive import Block, Landing, receive_whole
from casfs.blocks.settle import settle
from casfs.blocks.sources import OpenSource
from casfs.blocks.transfer.pool import Pool
from casfs.blocks.transfer.stalls import Stalls
from casfs.blocks.transfer.turns import Turns
from casfs.blocks.verify import Verifier
from casfs.deadline import Deadline
from casfs.errors import UnreadError
from casfs.metrics import Metrics
from casfs.ranges import BLOCK_SIZE
from casfs.service.output_body import Body

log = logging.getLogger(__name__)


@dataclass(eq=False)
class WholeBodies:
    """Receives bodies that carry all that a job has, whatever range was asked for.

    Lock order: its one lock, around a counter, is innermost.

    Attributes:
        verifier: hashes and compares blocks.
        memory: where they are received.
        flights: where they land.
        saver: knows how many the cache keeps.
        pool: whose threads call this; those at a pass lend their place.
        stalls: watches the calling threads.
        turns: blocks that are received at a time.
        metrics: counts what came.
    """

    verifier: Verifier
    memory: Memory
    flights: Flights
    saver: Saver
    pool: Pool
    stalls: Stalls
    turns: Turns
    metrics: Metrics
    _counting: threading.Lock = field(default_factory=threading.Lock, init=False)
    _under_way: int = field(default=0, init=False)

    def take(
        self,
        opened: OpenOutput,
        run: range,
        body: Body,
        deadline: Deadline,
        transfers: ExitStack,
    ) -> None:
        """Bring all blocks from a body, or leave a run to a pass that brings them already.

        Args:
            opened: the output that is read.
            run: the blocks that were asked for.
            body: all that their job has.
            deadline: begins anew with each block.
            transfers: stays open while another attempt may follow this one.

        Raises:
            CasfsError: as `receive_whole`, or blocks contradict what was known.
            UnreadError: nobody reads on.
        """
        # An answer may come so late that a pass has brought these blocks already.
        source = opened.source(run.start)
        wanted = self.flights.under_way(opened.key, run) or source.doubted(opened.store)
        if not wanted:
            return
        # Until the call has ended: when one breaks off, another attempt is to come.
        whole = opened.output.layout.touched(body.first, body.stop - body.first)
        transfer = transfers.enter_context(opened.transfer(whole))
        if not source.passing.adopt_or_begin(run):
            self._pass(opened, source, body, deadline, transfer)

    def _pass(
        self,
        opened: OpenOutput,
        source: OpenSource,
        body: Body,
        deadline: Deadline,
        transfer: Transfer,
    ) -> None:
        landing = Landing(
            turn=lambda: self.turns.turn(False, deadline, opened.output),
            hold=lambda number: self._wait_for_readers(opened, source, number, deadline),
            land=lambda block: self._land_from_pass(opened, source, block, transfer),
            keep=lambda: opened.store.leaves.doubts.keep(transfer),
        )
        try:
            # It may take hours, for which others do not wait.
            with self.pool.away(), self._count_pass():
                receive_whole(
                    opened.output,
                    body,
                    self.verifier,
                    self.memory,
                    opened.store,
                    deadline,
                    landing,
                )
        except UnreadError:
            raise
        except BaseException as error:
            # What its end would have shown is not known: all that it brought may be wrong.
            self.flights.forget(opened.key, opened.store.take_back(transfer))
            if isinstance(error, Exception) and not opened.windows.any_reader():
                raise UnreadError(f"it broke off, and nobody has it open ({error})") from error
            raise
        finally:
            source.passing.end()

    def _wait_for_readers(
        self, opened: OpenOutput, source: OpenSource, number: int, deadline: Deadline
    ) -> None:
        # While something is doubted, readers wait for the pass.
        if opened.doubted():
            return
        with self.stalls.pause():
            source.passing.wait_for_readers(
                number,
                lambda: self._ahead(opened, source),
                lambda left: bool(self.flights.under_way(opened.key, left)),
                deadline,
            )

    @contextmanager
    def _count_pass(self) -> Iterator[None]:
        with self._counting:
            self._under_way += 1
        try:
            yield
        finally:
            with self._counting:
                self._under_way -= 1

    def _ahead(self, opened: OpenOutput, source: OpenSource) -> int:
        """Return how many blocks of a pass the cache keeps until they are read.

        Half of its share when that is not the whole output: what was read before counts as used as
        late as what was written after it.
        """
        if not source.passing.keeps:
            return 0
        share = self.saver.lasting() // BLOCK_SIZE // self._under_way
        return share if share >= opened.output.layout.blocks else share // 2

    def _land_from_pass(
        self, opened: OpenOutput, source: OpenSource, block: Block, transfer: Transfer
    ) -> None:
        settle(opened, [block], self.metrics, transfer)
        # On disk before it lands: what a pass drops costs another pass.
        try:
            opened.write(block.number, block.data)
            self.saver.kept(len(block.data))
        except OSError as error:
            source.passing.keeps = False
            self.metrics.unsaved_blocks.inc()
            log.warning("block %d of the %s was not kept: %s", block.number, opened.output, error)
        self.flights.land(opened.key, [(block.number, block.data)])
