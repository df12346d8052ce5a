"""Downloads blocks: requested, received, verified, delivered."""

import logging
import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial

from casfs.blocks.block_tuning import TUNING
from casfs.blocks.delivery import Delivery
from casfs.blocks.gets.get_progress import GetProgress
from casfs.blocks.gets.line import Line, LineSpeed
from casfs.blocks.gets.pool import Pool
from casfs.blocks.gets.resume import ResumableRun
from casfs.blocks.gets.slots import Slots
from casfs.blocks.gets.stalls import Stalls
from casfs.blocks.gets.turns import Turns
from casfs.blocks.gets.width import Width
from casfs.blocks.idle_transfer import IdleTransferError
from casfs.blocks.open_output import OpenOutput
from casfs.blocks.receiving import AgainError, Get, Receiving
from casfs.blocks.whole_body.transfer import WholeBodies
from casfs.deadline import Deadline
from casfs.errors import (
    CasfsError,
    OutputMismatchError,
    RequestError,
    ShortRangeError,
)
from casfs.service.service import Service

log = logging.getLogger(__name__)


class Downloader:
    """Downloads runs from the service; called by as many threads as there may be requests.

    Args:
        service: where blocks come from.
        delivery: where they go.
        slots: how many GETs may be under way.
        pool: whose threads call this; those at a whole-body transfer, or at a GET that stalls, lend
            their place.
        deadline: seconds for which a GET may bring nothing.
        again: is told which runs to look up again, which had waited for a whole-body transfer.

    Attributes:
        line: what GETs have shown of the line.
        moved: when a GET, for any output, last made progress, by the monotonic clock.
    """

    def __init__(
        self,
        service: Service,
        delivery: Delivery,
        slots: Slots,
        pool: Pool,
        deadline: float,
        again: Callable[[OpenOutput, range], None],
    ) -> None:
        self.line = Line(deadline)
        self.moved = 0.0
        self._width = Width(slots.requests)
        self._service = service
        self._outputs = service.outputs
        self._delivery = delivery
        self._slots = slots
        self._memory = delivery.memory
        self._stalls = Stalls(
            service.received,
            self.line.stall_rate,
            self._note_stall,
            service.cut,
            lambda: service.throttle.rate() is not None,
        )
        self._bodies = Turns(slots.bodies, slots.reserve, self._stalls.pause)
        self._pool = pool
        turns = Turns(slots.bodies, 0, self._stalls.pause)
        self._whole = WholeBodies(delivery, pool, self._stalls, turns)
        self._receiving = Receiving(delivery, self.line, self._bodies, self._whole)
        self._deadline = deadline
        self._again = again

    def close(self) -> None:
        """Watch GETs no more; they are ended by the service."""
        self._stalls.close()

    def width(self) -> int:
        """Return how many GETs of blocks for later are worth having under way.

        As many as keep this machine busy; see `Width`. All that there may be where connections are
        slow. Where each of them stalls, those for later take the places of the reserve, too: the
        urgent ones get places that are lent.
        """
        speed = self.line.speed()
        if speed is LineSpeed.STALLED:
            return self._slots.requests + self._slots.reserve
        return self._slots.requests if speed is LineSpeed.SLOW else self._width.now()

    def bring(self, opened: OpenOutput, run: range) -> None:
        """Download a run in flight; whoever waits for it gets the blocks or the error."""
        settled = opened.state.undoubted == opened.generation
        if not settled and (refusal := opened.refusal) is not None:
            self._memory.fail(opened.key, run, OutputMismatchError(refusal))
            return
        if opened.transferred and self._whole.adopt(opened, run):
            return
        resumable = ResumableRun(
            opened.output, run, self._delivery.verifier, self._service.any_range
        )
        try:
            self._bring(opened, resumable)
        except IdleTransferError as error:
            log.info(
                "stopped the whole-body transfer of the %s; reading on downloads it again: %s",
                *(opened.output, error),
            )
            self._fail(opened, run.start, resumable.left, error)
        except CasfsError as error:
            self._fail(opened, run.start, resumable.left, error)
        except Exception as error:
            log.exception("fetching blocks %s of the %s hit a bug", run, opened.output)
            shown = CasfsError(
                f"casfs hit a bug while fetching ({type(error).__name__}); please report it"
            )
            self._fail(opened, run.start, resumable.left, shown)
        finally:
            # Whoever keeps an error keeps no memory of blocks with it.
            resumable.drop()
            if opened.transferred or opened.state.undoubted != opened.generation:
                for left in self._whole.end(opened, run.start, self._service.closed):
                    self._again(opened, left)

    def _bring(self, opened: OpenOutput, resumable: ResumableRun) -> None:
        """Ask for what is left of a run, until nothing is or a whole-body transfer brings it."""
        deadline = Deadline(self._deadline)
        progress = GetProgress(
            deadline, self.line, lambda moment: self._note_progress(opened, moment)
        )
        # A transfer of the whole is expected until the last attempt has ended.
        with ExitStack() as transfers:
            lost = 0
            # The run was cut just now to what one GET may bring.
            span = resumable.ask(len(resumable.asked))
            while span is not None:
                try:
                    with self._stalls.watch(progress) as watched:
                        get = Get(opened, resumable, span, deadline, watched, transfers)
                        receive = partial(self._receiving.receive, get)
                        if not self._outputs.read(opened.output, span, receive, deadline):
                            return
                        watched.brought = span[1] - span[0]
                except AgainError as again:
                    self._delivery.metrics.failures.labels("BrokenOff").inc()
                    log.info("requesting the rest of the %s: %s", opened.output, again)
                    lost = 0 if resumable.kept else lost + 1
                    progress.note_kept(resumable.kept)
                    little = 0 < resumable.kept < TUNING.least_kept
                    if resumable.mismatches >= TUNING.mismatches or not self._service.may_ask_again(
                        lost, deadline, little
                    ):
                        raise again.reason from None
                except (RequestError, ShortRangeError) as error:
                    if not self._ask_otherwise(resumable, error):
                        raise
                else:
                    stored = self._hand_on(opened, resumable)
                    if watched.spent is not None:
                        seconds, waited = watched.spent
                        self._width.note(seconds + stored, waited + stored)
                span = resumable.ask(self.line.largest_get())

    def _ask_otherwise(
        self, resumable: ResumableRun, refusal: RequestError | ShortRangeError
    ) -> bool:
        """Have other ranges of a run asked for; return False if there are none."""
        if isinstance(refusal, ShortRangeError):
            log.info("requesting less at once: %s", refusal)
            self.line.note_break(len(resumable.asked))
            resumable.ask_less()
            return True
        return resumable.ask_whole_blocks()

    def _hand_on(self, opened: OpenOutput, resumable: ResumableRun) -> float:
        """Deliver what came; return the seconds that it waited for the disk."""
        blocks = resumable.accept()
        if not blocks:
            return 0.0
        self._delivery.record(opened, blocks)
        if opened.state.undoubted != opened.generation:
            opened.require_undoubted(opened.source(blocks[0].number))
        pairs = [(block.number, block.data) for block in blocks]
        # First: a block must be found somewhere at every moment.
        began = time.monotonic()
        self._delivery.write_behind.save(opened, opened.key, pairs)
        saved = time.monotonic() - began
        self._memory.complete(opened.key, pairs)
        resumable.note_handed_on()
        # Who waits for room must not hold the memory of what has been written and read.
        del blocks, pairs
        began = time.monotonic()
        self._delivery.write_behind.wait_for_room()
        return saved + time.monotonic() - began

    def _note_progress(self, opened: OpenOutput, moment: float) -> None:
        opened.moved = self.moved = moment
        if self.line.speed() >= LineSpeed.SLOW:
            # More connections cost this machine nothing, and who waits for a turn loses time.
            self._bodies.open()
            self._pool.wake()

    def _fail(self, opened: OpenOutput, first: int, left: list[int], error: CasfsError) -> None:
        """Hand an error to whoever waits for blocks, or for those left to their transfer."""
        for failed in [left, *self._whole.take_left(opened, first)]:
            self._memory.fail(opened.key, failed, error)

    def _note_stall(self, thread: int, stalled: bool) -> None:
        for places in (self._pool, self._bodies, self._whole.turns):
            if stalled:
                places.stall(thread)
            else:
                places.resume(thread)
