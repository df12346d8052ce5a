"""Requests inventories: the list of a vault's archives, in as many jobs as the service needs."""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass

from casfs.errors import InventoryError, RequestError
from casfs.job_requests import (
    InventoryQuery,
    JobRequest,
    NotAccepted,
    Refusal,
    Started,
)
from casfs.ledger.request import TO_THE_END, Request, RequestState
from casfs.model import Job, JobState
from casfs.restore.amounts import Estimate
from casfs.restore.caps import OverCapError, too_many
from casfs.restore.intents import Check, Intent
from casfs.restore.inventory_survey import InventorySurvey
from casfs.restore.prices import INVENTORY
from casfs.restore.verdict import Status, Verdict

_FIRST_POLL, _LONGEST_POLL = 1.0, 300.0
_ATTEMPTS = 8
"""Times that a request is sent that was surely not accepted, because there were too many."""

_NO_ANSWER = "a request has no answer yet; run the same command again later"
_MORE = (
    "the vault has more archives than the plan knew of, and all jobs that you agreed to were "
    "started; run the same command again for a new plan"
)


@dataclass(kw_only=True)
class InventoryRun:
    """Brings an inventory: waits for a running job, starts one, and those that continue it.

    Attributes:
        survey: says how far the inventory is.
        check: raises `OverCapError` if one more job would cost too much.
        watch: is called with what happens, a state, and a job.
        price: estimate of one job.
    """

    survey: InventorySurvey
    check: Check
    watch: Callable[[str, str | None], None]
    price: Estimate

    def bring(self, wait: bool, jobs: int, again: int | None) -> Verdict:
        """Start what is needed, and no more than the user agreed to.

        Args:
            wait: until the last job is done.
            jobs: how many may be started.
            again: number of the request that failed or expired and is to be sent again, None for
                no such request.

        Raises:
            CasfsError: the service or the ledger failed.
        """
        left = jobs
        while True:
            standing = self.survey.needed()
            job = standing.job
            if self.survey.is_uncertain():
                if not wait:
                    return Verdict(Status.UNFINISHED, _NO_ANSWER)
                time.sleep(min(_LONGEST_POLL, self.survey.client.config.settle_seconds / 2))
            elif (problem := standing.problem(again)) is not None:
                return Verdict(Status.FAILED, problem)
            elif standing.starts:
                verdict = self._go_on(standing.marker, left)
                if verdict is not None:
                    return verdict
                left -= 1
            elif job is None or job.state is not JobState.RUNNING:
                self.watch("readable", job.id if job else None)
                return Verdict(Status.DONE)
            else:
                self.watch("running", job.id)
                if not (wait or self.survey.is_continued):
                    return Verdict(Status.DONE)
                self._wait_for(job)

    def _go_on(self, marker: str | None, left: int) -> Verdict | None:
        """Request the next job, if one is left; return how the command ends if that fails."""
        if marker is not None:
            self._keep()
        if left <= 0:
            return Verdict(Status.UNFINISHED, _MORE)
        reason = too_many(self.survey.room, 1)
        if reason is not None:
            return Verdict(Status.NOT_STARTED, reason)
        if marker is None:
            self.survey.forget_adopted()
        return self._start(marker)

    def _keep(self) -> None:
        """Catalog the parts that are there: the first would expire before the last is done."""
        try:
            self.survey.client.archives.refresh(self.survey.vault.name, lambda *_: None)
        except InventoryError as error:
            self.survey.warn(str(error), None)

    def _start(self, marker: str | None) -> Verdict | None:
        """Request one job; return how the command ends if that fails."""
        key, price = self.survey.wanted.key(marker), self.price
        intent = Intent("inventory", key, 0, TO_THE_END, 0, price.total, price.currency)
        try:
            request = self.survey.ledger.intend(intent, self.survey.run, INVENTORY, self.check)
        except OverCapError as error:
            return Verdict(Status.NOT_STARTED, str(error))
        if request is None:
            return Verdict(
                Status.UNFINISHED, "the same inventory is being requested by another casfs"
            )
        wanted = self.survey.wanted
        query = InventoryQuery(
            since=wanted.since if marker is None else None,
            until=wanted.until if marker is None else None,
            marker=marker,
        )
        job = JobRequest(
            vault=self.survey.vault.name,
            description=request.token,
            inventory=query,
            sns_topic=wanted.sns_topic,
            call_back=wanted.call_back,
        )
        return self._send(job, request)

    def _send(self, job: JobRequest, request: Request) -> Verdict | None:
        attempt = 0
        while True:
            attempt += 1
            try:
                outcome = self.survey.client.retrievals.start(job)
            except RequestError as error:
                self.survey.ledger.note(request, RequestState.REFUSED, None, str(error))
                raise
            if isinstance(outcome, Started):
                self.survey.ledger.note(request, RequestState.STARTED, outcome.job_id)
                self.watch("started", outcome.job_id)
                return None
            if not isinstance(outcome, NotAccepted):
                self.survey.ledger.note(request, RequestState.UNCERTAIN, None, outcome.reason)
                self.watch("uncertain", None)
                return None
            if outcome.why not in (Refusal.THROTTLED, Refusal.NOT_SENT) or attempt == _ATTEMPTS:
                break
            time.sleep(min(2.0**attempt, 30.0))
            self.survey.ledger.renew(request)
        self.survey.ledger.note(request, RequestState.REFUSED, None, outcome.message)
        later = outcome.why in (Refusal.THROTTLED, Refusal.NOT_SENT, Refusal.NO_INVENTORY)
        return Verdict(Status.UNFINISHED if later else Status.FAILED, outcome.message)

    def _wait_for(self, job: Job) -> None:
        pause = _FIRST_POLL
        while True:
            time.sleep(pause * random.uniform(0.9, 1.1))  # noqa: S311 - nothing secret is drawn
            found = self.survey.client.retrievals.job(self.survey.vault.name, job.id)
            if found is None or found.state is not JobState.RUNNING:
                return
            pause = min(pause * 1.5, _LONGEST_POLL)
