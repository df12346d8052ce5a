"""Brings blocks from the service: asked for, received, verified, landed."""

import contextlib
import logging
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

from casfs.blocks.flights import Flights
from casfs.blocks.memory import Memory
from casfs.blocks.opened import OpenOutput
from casfs.blocks.pool import Pool
from casfs.blocks.receive import Block, Landing, receive_run, receive_whole
from casfs.blocks.save import Saver
from casfs.blocks.sources import OpenSource
from casfs.blocks.speed import Speed
from casfs.blocks.stalls import Stalls
from casfs.blocks.transfers import Transfer
from casfs.blocks.trust import Trust
from casfs.blocks.turns import Turns
from casfs.deadline import Deadline
from casfs.errors import CasfsError, DeadlineError, OutputMismatchError, UnreadError
from casfs.metrics import Metrics
from casfs.ranges import BLOCK_SIZE
from casfs.service.answers import Body
from casfs.service.service import Service

log = logging.getLogger(__name__)

LARGEST_GET = 8
"""Blocks of one GET at most: long enough that latency hardly counts, short enough that several of
them, which stay in memory until their hash is known, are small."""
_GET_SECONDS = 20.0
"""A GET is made smaller when it would take longer than this, or than a quarter of its time."""


_FAST_SECONDS = 1 / 64
"""Seconds for a block, all in all, below which a connection counts as fast."""


