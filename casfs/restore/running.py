"""Sends what was planned and agreed to, and settles what has no answer."""

import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta

from casfs.client import Client
from casfs.errors import CasfsError, LedgerError
from casfs.ledger.request import Request, RequestState
from casfs.restore.amounts import Cap, Estimate, amount_text
from casfs.restore.clock import now
from casfs.restore.items import Item
from casfs.restore.jobs import Fetching, ListedJobs
from casfs.restore.ledger import Ledger
from casfs.restore.options import Options
from casfs.restore.plan import Group
from casfs.restore.preparing import WAVE, Prepared
from casfs.restore.prices import Load, Prices, load_of
from casfs.restore.reconciling import reconcile
from casfs.restore.sending import Counts, OverCapError, Sender, Sent, Terms
from casfs.restore.settling import Settling
from casfs.restore.spool import Spool
from casfs.restore.verdict import DONE, Status, Verdict

log = logging.getLogger(__name__)

_ROUNDS = 20
"""Times that requests which turn out not to be accepted are sent again by one command."""
_NEW_LISTS = 3.0
"""Seconds until a list is read again where another process is sending."""


@dataclass
class Outcome:
    """What a command did.

    Attributes:
        counts: what came of each item.
        uncertain: requests of the restore of which nobody knows yet whether they were accepted.
        left: archives that are to be requested later, because of the pace.
        verdict: how it ends.
        lost: jobs that failed meanwhile, and why.
    """

    counts: Counts
    uncertain: int = 0
    left: int = 0
    verdict: Verdict = DONE
    lost: list[tuple[Request, str]] = field(default_factory=list)


def objection(prepared: Prepared, options: Options, again: bool) -> Verdict | None:
    """Return why a plan must not be carried out, None if it may.

    Args:
        prepared: the plan.
        options: what the user wants.
        again: whether what was requested before is requested again.
    """
    load = prepared.plan.load(options.tier.value, again)
    if not load.jobs:
        return None
    reason = too_many(prepared.room, load.jobs)
    if reason is not None and options.pace is None:
        return Verdict(Status.NOT_STARTED, reason)
    try:
        check(prepared, options, [*prepared.spent, load])
    except OverCapError as error:
        return Verdict(Status.NOT_STARTED, str(error))
    return None


def too_many(room: int, jobs: int) -> str | None:
    """Return why so many more jobs must not be started at once, None if they may.

    What no list shows again cannot be settled, and its hours are lost.
    """
    if jobs <= room:
        return None
    return (
        f"nothing was sent: of {jobs:,} more jobs casfs could list only {max(0, room):,} again; "
        "spread them with --pace, such as --pace auto"
    )


def check(prepared: Prepared, options: Options, loads: list[Load]) -> None:
    """Check what a restore takes in all, before and with this command.

    Raises:
        OverCapError: it is too much, or its price is unknown.
    """
    most = options.max_bytes
    sizes = [load.bytes for load in loads]
    if most is not None and (None in sizes or sum(size or 0 for size in sizes) > most):
        raise OverCapError(
            f"the restore would bring more than --max-bytes {most}, or bytes of unknown number"
        )
    check_cost(options.max_cost, prepared.prices, loads, prepared.place.inside)


def check_cost(cap: Cap | None, prices: Prices, loads: list[Load], inside: bool) -> None:
    """Check what a restore costs in all.

    Raises:
        OverCapError: it is too much, or its price is unknown.
    """
    if cap is None:
        return
    estimate = prices.estimate(loads, inside)
    total = estimate.total
    if total is None or estimate.currency is None:
        raise OverCapError(
            "the price is unknown, so nothing is sent with --max-cost; write prices into the "
            "profile, or leave out --max-cost"
        )
    if cap.currency not in (None, estimate.currency):
        raise OverCapError(
            f"--max-cost is in {cap.currency} and the prices are in {estimate.currency}, which "
            "casfs does not convert"
        )
    if cap.amount == 0 or total > cap.amount:
        raise OverCapError(
            f"the restore would cost {amount_text(total, estimate.currency)}, what it has "
            f"requested before included, which is more than --max-cost {cap}"
        )


