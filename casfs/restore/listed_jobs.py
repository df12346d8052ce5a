"""The jobs that a service lists, as far as they may bring what is wanted."""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from casfs.ledger.request import TO_THE_END, Request, covers
from casfs.model import Job, JobKind, JobState, later

ASSUMED_RATE = 10 << 20
"""Bytes per second that are fetched, where nothing else is known."""
_FOR_ANY = timedelta(minutes=1)
"""Time that fetching the smallest archive takes."""
_FOR_LARGEST = timedelta(hours=12)
"""An archive that takes longer than an output lives is fetched by several jobs, one after the
other: one of them is worth half of its life."""
_TOKEN = re.compile(r"casfs-[0-9a-f]{16}")
_LATEST = {"expedited": timedelta(minutes=5), "bulk": timedelta(hours=12)}
_LATEST_ELSE = timedelta(hours=5)


class JobFacts(NamedTuple):
    """A job; times are UTC, None is unknown.

    Attributes:
        archive: what it retrieves, None if that is not an archive.
        first: first byte of it.
        last: last byte, or `TO_THE_END`.
        expires: when the service drops the output.
        token: of the request that started it, if casfs did.
        tier: as `--tier` has it, "" if unknown.
        reason: why it failed.
    """

    id: str
    kind: JobKind
    state: JobState
    archive: str | None
    first: int
    last: int
    created: datetime | None
    expires: datetime | None
    token: str | None
    tier: str
    reason: str

    def covers(self, first: int, last: int, size: int | None) -> bool:
        """Return whether it brings a range of its archive, as `covers` does."""
        return covers((self.first, self.last), first, last, size)

    @property
    def ready(self) -> datetime | None:
        """Return when it is done at the latest, if it takes as long as usual."""
        return None if self.created is None else later(self.created, latest(self.tier))


def latest(tier: str) -> timedelta:
    """Return how long a retrieval takes at most (restore times as all three services say)."""
    return _LATEST.get(tier, _LATEST_ELSE)


def facts_of(job: Job) -> JobFacts:
    """Return the facts of a job."""
    described = json.loads(job.raw)
    failed = job.state is JobState.FAILED
    found = _TOKEN.search(job.description)
    whole = job.whole or (job.size is None and job.archive_size is None and job.first_byte == 0)
    last = TO_THE_END if whole else job.first_byte + (job.size or 0) - 1
    return JobFacts(
        job.id,
        job.kind,
        job.state,
        job.archive_id if job.kind is JobKind.ARCHIVE else None,
        job.first_byte,
        last,
        job.created,
        job.expires if job.state is JobState.SUCCEEDED else None,
        found[0] if found else None,
        str(described.get("Tier") or "").lower(),
        str(described.get("StatusMessage") or "the service gives no reason") if failed else "",
    )


@dataclass(frozen=True, slots=True)
class Fetching:
    """How fast outputs can be fetched.

    Attributes:
        rate: bytes per second.
        now: UTC.
    """

    rate: float
    now: datetime

    def suffices(self, job: JobFacts, size: int | None) -> bool:
        """Return whether a readable job leaves time enough to fetch `size` bytes of it."""
        if job.expires is None:
            return True
        needed = _FOR_ANY + timedelta(seconds=min(1e7, (size or 0) / self.rate))
        return job.expires - self.now >= min(needed, _FOR_LARGEST)


class ListedJobs:
    """A complete list of a vault's jobs.

    Args:
        jobs: all of them.
    """

    def __init__(self, jobs: Iterable[Job] = ()) -> None:
        self.by_id: dict[str, JobFacts] = {}
        self._by_token: dict[str, list[JobFacts]] = {}
        self._by_archive: dict[str, list[JobFacts]] = {}
        for job in jobs:
            self.add(job)

    def add(self, job: Job) -> None:
        """Add a job, unless it was added before."""
        if job.id in self.by_id:
            return
        facts = self.by_id[job.id] = facts_of(job)
        if facts.token is not None:
            self._by_token.setdefault(facts.token, []).append(facts)
        if facts.archive is not None and facts.state is not JobState.FAILED:
            self._by_archive.setdefault(facts.archive, []).append(facts)

    def of_request(self, request: Request) -> JobFacts | None:
        """Return the job with the token of a request, if it brings what was requested."""
        for job in self._by_token.get(request.token, ()):
            if request.kind != "archive":
                if job.kind is JobKind.INVENTORY:
                    return job
            elif job.archive == request.archive and job.covers(
                request.first, request.last, request.size
            ):
                return job
        return None

    def adoptable(
        self, archive: str, first: int, last: int, size: int | None, fetching: Fetching
    ) -> JobFacts | None:
        """Return a job that brings a range of an archive, whoever started it.

        It is readable, and for long enough to be fetched, or it is running.
        """
        running = None
        best: JobFacts | None = None
        for job in self._by_archive.get(archive, ()):
            if not job.covers(first, last, size):
                continue
            if job.state is JobState.RUNNING:
                if running is None or _starts_before(job, running):
                    running = job
            elif fetching.suffices(job, size) and (best is None or _expires_after(job, best)):
                best = job
        return best or running


def _starts_before(one: JobFacts, other: JobFacts) -> bool:
    return one.created is not None and (other.created is None or one.created < other.created)


def _expires_after(one: JobFacts, other: JobFacts) -> bool:
    if other.expires is None:
        return False
    return one.expires is None or one.expires > other.expires
