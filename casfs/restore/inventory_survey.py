"""Finds out how far an inventory is: by the jobs that are listed, and the record of requests."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta

from casfs.client import Client
from casfs.ledger.request import Request, RequestState
from casfs.model import Job, JobKind, JobState, Vault
from casfs.restore.clock import now
from casfs.restore.inventory_jobs import (
    InventoryStanding,
    Wanted,
    begins,
    continuation,
    created,
    why,
)
from casfs.restore.ledger import Ledger
from casfs.restore.listed_jobs import ASSUMED_RATE, Fetching, ListedJobs
from casfs.restore.reconciling import failure_text, reconcile
from casfs.restore.settling import Settling


@dataclass(kw_only=True)
class InventorySurvey:
    """What there is of an inventory, and what is to be requested.

    Attributes:
        client: of the account.
        vault: as the service describes it.
        ledger: of the vault.
        wanted: which inventory.
        run: identifies the request in the ledger.
        warn: is called with what else went wrong, and the job that it is about.
        room: jobs that can be started, and all be listed again; known after `needed`.
    """

    client: Client
    vault: Vault
    ledger: Ledger
    wanted: Wanted
    run: str
    warn: Callable[[str, str | None], None]
    room: int = field(default=0, init=False)
    _waited_for: str | None = field(default=None, init=False)
    """The job of somebody else that this process waits for."""

    @property
    def is_whole(self) -> bool:
        """Return whether all archives are wanted."""
        return self.wanted.since is None and self.wanted.until is None

    @property
    def is_continued(self) -> bool:
        """Return whether the service needs several jobs for all archives."""
        limit = self.client.retrievals.inventory_limit
        return limit is not None and self.is_whole and (self.vault.archives or 0) > limit

    def needed(self) -> InventoryStanding:
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
            if job.id not in mine:
                self._waited_for = job.id
                self.ledger.adopt(self.run, job.id)
            return InventoryStanding(job=job)
        adopted = self.ledger.adopted(self.run)
        # What was requested from here goes on after it.
        if adopted is not None and not mine - {None}:
            standing = self._after(adopted)
            if standing is not None:
                return standing
        return self._after_own(jobs)

    def forget_adopted(self) -> None:
        """Go on without the job of somebody else, because the inventory is begun anew.

        Raises:
            LedgerError: the ledger fails.
        """
        if self.ledger.adopted(self.run) is not None:
            self.ledger.adopt(self.run, None)

    def is_uncertain(self) -> bool:
        """Return whether a request has no answer that is known."""
        return any(one.job is None and not one.state.is_final for one in self._mine())

    def jobs(self, standing: InventoryStanding) -> int:
        """Return how many jobs are to be requested in all, as far as is known."""
        limit = self.client.retrievals.inventory_limit
        count = int(standing.starts)
        if limit is None or self.vault.archives is None or not self.is_whole:
            return count
        # What is there or running is a part.
        adopted = self.ledger.adopted(self.run) is not None
        parts = sum(one.job is not None for one in self._mine()) + adopted
        job = standing.job
        if job is not None and job.state is not JobState.RUNNING and not standing.starts:
            return 0
        if standing.job is None and standing.marker is None:
            parts = 0
        return max(count, -(-self.vault.archives // limit) - parts)

    def _after(self, adopted: str) -> InventoryStanding | None:
        """Return what is to be requested after a job that somebody else started.

        None if it brings nothing, and this process did not wait for it: then the inventory is begun
        anew, as if it had never been there.
        """
        job = self.client.retrievals.job(self.vault.name, adopted)
        if job is None or job.state is JobState.FAILED:
            if adopted == self._waited_for:
                return InventoryStanding(job=job, failure=f"job {adopted} {why(job)}")
            if job is not None:
                self.warn(f"job {adopted}, which casfs waited for, {why(job)}", adopted)
            self.forget_adopted()
            return None
        if job.state is JobState.RUNNING:
            return InventoryStanding(job=job)
        marker = continuation(job)
        return InventoryStanding(job=job, marker=marker, starts=marker is not None)

    def _after_own(self, jobs: dict[str, Job]) -> InventoryStanding:
        last = self._latest()
        if last is not None and last.state in (RequestState.FAILED, RequestState.EXPIRED):
            # The parts before one that failed are there; what expired is asked for as a whole.
            failed = last.state is RequestState.FAILED
            marker = json.loads(last.archive)[-1] if failed else None
            return InventoryStanding(marker=marker, starts=True, lost=last)
        last_job = None if last is None else jobs.get(last.job or "")
        if last_job is None or last_job.state is not JobState.SUCCEEDED:
            return InventoryStanding(starts=True)
        marker = continuation(last_job)
        return InventoryStanding(job=last_job, marker=marker, starts=marker is not None)

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
        self.room = retrievals.most_listed - len(listed)
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
