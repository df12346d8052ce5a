"""Fetches outputs into the cache: several at a time, until all have come or failed."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from casfs.at_risk import Outlook, outlook
from casfs.client import Client, FetchableOutput
from casfs.disks import disk_of
from casfs.errors import (
    CasfsError,
    DeadlineError,
    DeniedError,
    MismatchError,
    NotKeptError,
    OutputMismatchError,
    SizeError,
    ThreadError,
    TransientError,
)
from casfs.ledger.measured_rate import record_rate
from casfs.reasons import reason
from casfs.restore.fetch_order import Lanes
from casfs.restore.fetch_plan import FetchPlan
from casfs.restore.fetch_queue import Ended, FetchQueue
from casfs.threads import start_thread
from casfs.throughput import RateWindow

log = logging.getLogger(__name__)

_MORE = 4
"""One worker more for so many connections: latency must not leave a connection idle."""
_EXPIRY_SECONDS = 5.0
"""Seconds between two looks for the first expiry of what is left."""
MEASURING = 30.0
"""Seconds of fetching after which its rate counts."""


@dataclass(frozen=True, slots=True)
class FetchStanding:
    """How far fetching is.

    Attributes:
        fetched: outputs that are there now.
        failed: outputs that are not.
        size: bytes that came of what was missing.
        rate: bytes a second of the last ten minutes, None while that is unknown.
        seconds: for which it has been fetching.
        soonest_expiry: of what is left, as of a moment ago.
    """

    fetched: int
    failed: int
    size: int
    rate: float | None
    seconds: float
    soonest_expiry: datetime | None


class FetchRun:
    """Fetches what was planned.

    Args:
        client: the account.
        plan: what is to be fetched.
        order: one of `ORDERS`.
        on_end: is told what became of each output, in the thread that calls `run`.
        clock: returns seconds, which never go back.
    """

    def __init__(
        self,
        client: Client,
        plan: FetchPlan,
        order: str,
        on_end: Callable[[Ended], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        connections = client.config.connections
        self._client = client
        self._plan = plan
        self._on_end = on_end
        self._workers = min(connections + -(-connections // _MORE), len(plan.items))
        large = Lanes.of(connections).large
        self._queue = FetchQueue(plan.items, order, self._workers, large)
        self._clock = clock
        self._rates = RateWindow(clock=clock)
        self._begun = clock()
        self._soonest: tuple[float, datetime | None] = (self._begun, plan.soonest_expiry)

    def run(self, tick: Callable[[FetchStanding], None]) -> None:
        """Fetch everything; return when all has come or failed.

        Args:
            tick: is called a few times a second.

        Raises:
            ThreadError: no thread can be started.
        """
        self._begun = self._clock()
        before = self._client.metrics.received()
        self._start()
        received = 0
        try:
            working = True
            while working:
                working = self._queue.wait()
                for ended in self._queue.ended():
                    self._on_end(ended)
                received = self._client.metrics.received() - before
                self._rates.note(received)
                tick(self.standing())
        finally:
            self._queue.stop()
            seconds = self._clock() - self._begun
            record_rate(self._client.config.state_dir, self._plan.account, received, seconds)

    def standing(self) -> FetchStanding:
        """Return how far it is."""
        now = self._clock()
        looked, soonest = self._soonest
        if now - looked > _EXPIRY_SECONDS:
            times = (due.expires for _, due in self._queue.left() if due.expires is not None)
            self._soonest = now, (soonest := min(times, default=None))
        fetched, failed, size = self._queue.counts()
        return FetchStanding(fetched, failed, size, self._rates.rate(), now - self._begun, soonest)

    def outlook(self, rate: float, now: datetime) -> tuple[Outlook, list[FetchableOutput]]:
        """Return what becomes of what is left, and the outputs that cannot come in time."""
        left = self._queue.left()
        found = outlook((due for _, due in left), rate, now)
        return found, [left[index][0] for index in found.late]

    def _start(self) -> None:
        for number in range(self._workers):
            try:
                start_thread(f"fetching-{number}", self._work)
            except ThreadError:
                for _ in range(number, self._workers):
                    self._queue.leave()
                if not number:
                    raise
                log.warning("fetching %d outputs at a time, not %d", number, self._workers)
                return

    def _work(self) -> None:
        try:
            while (taken := self._queue.take()) is not None:
                self._queue.end(taken, self._fetch(taken.item))
        finally:
            self._queue.leave()

    def _fetch(self, item: FetchableOutput) -> Ended | None:
        """Fetch an output; return what became of it, None if it was stopped."""
        try:
            self._require_room(item)
            try:
                return self._fill(item)
            except SizeError:
                # It was measured again, and has another size now.
                return self._fill(item)
        except (MismatchError, OutputMismatchError) as error:
            return Ended(item, "failed", str(error), mismatch=True)
        except CasfsError as error:
            if self._queue.stopped():
                return None
            if isinstance(error, DeniedError | TransientError | DeadlineError):
                self._queue.lose(str(error), isinstance(error, DeniedError))
            elif isinstance(error, NotKeptError):
                self._queue.miss(str(error))
            return Ended(item, "failed", str(error))
        except Exception as error:
            log.exception("fetching %s hit a bug; please report it", item.name)
            return Ended(item, "failed", f"casfs hit a bug ({type(error).__name__})")

    def _fill(self, item: FetchableOutput) -> Ended | None:
        filling = self._client.fetchable.filling(item)
        if not filling.fill(partial(self._queue.note, item), self._queue.stopped):
            return None
        return Ended(item, "fetched", verified=filling.verified())

    def _require_room(self, item: FetchableOutput) -> None:
        """Raise if the disk cannot take an output.

        Raises:
            CasfsError: that is so.
        """
        cache_dir = self._client.config.cache_dir
        try:
            spare = self._client.fetchable.filler.spare()
        except OSError as error:
            raise CasfsError(f"cannot look at the cache in {cache_dir}: {reason(error)}") from error
        if spare < item.missing:
            raise CasfsError(
                f"the disk at {disk_of(cache_dir)} is full: {item.missing:,} bytes are missing, "
                f"and the cache can take {max(0, spare):,} more; make room, and run the same "
                "command again"
            )
