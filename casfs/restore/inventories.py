"""Requests inventories: the list of a vault's archives, in as many jobs as the service needs."""

import json
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta

from casfs.client import Client
from casfs.errors import InventoryError, RequestError
from casfs.job_requests import (
    InventoryQuery,
    JobRequest,
    NotAccepted,
    Refusal,
    Started,
)
from casfs.ledger.request import TO_THE_END, Request, RequestState
from casfs.model import Job, JobKind, JobState, Vault
from casfs.restore.clock import now
from casfs.restore.inventory_jobs import (
    Standing,
    Wanted,
    begins,
    continuation,
    created,
    why,
)
from casfs.restore.jobs import ASSUMED_RATE, Fetching, ListedJobs
from casfs.restore.ledger import Check, Intent, Ledger
from casfs.restore.prices import INVENTORY
from casfs.restore.reconciling import failure_text, reconcile
from casfs.restore.sending import OverCapError
from casfs.restore.settling import Settling
from casfs.restore.verdict import Status, Verdict

_FIRST_POLL, _LONGEST_POLL = 1.0, 300.0
_ATTEMPTS = 8
"""Times that a request is sent that was surely not accepted, because there were too many."""

_NO_ANSWER = "a request has no answer yet; run the same command again later"
_MORE = (
    "the vault has more archives than the plan knew of, and all jobs that you agreed to were "
    "started; run the same command again to see what goes on"
)