class Run:
    """Carries out a plan that the user agreed to.

    Args:
        client: of the account.
        options: what is wanted.
        ledger: of the vault.
        spool: what is to be requested.
        prepared: the plan.
        watch: is called with each outcome.
    """

    def __init__(
        self,
        client: Client,
        options: Options,
        ledger: Ledger,
        spool: Spool,
        prepared: Prepared,
        watch: Callable[[Sent], None],
    ) -> None:
        self._retrievals = client.retrievals
        self._config = client.config
        self._options = options
        self._ledger = ledger
        self._spool = spool
        self._prepared = prepared
        terms = Terms(
            vault=prepared.vault.name,
            run=prepared.run,
            tier=options.tier,
            check=lambda loads: check(prepared, options, loads),
            price=self._price,
            sns_topic=options.sns_topic,
            call_back=options.call_back,
        )
        expected = prepared.plan.load(options.tier.value, again=True).jobs
        self._sender = Sender(client.retrievals.start, ledger, terms, watch, expected)
        self._left = 0
        self._lost: list[tuple[Request, str]] = []

    def run(self, again: bool) -> Outcome:
        """Send all requests; return what came of them.

        Args:
            again: whether what was requested before is requested again.

        Raises:
            LedgerError: the ledger fails.
        """
        self._sender.send(self._wave(self._spool.items(self._options.order, again)))
        try:
            uncertain = self._settle()
        except LedgerError:
            raise
        except CasfsError as error:
            log.warning("what has no answer cannot be settled now: %s", error)
            uncertain = self._unsettled()
        outcome = Outcome(self._sender.counts, uncertain, self._left, lost=self._lost)
        outcome.verdict = self._verdict(outcome)
        return outcome

    def _wave(self, items: Iterator[Item]) -> Iterator[Item]:
        """Yield the items that are to be requested now, at the pace that the user set."""
        if self._options.pace is None:
            yield from items
            return
        wave = self._prepared.wave
        recent = self._ledger.requested_since(self._prepared.run, WAVE)
        sent = 0
        for item in items:
            size = item.size or 0
            # What is larger than any wave is one of its own.
            full = recent and recent + size > wave
            if self._left or full or sent >= self._prepared.room:
                self._left += 1
                continue
            recent += size
            sent += 1
            yield item

    def _price(self, item: Item) -> Estimate:
        load = load_of(self._options.tier.value, item.size)
        return self._prepared.prices.estimate([load], inside=True)

    def _settle(self) -> int:
        """Settle what has no answer, and send again what was not accepted.

        Returns:
            how many requests of the restore are still uncertain.
        """
        waited = False
        for _ in range(_ROUNDS):
            open_ = [one for one in self._ledger.open_requests() if one.job is None]
            if not any(one.run == self._prepared.run for one in open_):
                return 0
            refused = self._list_again()
            mine = [one for one in map(self._item, refused) if one is not None]
            if mine and self._sender.stopped is None:
                self._sender.send(mine)
                continue
            if waited or not any(one.state is RequestState.INTENDED for one in open_):
                break
            # Another process is sending: its answers come within seconds.
            waited = True
            time.sleep(_NEW_LISTS)
        return self._unsettled()

    def _unsettled(self) -> int:
        return sum(
            one.run == self._prepared.run and one.job is None
            for one in self._ledger.open_requests()
        )

    def _item(self, request: Request) -> Item | None:
        """Return what this command sent a request for, None if it did not."""
        if request.run != self._prepared.run:
            return None
        return self._spool.find(request.archive, request.first, request.last)

    def _list_again(self) -> list[Request]:
        begun, vault = now(), self._prepared.vault.name
        jobs = ListedJobs(self._retrievals.jobs(vault))
        settling = Settling(
            jobs,
            Fetching(self._prepared.rate, self._retrievals.now()),
            timedelta(seconds=self._config.settle_seconds),
            timedelta(seconds=self._config.deadline),
        )
        found = reconcile(
            self._ledger, settling, begun, lambda job: self._retrievals.job(vault, job)
        )
        self._lost += [
            (replace(one, job=settled.job), settled.reason or "")
            for one, settled in found.lost
            if settled.state is RequestState.FAILED
        ]
        return found.refused

    def _verdict(self, outcome: Outcome) -> Verdict:
        plan = self._prepared.plan
        if self._sender.stopped is not None:
            return self._sender.stopped
        if outcome.uncertain:
            return Verdict(Status.UNFINISHED, uncertain_text(outcome.uncertain))
        if outcome.left:
            return Verdict(
                Status.UNFINISHED,
                f"{outcome.left} more are to be requested once these can be fetched; run the same "
                "command again",
            )
        lost = sum(one.run == self._prepared.run for one, _ in outcome.lost)
        if lost:
            return Verdict(Status.FAILED, f"jobs that failed: {lost}; see above")
        failed = len(outcome.counts.failed) + plan.groups[Group.TOO_LARGE].archives
        if failed:
            return Verdict(Status.FAILED, f"{failed} were not requested; see above")
        return Verdict(Status.DONE)


def uncertain_text(count: int) -> str:
    """Return what is to be said of requests that have no answer."""
    which = "1 request has" if count == 1 else f"{count} requests have"
    return (
        f"{which} no answer yet, and no list of jobs shows what became of it; nothing is sent "
        "twice: run the same command again later"
    )
