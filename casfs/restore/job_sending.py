"""Sends requests: each is committed first, sent once, and its answer recorded.

Lock order: one lock guards the counts and the items that are left, which are read from the spool;
another one lets one thread tell at a time, which may wait for a terminal. Neither is held with
another.
"""

import logging
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import wait as futures_wait
from dataclasses import dataclass, field

from casfs.errors import ConfigError, RequestError
from casfs.job_requests import JobRequest, NotAccepted, Outcome, Refusal, Started, Tier
from casfs.ledger.request import Request, RequestState
from casfs.restore.amounts import Estimate
from casfs.restore.caps import OverCapError
from casfs.restore.intents import Check, Intent
from casfs.restore.items import Item
from casfs.restore.ledger import Ledger
from casfs.restore.pacer import Pacer
from casfs.restore.verdict import Status, Verdict

log = logging.getLogger(__name__)

_WORKERS = 8
"""Requests that are under way at a time."""
_EACH = 32
"""Requests for which another thread is worth it."""
_PATIENCE = 120.0
"""Seconds without any success after which a service that refuses everything is left alone."""
_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 30.0
_LAST_ANSWERS = 5.0
"""Seconds for which an interrupted command waits for the answers of requests that are under way."""


@dataclass(frozen=True, slots=True)
class Sent:
    """What came of an item, for whoever watches.

    Attributes:
        state: `started`, `uncertain`, `refused`, or `elsewhere` if another process requests it.
        job: the id of its job.
        reason: why it was not started.
    """

    item: Item
    state: str
    job: str | None = None
    reason: str | None = None


@dataclass
class Counts:
    """What came of all items so far."""

    started: int = 0
    bytes: int = 0
    uncertain: int = 0
    elsewhere: int = 0
    failed: list[Sent] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class Terms:
    """What all requests of a command have in common.

    Attributes:
        vault: name of the vault.
        run: the restore that they belong to.
        tier: at which they are sent.
        check: raises `OverCapError` if the restore would take too much with one more.
        price: estimate of one item.
        replaces: item -> numbers of requests that one for it replaces, as in `Ledger.intend`.
        sns_topic: as in `JobRequest`.
        call_back: as in `JobRequest`.
    """

    vault: str
    run: str
    tier: Tier
    check: Check
    price: Callable[[Item], Estimate]
    replaces: Callable[[Item], Sequence[int]]
    sns_topic: str | None = None
    call_back: str | None = None

    def intent(self, item: Item) -> Intent:
        """Return what is committed before an item is sent."""
        price = self.price(item)
        unknown = price.retrieval is None or price.requests is None
        cost = None if unknown else price.total
        return Intent(
            "archive", item.archive, item.first, item.last, item.size, cost, price.currency
        )

    def job(self, item: Item, request: Request) -> JobRequest:
        """Return what is sent for an item."""
        return JobRequest(
            vault=self.vault,
            archive_id=item.archive,
            byte_range=item.byte_range,
            tier=self.tier,
            description=request.token,
            sns_topic=self.sns_topic,
            call_back=self.call_back,
        )


