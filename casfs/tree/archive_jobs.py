"""What the jobs of an archive make of it: readable, and until when, or on its way, or neither."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum

from casfs.errors import CasfsError, ExpiredError
from casfs.service.base import Job, JobState, Output
from casfs.service.joined import joined_output
from casfs.service.service import Service
from casfs.tree.account import Account
from casfs.tree.archives.entries import Archive
from casfs.tree.known import KnownJob

_EXPIRING = timedelta(hours=3)
_LONGEST = {"Expedited": timedelta(minutes=5), "Bulk": timedelta(hours=12)}
_LONGEST_ELSE = timedelta(hours=5)
"""How long a retrieval takes at most, by its tier (Tencent CAS documentation, "Initiate Job"; Amazon
Glacier Developer Guide, "Archive Retrieval Options"). Aliyun OAS has no tiers: up to 4 hours."""


class State(Enum):
    """Whether an archive can be read."""

    READABLE = "readable"
    EXPIRING = "expiring"
    """Readable for less than three hours more."""
    RETAINED = "retained"
    """Its jobs have expired, but all of it is in the cache."""
    RUNNING = "running"
    """A job that brings it is under way."""
    COLD = "cold"
    """Only a new job brings it."""


@dataclass(frozen=True, slots=True)
class Standing:
    """The state of an archive.

    Attributes:
        until: when the service drops it, None if that is not known or past.
        ready: when the job that is under way ends at the latest, if it takes as long as usual.
    """

    state: State
    until: datetime | None = None
    ready: datetime | None = None


class ArchiveJobs:
    """The archives of an account as its jobs bring them.

    Args:
        service: understands jobs.
        account: knows them.
    """

    def __init__(self, service: Service, account: Account) -> None:
        self._service = service
        self._account = account

    def output(self, vault: str, archive: Archive) -> Output:
        """Return what is to be read of an archive.

        Raises:
            ExpiredError: it cannot be read, or not any more.
            CasfsError: jobs and inventory contradict each other.
        """
        succeeded = self._of(vault, archive, JobState.SUCCEEDED)
        if not succeeded:
            raise ExpiredError(
                f"archive {archive.id} of vault {vault} cannot be read any more: its jobs are "
                "gone; a new one brings it back"
            )
        output = self._join(archive, succeeded)
        if output is None:
            raise CasfsError(
                f"the jobs of archive {archive.id} in vault {vault} bring other bytes than its "
                "inventory tells; read the outputs of the jobs, and compare"
            )
        return output

    def standing(self, vault: str, archive: Archive, now: datetime) -> Standing:
        """Return the state of an archive at a time."""
        succeeded = self._of(vault, archive, JobState.SUCCEEDED)
        output = self._join(archive, succeeded) if archive.readable else None
        if output is None:
            running = self._of(vault, archive, JobState.RUNNING)
            if running:
                ready = [time for known in running if (time := _ready(known.job)) is not None]
                return Standing(State.RUNNING, ready=min(ready, default=None))
            return Standing(State.COLD)
        ids = {source.job_id for source in output.sources}
        asked = [known for known in succeeded if known.job.id in ids]
        if any(known.retained for known in asked):
            return Standing(State.RETAINED)
        until = min((job.job.expires for job in asked if job.job.expires), default=None)
        if until is not None and until - now < _EXPIRING:
            return Standing(State.EXPIRING, until)
        return Standing(State.READABLE, until)

    def joins(self, jobs: Sequence[Job]) -> bool:
        """Tell whether jobs, all for one archive, bring all of it together, as they tell it."""
        size = next((job.archive_size for job in jobs if job.archive_size), None)
        return size is not None and bool(joined_output(jobs, size, None, self._service.origin))

    def _of(self, vault: str, archive: Archive, state: JobState) -> list[KnownJob]:
        jobs = self._account.jobs_of_archive(vault, archive.id)
        return [known for known in jobs if known.job.state is state]

    def _join(self, archive: Archive, jobs: list[KnownJob]) -> Output | None:
        size = archive.size
        if size is None:
            size = next((known.job.archive_size for known in jobs), None)
        if size is None:
            return None
        origin, told = self._service.origin, _digest(archive.tree_hash)
        return joined_output([known.job for known in jobs], size, told, origin)


def _ready(job: Job) -> datetime | None:
    if job.created is None:
        return None
    return job.created + _LONGEST.get(json.loads(job.raw).get("Tier"), _LONGEST_ELSE)


def _digest(text: str | None) -> bytes | None:
    try:
        return bytes.fromhex(text) if text else None
    except ValueError:
        # Whatever it is, it is no hash: the jobs' own is what counts then.
        return None