@dataclass(kw_only=True)
class InventoryRun:
    """Brings an inventory: adopts a running job, starts one, and those that continue it.

    Attributes:
        client: of the account.
        vault: as the service describes it.
        ledger: of the vault.
        wanted: which inventory.
        run: identifies the request in the ledger.
        check: raises `OverCapError` if one more job would cost too much.
        watch: is called with what happens, a state, and a job.
        warn: is called with what else went wrong, and the job that it is about.
    """

    client: Client
    vault: Vault
    ledger: Ledger
    wanted: Wanted
    run: str
    check: Check
    watch: Callable[[str, str | None], None]
    warn: Callable[[str, str | None], None]
    _adopted: str | None = field(default=None, init=False)
    """The job that somebody else started, as long as it is the last one."""

    def needed(self) -> Standing:
        """Return what is there, and what is to be requested.

        Raises:
            CasfsError: the service or the ledger failed.
        """
        jobs = self._listed()
        mine = {one.job for one in self._mine()}
        running = [
            job
            for job in jobs.values()
            if job.state is JobState.RUNNING and (job.id in mine or begins(job, jobs.values()))
        ]
        if running:
            job = max(running, key=created)
            self._adopted = None if job.id in mine else job.id
            return Standing(job=job)
        if self._adopted is not None:
            return self._after(self._adopted)
        last = self._latest()
        if last is not None and last.state in (RequestState.FAILED, RequestState.EXPIRED):
            # The parts before one that failed are there; what expired is asked for as a whole.
            failed = last.state is RequestState.FAILED
            marker = json.loads(last.archive)[-1] if failed else None
            return Standing(marker=marker, starts=True, lost=last)
        last_job = None if last is None else jobs.get(last.job or "")
        if last_job is None or last_job.state is not JobState.SUCCEEDED:
            return Standing(starts=True)
        marker = continuation(last_job)
        return Standing(job=last_job, marker=marker, starts=marker is not None)

    def _after(self, adopted: str) -> Standing:
        """Return what is to be requested after a job that somebody else started."""
        job = self.client.retrievals.job(self.vault.name, adopted)
        if job is None or job.state is JobState.FAILED:
            return Standing(job=job, failure=f"job {adopted} {why(job)}")
        if job.state is JobState.RUNNING:
            return Standing(job=job)
        marker = continuation(job)
        return Standing(job=job, marker=marker, starts=marker is not None)

    def is_uncertain(self) -> bool:
        """Return whether a request has no answer that is known."""
        return any(one.job is None and not one.state.is_final for one in self._mine())

    def jobs(self, standing: Standing) -> int:
        """Return how many jobs are to be requested in all, as far as is known."""
        limit = self.client.retrievals.inventory_limit
        count = int(standing.starts)
        if limit is None or self.vault.archives is None or not self._is_whole:
            return count
        # What is there or running is a part.
        parts = sum(one.job is not None for one in self._mine()) + (self._adopted is not None)
        job = standing.job
        if job is not None and job.state is not JobState.RUNNING and not standing.starts:
            return 0
        if standing.job is None and standing.marker is None:
            parts = 0
        return max(count, -(-self.vault.archives // limit) - parts)

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
            standing = self.needed()
            job = standing.job
            if self.is_uncertain():
                if not wait:
                    return Verdict(Status.UNFINISHED, _NO_ANSWER)
                time.sleep(min(_LONGEST_POLL, self.client.config.settle_seconds / 2))
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
                if not (wait or self._continues()):
                    return Verdict(Status.DONE)
                self._wait_for(job)

    def _go_on(self, marker: str | None, left: int) -> Verdict | None:
        """Request the next job, if one is left; return how the command ends if that fails."""
        if marker is not None:
            self._keep()
        if left <= 0:
            return Verdict(Status.UNFINISHED, _MORE)
        verdict = self._start(marker)
        if verdict is None:
            self._adopted = None
        return verdict

    @property
    def _is_whole(self) -> bool:
        return self.wanted.since is None and self.wanted.until is None

    def _keep(self) -> None:
        """Catalog the parts that are there: the first would expire before the last is done."""
        try:
            self.client.archives.refresh(self.vault.name, lambda *_: None)
        except InventoryError as error:
            self.warn(str(error), None)

    def _continues(self) -> bool:
        """Return whether the service needs several jobs for all archives."""
        limit = self.client.retrievals.inventory_limit
        return limit is not None and self._is_whole and (self.vault.archives or 0) > limit

    def _start(self, marker: str | None) -> Verdict | None:
        """Request one job; return how the command ends if that fails."""
        intent = Intent("inventory", self.wanted.key(marker), 0, TO_THE_END, 0)
        try:
            request = self.ledger.intend(intent, self.run, INVENTORY, self.check)
        except OverCapError as error:
            return Verdict(Status.NOT_STARTED, str(error))
        if request is None:
            return Verdict(
                Status.UNFINISHED, "the same inventory is being requested by another casfs"
            )
        wanted = self.wanted
        query = InventoryQuery(
            since=wanted.since if marker is None else None,
            until=wanted.until if marker is None else None,
            marker=marker,
        )
        job = JobRequest(
            vault=self.vault.name,
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
                outcome = self.client.retrievals.start(job)
            except RequestError as error:
                self.ledger.note(request, RequestState.REFUSED, None, str(error))
                raise
            if isinstance(outcome, Started):
                self.ledger.note(request, RequestState.STARTED, outcome.job_id)
                self.watch("started", outcome.job_id)
                return None
            if not isinstance(outcome, NotAccepted):
                self.ledger.note(request, RequestState.UNCERTAIN, None, outcome.reason)
                self.watch("uncertain", None)
                return None
            if outcome.why not in (Refusal.THROTTLED, Refusal.NOT_SENT) or attempt == _ATTEMPTS:
                break
            time.sleep(min(2.0**attempt, 30.0))
            self.ledger.renew(request)
        self.ledger.note(request, RequestState.REFUSED, None, outcome.message)
        later = outcome.why in (Refusal.THROTTLED, Refusal.NOT_SENT, Refusal.NO_INVENTORY)
        return Verdict(Status.UNFINISHED if later else Status.FAILED, outcome.message)

    def _wait_for(self, job: Job) -> None:
        pause = _FIRST_POLL
        while True:
            time.sleep(pause * random.uniform(0.9, 1.1))  # noqa: S311 - nothing secret is drawn
            found = self.client.retrievals.job(self.vault.name, job.id)
            if found is None or found.state is not JobState.RUNNING:
                return
            pause = min(pause * 1.5, _LONGEST_POLL)

    def _mine(self) -> Iterator[Request]:
        """Yield the requests of this inventory, the latest first."""
        found = [one for one in self.ledger.open_requests() if one.run == self.run]
        yield from reversed(found)

    def _latest(self) -> Request | None:
        """Return the request of this inventory that was sent last, whatever became of it."""
        of_run = [one for one in self.ledger.lost() if one.run == self.run]
        return max([*of_run, *self._mine()], key=lambda one: one.number, default=None)

    def _listed(self) -> dict[str, Job]:
        """Return the inventory jobs for the same dates, by id; brings the ledger up to date."""
        retrievals, name = self.client.retrievals, self.vault.name
        begun, listed, found = now(), ListedJobs(), {}

        def note(job: Job) -> None:
            listed.add(job)
            if job.kind is JobKind.INVENTORY:
                found[job.id] = job

        retrievals.catalog_jobs(name, note)
        config = self.client.config
        settling = Settling(
            listed,
            Fetching(float(ASSUMED_RATE), retrievals.now()),
            timedelta(seconds=config.settle_seconds),
            timedelta(seconds=config.deadline),
        )
        reconciled = reconcile(self.ledger, settling, begun, lambda job: retrievals.job(name, job))
        for request, settled in reconciled.lost:
            if settled.state is RequestState.FAILED:
                self.warn(failure_text(request, settled.reason or ""), settled.job)
        mine = {one.job for one in self._mine() if one.job is not None}
        for number in mine - found.keys():
            # A list may show a new job late.
            job = retrievals.job(name, number)
            if job is not None:
                found[number] = job
        return {
            number: job for number, job in found.items() if number in mine or self.wanted.is_of(job)
        }
