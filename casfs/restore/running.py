"""Sends what was planned and agreed to, in waves, and settles what has no answer."""

import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from casfs.client import Client
from casfs.errors import CasfsError, CatalogError, LedgerError
from casfs.ledger.request import Request, RequestState
from casfs.model import JobState
from casfs.restore.amounts import Estimate
from casfs.restore.caps import check
from casfs.restore.items import Item
from casfs.restore.job_sending import Counts, JobSender, Sent, Terms
from casfs.restore.ledger import Ledger
from casfs.restore.listed_jobs import ListedJobs
from casfs.restore.plan import Group, is_joined
from casfs.restore.preparing import WAVE, Prepared
from casfs.restore.prices import load_of
from casfs.restore.request_options import Options
from casfs.restore.settlement import Settlement
from casfs.restore.spool import Spool
from casfs.restore.verdict import DONE, Status, Verdict

log = logging.getLogger(__name__)

_ROUNDS = 20
"""Times that requests which turn out not to be accepted are sent again by one command."""
_NEW_LISTS = 3.0
"""Seconds until a list is read again where another process is sending."""


@dataclass
class Outcome:
    """What a command did so far.

    Attributes:
        counts: what came of each item.
        uncertain: requests of the restore of which nobody knows yet whether they were accepted.
        left: archives that are to be requested later, because of the pace.
        verdict: how it ends, if nothing more comes.
        lost: jobs that failed meanwhile, and why.
        jobs: ids of running jobs for what was wanted, of which the plan knew nothing.
    """

    counts: Counts
    uncertain: int = 0
    left: int = 0
    verdict: Verdict = DONE
    lost: list[tuple[Request, str]] = field(default_factory=list)
    jobs: set[str] = field(default_factory=set)


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
        self._options = options
        self._ledger = ledger
        self._spool = spool
        self._settlement = Settlement(client, ledger, spool, prepared)
        self._prepared = prepared
        terms = Terms(
            vault=prepared.vault.name,
            run=prepared.run,
            tier=options.tier,
            check=lambda loads: check(prepared, options, loads),
            price=self._price,
            replaces=prepared.late.covering,
            sns_topic=options.sns_topic,
            call_back=options.call_back,
        )
        expected = prepared.plan.load(options.tier.value, again=True).jobs
        self._sender = JobSender(client.retrievals.start, ledger, terms, watch, expected)
        self._again = False
        self._taken = 0
        """Items, in their order, that were sent or need not be."""
        self._peeked: tuple[int, Item | None] | None = None
        self._found: set[str] = set()

    @property
    def counts(self) -> Counts:
        """Return what came of each item so far."""
        return self._sender.counts

    @property
    def has_stopped(self) -> bool:
        """Return whether it sends no more, whatever is left."""
        return self._sender.stopped is not None

    def run(self, again: bool) -> Outcome:
        """Send all requests, or the first wave of them; return what came of them.

        Args:
            again: whether what was requested before is requested again.

        Raises:
            LedgerError: the ledger fails.
        """
        self._again = again
        self._sender.send(self._wave(None))
        return self._outcome()

    def has_room(self) -> bool:
        """Return whether the next wave may be sent, as far as the pace goes.

        Raises:
            LedgerError: the ledger fails.
        """
        item = self._next_item()
        if item is None or self.has_stopped:
            return False
        recent = self._ledger.requested_since(self._prepared.run, WAVE)
        return self._fits(recent, item)

    def _next_item(self) -> Item | None:
        # This is asked again and again, and the spool is sorted for it.
        if self._peeked is None or self._peeked[0] != self._taken:
            items = self._spool.items(self._options.order, self._again, self._taken)
            self._peeked = (self._taken, next(items, None))
        return self._peeked[1]

    def go_on(self) -> Outcome:
        """List the jobs again, settle by them what is uncertain, and send what there is room for.

        The consent and the caps are those of the plan. What has a job by now, whoever started it,
        is not requested.

        Raises:
            LedgerError: the ledger fails.
            CasfsError: the jobs cannot be listed.
        """
        listed = self._settlement.list_again()
        self._sender.send(self._refused(listed))
        self._sender.send(self._wave(listed))
        return self._outcome()

    def _outcome(self) -> Outcome:
        try:
            uncertain = self._settle()
        except LedgerError:
            raise
        except CasfsError as error:
            log.warning("requests without an answer cannot be settled now: %s", error)
            uncertain = self._unsettled()
        left = 0
        if self._options.pace is not None:
            tier = self._options.tier.value
            left = self._prepared.plan.load(tier, self._again).jobs - self._taken
        outcome = Outcome(
            self._sender.counts,
            uncertain,
            left,
            lost=list(self._settlement.lost),
            jobs=self._found | self._settlement.jobs,
        )
        outcome.verdict = self._verdict(outcome)
        return outcome

    def _wave(self, listed: ListedJobs | None) -> Iterator[Item]:
        """Yield the items that are to be requested now, at the pace that the user set.

        Args:
            listed: the jobs that there are, None if the plan goes by them.
        """
        paced = self._options.pace is not None
        recent = self._ledger.requested_since(self._prepared.run, WAVE) if paced else 0
        sent = 0
        for item in self._spool.items(self._options.order, self._again, self._taken):
            there = listed is not None and self._sees(item, listed)
            if there is None:
                return
            if there:
                self._taken += 1
                continue
            if paced and (sent >= self._settlement.room or not self._fits(recent, item)):
                return
            self._taken += 1
            recent += item.size or 0
            sent += 1
            yield item

    def _fits(self, recent: int, item: Item) -> bool:
        # What is larger than any wave is one of its own.
        return not recent or recent + (item.size or 0) <= self._prepared.wave

    def _sees(self, item: Item, listed: ListedJobs) -> bool | None:
        """Return whether an item is there, None if the catalog cannot tell that now.

        Items are read by the sender, which sends nothing any more once that raises an error.
        """
        try:
            return self._is_there(item, listed)
        except CatalogError as error:
            log.warning("the other requests are sent later: %s", error)
            return None

    def _is_there(self, item: Item, listed: ListedJobs) -> bool:
        fetching = self._settlement.fetching
        job = listed.adoptable(item.archive, item.first, item.last, item.size, fetching)
        if job is not None and job.state is JobState.SUCCEEDED:
            return True
        available = self._settlement.available(item.archive)
        if item.archive in available.cached or is_joined(item, available, fetching):
            return True
        if job is not None:
            self._found.add(job.id)
        return job is not None

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
            unsettled = self._settlement.open()
            if not unsettled:
                break
            listed = self._settlement.list_again()
            if self._settlement.refused and not self.has_stopped:
                self._sender.send(self._refused(listed))
                if self._settlement.refused:
                    break
                continue
            if waited or not any(one.state is RequestState.INTENDED for one in unsettled):
                break
            # Another process is sending: its answers come within seconds.
            waited = True
            time.sleep(_NEW_LISTS)
        return self._unsettled()

    def _unsettled(self) -> int:
        later = 0 if self.has_stopped else len(self._settlement.refused)
        return len(self._settlement.open()) + later

    def _refused(self, listed: ListedJobs) -> Iterator[Item]:
        """Yield what was not accepted, and is not there by now."""
        refused = self._settlement.refused
        while refused and (there := self._sees(refused[0], listed)) is not None:
            item = refused.popleft()
            if not there:
                yield item

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
        settlement = self._settlement
        lost = settlement.expired + sum(settlement.concerns(one) for one, _ in outcome.lost)
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
