"""Receives the answers to GETs, as many at a time as there are connections."""

import time
import traceback
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass

from casfs.blocks.block_tuning import TUNING
from casfs.blocks.delivery import Delivery
from casfs.blocks.gets.get_progress import WatchedGet
from casfs.blocks.gets.line import Line, LineSpeed
from casfs.blocks.gets.resume import ResumableRun
from casfs.blocks.gets.turns import Turns
from casfs.blocks.open_output import OpenOutput
from casfs.blocks.whole_body.transfer import WholeBodies
from casfs.deadline import Deadline
from casfs.errors import MismatchError, TransientError, UnreachableError
from casfs.service.output_body import Body


class AgainError(Exception):
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
        watched: is notified of its answers.
        transfers: the transfers of whole outputs that its answers turn out to be.
    """

    opened: OpenOutput
    run: ResumableRun
    span: tuple[int, int]
    deadline: Deadline
    watched: WatchedGet
    transfers: ExitStack


class Receiving:
    """Receives bodies; called by as many threads as there may be requests.

    Args:
        delivery: where blocks go.
        line: learns which answers break off.
        bodies: the turns of those who receive one.
        whole: the transfers of whole outputs.
    """

    def __init__(self, delivery: Delivery, line: Line, bodies: Turns, whole: WholeBodies) -> None:
        self._buffers = delivery.buffers
        self._memory = delivery.memory
        self._line = line
        self._bodies = bodies
        self._whole = whole

    def receive(self, get: Get, body: Body) -> bool:
        """Receive a body; return False if it is left to a whole-body transfer."""
        get.watched.begin_answer(get.span)
        try:
            if get.opened.state.undoubted != get.opened.generation:
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
            # What comes now is not of the output; the answer may still turn out to be too long.
            get.watched.leave_answer()

    def _receive_range(self, get: Get, body: Body) -> None:
        try:
            with self._turn(get):
                # One that stalls before its body comes keeps no room from others.
                self._memory.receive(get.opened.key, get.run.asked)
                get.watched.receive_body(body.stop - body.first, get.run.kept_size(body))
                began = time.monotonic()
                blocks = get.run.receive(body, self._buffers)
                received = time.monotonic() - began
                if (behind := body.behind()) is not None:
                    answered = get.watched.progress.answered
                    get.watched.spent = answered + received, answered + (1 - behind) * received
                get.opened.compare(blocks)
        except TransientError as met:
            error = met
            if not isinstance(met, MismatchError):
                if get.watched.given_up:
                    error = _ended_here(met)
                else:
                    self._line.note_break(len(get.run.asked))
            if get.run.go_on(error) or get.run.mismatches >= TUNING.mismatches:
                raise AgainError(error) from error
            if error is met:
                raise
            raise error from met

    def _turn(self, get: Get) -> AbstractContextManager[None]:
        if self._line.speed() >= LineSpeed.SLOW:
            return nullcontext()
        urgent = self._memory.is_wanted(get.opened.key, get.run.asked)
        return self._bodies.turn(urgent, get.deadline, get.opened.output)


def _ended_here(met: TransientError) -> UnreachableError:
    """Return the error of an answer that ended because its connection was ended here."""
    error = UnreachableError("its connection lagged far behind the others, and is replaced")
    error.received = met.received
    return error
