"""Brings blocks from the service: asked for, received, verified, landed."""

import contextlib
import logging
import time
import traceback
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from functools import partial

from casfs.blocks.disk.store import DiskCache
from casfs.blocks.disk.write_behind import Saver
from casfs.blocks.memory_cache import Flights
from casfs.blocks.open_output import OpenOutput
from casfs.blocks.settle import settle
from casfs.blocks.sources import OpenSource
from casfs.blocks.transfer.line import Line
from casfs.blocks.transfer.pool import Pool
from casfs.blocks.transfer.progress import Progress
from casfs.blocks.transfer.resume import ResumableRun
from casfs.blocks.transfer.stalls import Stalls
from casfs.blocks.transfer.turns import Turns
from casfs.blocks.whole_body import WholeBodies
from casfs.deadline import Deadline
from casfs.errors import (
    CasfsError,
    MismatchError,
    OutputMismatchError,
    RequestError,
    TransientError,
    UnreadError,
)
from casfs.metrics import Metrics
from casfs.service.output_body import Body
from casfs.service.service import Service

log = logging.getLogger(__name__)

_MISMATCHES = 10
"""Times that what came does not match before a run is given up: each costs traffic."""


class _AgainError(Exception):
    """An answer failed, and something else is to be asked for than was before."""

    def __init__(self, reason: TransientError) -> None:
        super().__init__(str(reason))
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Get:
    """A GET that is under way.

    Attributes:
        opened: the output that is read.
        run: the run that it brings, or a part of it.
        span: the bytes that it asks for.
        deadline: ends it.
        progress: is told of its answers.
        transfers: the transfers of whole outputs that its answers turn out to be.
    """

    opened: OpenOutput
    run: ResumableRun
    span: tuple[int, int]
    deadline: Deadline
    progress: Progress
    transfers: ExitStack


