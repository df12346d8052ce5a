"""Requests inventories: the list of a vault's archives, in as many jobs as the service needs."""

import json
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from casfs.client import Client
from casfs.errors import RequestError
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
from casfs.restore.jobs import ASSUMED_RATE, Fetching, ListedJobs
from casfs.restore.ledger import Check, Intent, Ledger
from casfs.restore.prices import INVENTORY
from casfs.restore.reconciling import reconcile
from casfs.restore.sending import OverCapError
from casfs.restore.settling import Settling
from casfs.restore.verdict import Status, Verdict

_FIRST_POLL, _LONGEST_POLL = 1.0, 300.0
_ATTEMPTS = 8
"""Times that a request is sent that was surely not accepted, because there were too many."""


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """An inventory that is wanted.

    Attributes:
        since: first date of upload, None for all.
        until: last date of upload, None for all.
        sns_topic: ARN of a topic to be notified.
        call_back: URL to be called.
    """

    since: datetime | None = None
    until: datetime | None = None
    sns_topic: str | None = None
    call_back: str | None = None

    @property
    def selection(self) -> str:
        """Return what identifies it among the restores of a vault."""
        return json.dumps([INVENTORY, *map(_iso, (self.since, self.until))])

    def key(self, marker: str | None) -> str:
        """Return what identifies the part that begins at a marker, in the ledger."""
        return json.dumps([*map(_iso, (self.since, self.until)), marker])

    def is_of(self, job: Job) -> bool:
        """Return whether a job is for the same dates."""
        told = _parameters(job)
        return (_parsed(told.get("StartDate")), _parsed(told.get("EndDate"))) == (
            self.since,
            self.until,
        )


@dataclass(frozen=True, kw_only=True)
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
    """

    client: Client
    vault: Vault
    ledger: Ledger
    wanted: Wanted
    run: str
    check: Check
    watch: Callable[[str, str | None], None]

    def needed(self) -> tuple[Job | None, str | None, bool]:
        """Return what is there, and what is to be requested.

        Returns:
            The job that is running or was the last one, the marker at which the next one begins,
            and whether one is to be requested.

        Raises:
            CasfsError: the service or the ledger failed.
        """
        jobs = self._listed()
        running = [job for job in jobs.values() if job.state is JobState.RUNNING]
        if running:
            return max(running, key=_created), None, False
        last = next((jobs[one.job] for one in self._mine() if one.job in jobs), None)
        if last is None or last.state is not JobState.SUCCEEDED:
            return None, None, True
        marker = _parameters(last).get("Marker") or None
        return last, None if marker is None else str(marker), marker is not None

    def is_uncertain(self) -> bool:
        """Return whether a request has no answer that is known."""
        return any(one.job is None and not one.state.is_final for one in self._mine())

    def bring(self, wait: bool) -> Verdict:
        """Start what is needed.

        Args:
            wait: until the last job is done.

        Raises:
            CasfsError: the service or the ledger failed.
        """
        while True:
            job, marker, starts = self.needed()
            if self.is_uncertain():
                if not wait:
                    return Verdict(
                        Status.UNFINISHED,
                        "a request has no answer yet; run the same command again later",
                    )
                time.sleep(min(_LONGEST_POLL, self.client.config.settle_seconds / 2))
                continue
            if starts:
                verdict = self._start(marker)
                if verdict is not None:
                    return verdict
                continue
            if job is None or job.state is not JobState.RUNNING:
                self.watch("readable", job.id if job else None)
                return Verdict(Status.DONE)
            self.watch("running", job.id)
            if not (wait or self._continues()):
                return Verdict(Status.DONE)
            self._wait_for(job)

    def _continues(self) -> bool:
        """Return whether the service needs several jobs for all archives."""
        limit = self.client.retrievals.inventory_limit
        whole = self.wanted.since is None and self.wanted.until is None
        return limit is not None and whole and (self.vault.archives or 0) > limit

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

    def _listed(self) -> dict[str, Job]:
        """Return the inventory jobs for the same dates, by id; brings the ledger up to date."""
        retrievals, name = self.client.retrievals, self.vault.name
        begun, listed, found = now(), ListedJobs(), {}

        def note(job: Job) -> None:
            listed.add(job)
            if job.kind is JobKind.INVENTORY:
                found[job.id] = job

        retrievals.catalog_jobs(name, note)
        patience = timedelta(seconds=self.client.config.settle_seconds)
        settling = Settling(listed, Fetching(float(ASSUMED_RATE), retrievals.now()), patience)
        reconcile(self.ledger, settling, begun, lambda job: retrievals.job(name, job))
        mine = {one.job for one in self._mine() if one.job is not None}
        for number in mine - found.keys():
            # A list may show a new job late.
            job = retrievals.job(name, number)
            if job is not None:
                found[number] = job
        return {
            number: job for number, job in found.items() if number in mine or self.wanted.is_of(job)
        }


def _parameters(job: Job) -> dict[str, object]:
    told = json.loads(job.raw).get("InventoryRetrievalParameters")
    return told if isinstance(told, dict) else {}


def _parsed(date: object) -> datetime | None:
    """Return the date that a service wrote, to the second; what is none matches nothing."""
    if not date:
        return None
    try:
        return datetime.fromisoformat(str(date)).astimezone(UTC).replace(microsecond=0)
    except ValueError:
        return datetime.min.replace(tzinfo=UTC)


def _created(job: Job) -> float:
    return job.created.timestamp() if job.created else 0.0


def _iso(date: datetime | None) -> str | None:
    return date.strftime("%Y-%m-%dT%H:%M:%SZ") if date else None