class JobSender:
    """Sends the requests of a command, in several threads.

    Args:
        start: sends a request, once, and returns what came of it.
        ledger: records it.
        terms: of all requests.
        watch: is called with each outcome, by one thread at a time.
        expected: about how many requests there will be.

    Attributes:
        counts: what came of all items so far.
        stopped: why it sends no more, with the exit status; None if it goes on.
    """

    def __init__(
        self,
        start: Callable[[JobRequest], Outcome],
        ledger: Ledger,
        terms: Terms,
        watch: Callable[[Sent], None],
        expected: int,
    ) -> None:
        self._start = start
        self._ledger = ledger
        self._terms = terms
        self._watch = watch
        self._workers = max(1, min(_WORKERS, expected // _EACH))
        self._lock = threading.Lock()
        self._telling = threading.Lock()
        self._ended = threading.Event()
        self._pacer = Pacer(self._ended.wait)
        self.counts = Counts()
        self.stopped: Verdict | None = None

    def send(self, items: Iterable[Item]) -> None:
        """Send requests for items, until all are sent or there is a reason to stop.

        Raises:
            LedgerError: the ledger fails; nothing is sent from then on.
            KeyboardInterrupt: a signal ended it.
        """
        left = iter(items)
        self._pacer.resume()
        pool = ThreadPoolExecutor(self._workers, "request")
        done = [pool.submit(self._work, left) for _ in range(self._workers)]
        try:
            self._join(done)
        except OverCapError as error:
            self._stop(Status.NOT_STARTED, str(error))
        finally:
            pool.shutdown(wait=False)

    def _join(self, done: list["Future[None]"]) -> None:
        """Wait until all threads have ended; raises what one of them, or a signal, raised."""
        try:
            for one in done:
                one.result()
        except KeyboardInterrupt:
            self._ended.set()
            # The intents are committed: a later list tells what became of those without an answer.
            futures_wait(done, _LAST_ANSWERS)
            raise
        except BaseException:
            self._ended.set()
            futures_wait(done)
            raise

    def _work(self, left: Iterator[Item]) -> None:
        try:
            while not self._ended.is_set():
                with self._lock:
                    item = next(left, None)
                if item is None:
                    return
                self._send(item)
        except BaseException:
            self._ended.set()
            raise

    def _send(self, item: Item) -> None:
        if not self._pacer.take_turn():
            return
        terms = self._terms
        request = self._ledger.intend(
            terms.intent(item), terms.run, terms.tier.value, terms.check, terms.replaces(item)
        )
        if request is None:
            self._note(Sent(item, "elsewhere"))
            return
        job = terms.job(item, request)
        pause = _FIRST_PAUSE
        while True:
            outcome = self._post(job, request)
            if isinstance(outcome, Started):
                self._pacer.accepted()
                self._ledger.note(request, RequestState.STARTED, outcome.job_id)
                self._note(Sent(item, "started", outcome.job_id))
                return
            if not isinstance(outcome, NotAccepted):
                self._ledger.note(request, RequestState.UNCERTAIN, None, outcome.reason)
                self._note(Sent(item, "uncertain", None, outcome.reason))
                return
            again = False
            if outcome.why is Refusal.THROTTLED:
                self._pacer.throttled(outcome.retry_after)
                again = self._pacer.seconds_without_success() < _PATIENCE
                again = again and self._pacer.take_turn()
            elif outcome.why is Refusal.NOT_SENT:
                again = self._pacer.seconds_without_success() < _PATIENCE
                again = again and not self._ended.wait(pause)
                pause = min(pause * 2, _LONGEST_PAUSE)
            elif outcome.why is Refusal.DENIED and outcome.retry_after == 0:
                again = pause == _FIRST_PAUSE
                pause = _LONGEST_PAUSE
            if not again:
                self._refused(item, request, outcome)
                return
            self._ledger.renew(request)

    def _post(self, job: JobRequest, request: Request) -> Outcome:
        try:
            return self._start(job)
        except (RequestError, ConfigError) as error:
            # Nothing was sent, and nothing else will be.
            self._ledger.note(request, RequestState.REFUSED, None, str(error))
            raise

    def _refused(self, item: Item, request: Request, outcome: NotAccepted) -> None:
        self._ledger.note(request, RequestState.REFUSED, None, outcome.message)
        if outcome.why in _OF_ARCHIVE:
            self._note(Sent(item, "refused", None, outcome.message))
            return
        status = Status.UNFINISHED if outcome.why in _LATER else Status.FAILED
        if self._ended.is_set() and self.stopped is None:
            return
        self._stop(status, outcome.message)

    def _stop(self, status: Status, reason: str) -> None:
        with self._lock:
            if self.stopped is None:
                self.stopped = Verdict(status, reason)
        self._ended.set()

    def _note(self, sent: Sent) -> None:
        with self._lock:
            counts = self.counts
            if sent.state == "started":
                counts.started += 1
                counts.bytes += sent.item.size or 0
            elif sent.state == "uncertain":
                counts.uncertain += 1
            elif sent.state == "elsewhere":
                counts.elsewhere += 1
            else:
                counts.failed.append(sent)
        with self._telling:
            self._watch(sent)


_OF_ARCHIVE = frozenset({Refusal.LIMIT, Refusal.INVALID, Refusal.ARCHIVE_GONE})
"""Refusals that say nothing of other archives."""
_LATER = frozenset({Refusal.POLICY, Refusal.CAPACITY, Refusal.THROTTLED, Refusal.NOT_SENT})
"""Refusals after which the same command may succeed later."""