class Downloader:
    """Brings runs from the service; called by as many threads as there may be requests.

    Args:
        service: where blocks come from.
        disk: has the memory that they are received in, and the verifier.
        flights: where they land.
        saver: writes them to disk.
        requests: requests for later that may be under way, more than bodies: they wait for their
            first byte while the bodies of others come, so that latency costs nothing.
        bodies: bodies that are received at a time. As many blocks of passes over whole outputs may
            be received beside them.
        reserve: bodies more that are received while somebody waits for them.
        pool: whose threads call this; those at a pass, or at a GET that stalls, lend their place.
        deadline: seconds for which a GET may bring nothing.
        again: is told which runs to look up again, which had waited for a pass over the whole.
        metrics: counts what came.

    Attributes:
        line: what GETs have shown of the line.
    """

    def __init__(
        self,
        service: Service,
        disk: DiskCache,
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
        self.line = Line(deadline)
        self._service = service
        self._memory = disk.memory
        self._verifier = disk.verifier
        self._flights = flights
        self._saver = saver
        self._requests = requests
        self._reserve = reserve
        self._stalls = Stalls(service.received, self.line.stall_rate, self._note_stall)
        self._bodies = Turns(bodies, reserve, self._stalls.pause)
        self._pool = pool
        self._whole = WholeBodies(
            disk.verifier,
            disk.memory,
            flights,
            saver,
            pool,
            self._stalls,
            Turns(bodies, 0, self._stalls.pause),
            metrics,
        )
        self._deadline = deadline
        self._again = again
        self._metrics = metrics

    def close(self) -> None:
        """Watch GETs no more; they are ended by the service."""
        self._stalls.close()

    def width(self) -> int:
        """Return how many GETs of blocks for later are worth having under way.

        All that there may be, but for half of them where connections are so fast that this machine
        is what limits them: there, threads only get in each other's way. Where each of them stalls,
        those for later take the places of the reserve, too: the urgent ones get places that are
        lent.
        """
        if self.line.stalls:
            return self._requests + self._reserve
        return self._requests // 2 if self.line.fast else self._requests

    def bring(self, opened: OpenOutput, run: range) -> None:
        """Bring a run under way from the service; who waits for it gets the blocks or the error."""
        if (refusal := opened.refusal) is not None:
            self._flights.fail(opened.key, run, OutputMismatchError(refusal))
            return
        if opened.source(run.start).passing.adopt(run):
            return
        resumable = ResumableRun(opened.output, run, self._verifier, self._service.any_range)
        try:
            self._bring(opened, resumable)
        except UnreadError as error:
            log.info(
                "a pass over the %s ends, and reading on costs another: %s", opened.output, error
            )
            self._fail(opened, run.start, resumable.left, error)
        except CasfsError as error:
            self._fail(opened, run.start, resumable.left, error)
        except Exception as error:
            log.exception("fetching blocks %s of the %s met a bug", run, opened.output)
            told = CasfsError(
                f"casfs met a bug while fetching ({type(error).__name__}); please report it"
            )
            self._fail(opened, run.start, resumable.left, told)
        finally:
            # Whoever keeps an error keeps no memory of blocks with it.
            resumable.drop()
            self._end(opened, opened.source(run.start))

    def _bring(self, opened: OpenOutput, resumable: ResumableRun) -> None:
        """Ask for what is left of a run, until nothing is or it is left to a pass."""
        deadline = Deadline(self._deadline)
        progress = Progress(deadline, self.line, lambda moment: self._note_progress(opened, moment))
        # A transfer of the whole is expected until the last attempt has ended.
        with ExitStack() as transfers:
            lost = 0
            while resumable.left:
                span = resumable.ask(self.line.largest_get())
                get = Get(opened, resumable, span, deadline, progress, transfers)
                try:
                    if not self._ask(get):
                        return
                except _AgainError as again:
                    self._metrics.failures.labels("BrokenOff").inc()
                    log.info("asking for the rest of the %s: %s", opened.output, again)
                    lost = 0 if resumable.kept else lost + 1
                    if resumable.kept:
                        progress.note_kept(time.monotonic())
                    if resumable.mismatches >= _MISMATCHES or not self._service.may_ask_again(
                        lost, deadline
                    ):
                        raise again.reason from None
                except RequestError:
                    if not resumable.ask_whole_blocks():
                        raise
                else:
                    self._hand_on(opened, resumable)

    def _ask(self, get: Get) -> bool:
        """Send a GET; return False if it is left to a pass."""
        get.progress.ask()
        with self._stalls.watch(get.progress):
            received = self._service.read(
                get.opened.output, get.span, partial(self._receive, get), get.deadline
            )
        if received:
            get.progress.end(get.span[1] - get.span[0])
            self.line.note_well()
        return received

    def _hand_on(self, opened: OpenOutput, resumable: ResumableRun) -> None:
        blocks = resumable.accept()
        if not blocks:
            return
        settle(opened, blocks, self._metrics)
        opened.require_undoubted(opened.source(blocks[0].number))
        pairs = [(block.number, block.data) for block in blocks]
        self._saver.save(opened, opened.key, pairs)
        self._flights.land(opened.key, pairs)
        resumable.note_handed_on(blocks)
        # Who waits for room must not hold the memory of what has been written and read.
        del blocks, pairs
        self._saver.wait_for_room()

    def _note_progress(self, opened: OpenOutput, moment: float) -> None:
        opened.moved = moment
        if self.line.slow:
            # More connections cost this machine nothing, and who waits for a turn loses time.
            self._bodies.open()
            self._pool.wake()

    def _fail(self, opened: OpenOutput, first: int, left: list[int], error: CasfsError) -> None:
        """Hand an error to whoever waits for blocks, and for those that were left to their pass."""
        for failed in [left, *opened.source(first).passing.take_left()]:
            self._flights.fail(opened.key, failed, error)

    def _end(self, opened: OpenOutput, source: OpenSource) -> None:
        """Look again for runs that lie before a pass that has ended; see to what broke off."""
        if opened.store.leaves.doubts.doubted() and not self._service.closed:
            with contextlib.suppress(OutputMismatchError):
                opened.require_undoubted(source)
        for left in source.passing.take_left():
            self._again(opened, left)

    def _receive(self, get: Get, body: Body) -> bool:
        """Receive a body; return False if it was, or will be, a pass over more than the run."""
        get.progress.begin(get.span)
        self._stalls.begin_answer()
        try:
            get.opened.require_current()
            if (body.first, body.stop) == get.span:
                self._receive_range(get, body)
                return True
            self._whole.take(get.opened, get.run.rest, body, get.deadline, get.transfers)
            return False
        except Exception as error:
            # Whoever keeps the error, and cycles around it, keep no memory of blocks with it.
            traceback.clear_frames(error.__traceback__)
            raise
        finally:
            get.progress.leave()

    def _receive_range(self, get: Get, body: Body) -> None:
        try:
            with self._turn(get):
                # One that stalls before its body comes keeps no room from others.
                self._flights.receive(get.opened.key, get.run.asked)
                get.run.receive(body, self._memory)
                get.opened.compare(get.run.ready())
        except TransientError as error:
            if not isinstance(error, MismatchError):
                self.line.note_break(len(get.run.asked))
            if get.run.go_on(error) or get.run.mismatches >= _MISMATCHES:
                raise _AgainError(error) from error
            raise

    def _turn(self, get: Get) -> AbstractContextManager[None]:
        if self.line.slow:
            return contextlib.nullcontext()
        urgent = self._flights.is_wanted(get.opened.key, get.run.asked)
        return self._bodies.turn(urgent, get.deadline, get.opened.output)

    def _note_stall(self, thread: int, stalled: bool) -> None:
        for places in (self._pool, self._bodies, self._whole.turns):
            if stalled:
                places.stall(thread)
            else:
                places.resume(thread)