class Downloader:
    """Brings runs from the service; called by as many threads as there may be requests.

    Lock order: its one lock, around a counter, is innermost.

    Args:
        service: where blocks come from.
        memory: where they are received.
        flights: where they land.
        saver: writes them to disk.
        requests: requests for later that may be under way, more than bodies: they wait for their
            first byte while the bodies of others come, so that latency costs nothing.
        bodies: bodies that are received at a time. As many blocks of passes over whole outputs may
            be received beside them.
        reserve: bodies more that are received while somebody waits for them.
        pool: whose threads call this; those at a pass, or at a GET that stalls, lend their place.
        deadline: seconds that a GET may take.
        again: is told which runs to look up again, which had waited for a pass over the whole.
        metrics: counts what came.
    """

    def __init__(
        self,
        service: Service,
        memory: Memory,
        flights: Flights,
        saver: Saver,
        requests: int,
        bodies: int,
        reserve: int,
        pool: Pool,
        deadline: float,
        again: Callable[[OpenOutput, range], None],
        metrics: Metrics,
    ) -> None:
        self._service = service
        self._memory = memory
        self._flights = flights
        self._saver = saver
        self._requests = requests
        self._stalls = Stalls(service.received, BLOCK_SIZE / deadline, self._note_stall)
        self._bodies = Turns(bodies, reserve, self._stalls.pause)
        self._passes = Turns(bodies, 0, self._stalls.pause)
        self._counting = threading.Lock()
        self._passes_under_way = 0
        self._pool = pool
        self._deadline = deadline
        self._again = again
        self._metrics = metrics
        self._seconds_per_block = 0.0

    def close(self) -> None:
        """Watch GETs no more; they are ended by the service."""
        self._stalls.close()

    def largest_get(self) -> int:
        """Return how many blocks to ask for at once: fewer when the line is slow."""
        limit, seconds = LARGEST_GET, min(_GET_SECONDS, self._deadline / 4)
        while limit > 1 and limit * self._seconds_per_block > seconds:
            limit //= 2
        return limit

    def width(self) -> int:
        """Return how many GETs of blocks for later are worth having under way.

        All that there may be, but for half of them where connections are so fast that this machine
        is what limits them: there, threads only get in each other's way.
        """
        fast = self._seconds_per_block < _FAST_SECONDS
        return self._requests // 2 if fast else self._requests

    def bring(self, opened: OpenOutput, run: range) -> None:
        """Bring a run under way from the service; who waits for it gets the blocks or the error."""
        if (refusal := opened.refusal) is not None:
            self._flights.fail(opened.key, run, OutputMismatchError(refusal))
            return
        if opened.source(run.start).passing.adopt(run):
            return
        deadline = Deadline(self._deadline)
        speed = Speed()
        try:
            with self._stalls.watch(), ExitStack() as transfers:
                blocks = self._service.read(
                    opened.output,
                    opened.output.layout.span(run),
                    lambda body: self._receive(opened, run, speed.watch(body), deadline, transfers),
                    deadline,
                )
            if blocks:
                self._note_speed(speed)
                self._settle(opened, blocks)
                opened.require_undoubted(opened.source(run.start))
                pairs = [(block.number, block.data) for block in blocks]
                self._saver.save(opened, opened.key, pairs)
                self._flights.land(opened.key, pairs)
                # Who waits for room must not hold the memory of what has been written and read.
                del blocks, pairs
                self._saver.wait_for_room()
        except UnreadError as error:
            log.info(
                "a pass over the %s ends, and reading on costs another: %s", opened.output, error
            )
            self._fail(opened, run, error)
        except CasfsError as error:
            # A GET that brought nothing says nothing of how fast the line is.
            if isinstance(error, DeadlineError) and speed.received:
                self._note_speed(speed)
            self._fail(opened, run, error)
        except Exception as error:
            log.exception("fetching blocks %s of the %s met a bug", run, opened.output)
            told = CasfsError(
                f"casfs met a bug while fetching ({type(error).__name__}); please report it"
            )
            self._fail(opened, run, told)
        finally:
            self._end(opened, opened.source(run.start))

    def _fail(self, opened: OpenOutput, run: range, error: CasfsError) -> None:
        """Hand an error to whoever waits for a run, and for those that were left to its pass."""
        for failed in [run, *opened.source(run.start).passing.take_left()]:
            self._flights.fail(opened.key, failed, error)

    def _end(self, opened: OpenOutput, source: OpenSource) -> None:
        """Look again for runs that lie before a pass that has ended; see to what broke off."""
        if opened.store.leaves.doubts.doubted() and not self._service.closed:
            with contextlib.suppress(OutputMismatchError):
                opened.require_undoubted(source)
        for left in source.passing.take_left():
            self._again(opened, left)

    def _receive(
        self,
        opened: OpenOutput,
        run: range,
        body: Body,
        deadline: Deadline,
        transfers: ExitStack,
    ) -> list[Block]:
        """Return the blocks of a run; none when the body was, or will be, a pass over more."""
        try:
            opened.require_current()
            return self._take(opened, run, body, deadline, transfers)
        except Exception as error:
            # Whoever keeps the error, and cycles around it, keep no memory of blocks with it.
            traceback.clear_frames(error.__traceback__)
            raise

    def _take(
        self,
        opened: OpenOutput,
        run: range,
        body: Body,
        deadline: Deadline,
        transfers: ExitStack,
    ) -> list[Block]:
        if (body.first, body.stop) == opened.output.layout.span(run):
            urgent = self._flights.is_wanted(opened.key, run)
            with self._bodies.turn(urgent, deadline, opened.output):
                # One that stalls before its body comes keeps no room from others.
                self._flights.receive(opened.key, run)
                tree_hash = self._service.tree_hash
                blocks = receive_run(opened.output, run, body, tree_hash, self._memory)
                opened.compare(blocks)
                return blocks
        # An answer may come so late that a pass has brought these blocks already.
        source = opened.source(run.start)
        wanted = self._flights.under_way(opened.key, run) or source.doubted(opened.store)
        if not wanted:
            return []
        # Until the call has ended: when one breaks off, another attempt is to come.
        whole = opened.output.layout.touched(body.first, body.stop - body.first)
        transfer = transfers.enter_context(opened.transfer(whole))
        if not source.passing.adopt_or_begin(run):
            self._pass(opened, source, body, deadline, transfer)
        return []

    def _pass(
        self,
        opened: OpenOutput,
        source: OpenSource,
        body: Body,
        deadline: Deadline,
        transfer: Transfer,
    ) -> None:
        landing = Landing(
            turn=lambda: self._passes.turn(False, deadline, opened.output),
            hold=lambda number: self._wait_for_readers(opened, source, number, deadline),
            land=lambda block: self._land_from_pass(opened, source, block, transfer),
            keep=lambda: opened.store.leaves.doubts.keep(transfer),
        )
        try:
            # It may take hours, for which others do not wait.
            with self._pool.away(), self._count_pass():
                receive_whole(
                    opened.output,
                    body,
                    self._service.tree_hash,
                    self._memory,
                    opened.store,
                    deadline,
                    landing,
                )
        except UnreadError:
            raise
        except BaseException as error:
            # What its end would have shown is not known: all that it brought may be wrong.
            self._flights.forget(opened.key, opened.store.take_back(transfer))
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
        with self._stalls.pause():
            source.passing.wait_for_readers(
                number,
                lambda: self._ahead(opened, source),
                lambda left: bool(self._flights.under_way(opened.key, left)),
                deadline,
            )

    def _note_stall(self, thread: int, stalled: bool) -> None:
        for places in (self._pool, self._bodies, self._passes):
            if stalled:
                places.stall(thread)
            else:
                places.resume(thread)

    @contextmanager
    def _count_pass(self) -> Iterator[None]:
        with self._counting:
            self._passes_under_way += 1
        try:
            yield
        finally:
            with self._counting:
                self._passes_under_way -= 1

    def _ahead(self, opened: OpenOutput, source: OpenSource) -> int:
        """Return how many blocks of a pass the cache keeps until they are read.

        Half of its share when that is not the whole output: what was read before counts as used as
        late as what was written after it.
        """
        if not source.passing.keeps:
            return 0
        share = self._saver.lasting() // BLOCK_SIZE // self._passes_under_way
        return share if share >= opened.output.layout.blocks else share // 2

    def _land_from_pass(
        self, opened: OpenOutput, source: OpenSource, block: Block, transfer: Transfer
    ) -> None:
        self._settle(opened, [block], transfer)
        # On disk before it lands: what a pass drops costs another pass.
        try:
            opened.write(block.number, block.data)
            self._saver.kept(len(block.data))
        except OSError as error:
            source.passing.keeps = False
            self._metrics.unsaved_blocks.inc()
            log.warning("block %d of the %s was not kept: %s", block.number, opened.output, error)
        self._flights.land(opened.key, [(block.number, block.data)])

    def _settle(
        self, opened: OpenOutput, blocks: list[Block], transfer: Transfer | None = None
    ) -> None:
        """Note blocks that came; check the whole output if they were the last ones.

        Raises:
            MismatchError, OutputMismatchError: see `OpenOutput.record`.
            OutputMismatchError: the whole does not match its tree hash.
        """
        self._metrics.blocks.labels("network").inc(len(blocks))
        unchecked = sum(block.trust is Trust.UNCHECKED for block in blocks)
        self._metrics.unchecked_blocks.inc(unchecked)
        opened.record(blocks, transfer)
        opened.require_whole()

    def _note_speed(self, speed: Speed) -> None:
        # Threads may overwrite each other's share; it is an estimate all the same.
        self._seconds_per_block += (speed.seconds_per_block() - self._seconds_per_block) / 4
