"""Which inventory is wanted, and what the jobs of a vault bring of it: pure, no I/O."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from casfs.ledger.request import Request
from casfs.model import Job, JobState
from casfs.restore.listed_jobs import facts_of
from casfs.restore.prices import INVENTORY

_FORMATS = ("JSON", "CSV")


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
        """Return whether a job that somebody else started brings it, from its beginning.

        What goes on behind a marker, or has a limit, is a part; and a format that is unknown cannot
        be cataloged.
        """
        told = parameters(job)
        if told.get("Marker") and job.state is JobState.RUNNING:
            return False
        if str(told.get("Limit") or 0) != "0":
            return False
        if str(told.get("Format") or "JSON").upper() not in _FORMATS:
            return False
        dates = (_parsed(told.get("StartDate")), _parsed(told.get("EndDate")))
        return dates == (self.since, self.until)


def begins(job: Job, others: Iterable[Job]) -> bool:
    """Return whether a running job lists archives from the first one on, as far as can be told.

    No service shows the marker at which a job begins (Tencent CAS and Amazon Glacier show that of
    the next one alone), so where an earlier inventory has a next one, this may be it.
    """
    return not any(
        continuation(other) is not None and created(other) <= created(job) for other in others
    )


def continuation(job: Job) -> str | None:
    """Return the marker at which a finished inventory goes on, None if it is the last one."""
    marker = parameters(job).get("Marker")
    return str(marker) if marker and job.state is JobState.SUCCEEDED else None


def why(job: Job | None) -> str:
    """Return what became of a job that brings nothing."""
    return "is gone" if job is None else f"failed: {facts_of(job).reason}"


@dataclass(frozen=True, slots=True, kw_only=True)
class InventoryStanding:
    """How far an inventory is.

    Attributes:
        job: the one that is running, or was the last one.
        marker: at which the next one begins.
        starts: whether one is to be requested.
        lost: the request that failed or expired, which would be sent again.
        failure: why a job failed that somebody else started.
    """

    job: Job | None = None
    marker: str | None = None
    starts: bool = False
    lost: Request | None = None
    failure: str | None = None

    def problem(self, again: int | None) -> str | None:
        """Return why it cannot go on, None if it can.

        Args:
            again: number of the request that may be sent again.
        """
        if self.lost is not None and self.lost.number != again:
            return lost_text(self.lost)
        return self.failure


def lost_text(lost: Request) -> str:
    """Return what is to be said of a request that failed or expired."""
    what = f"inventory job {lost.job}" if lost.job else "a request for an inventory"
    return f"{what} {lost.state.value}: {lost.reason}; --rerequest yes requests it again"


def parameters(job: Job) -> dict[str, object]:
    """Return the parameters of an inventory job, and the marker at which it stopped."""
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


def created(job: Job) -> float:
    """Return when a job was created, in seconds since 1970."""
    return job.created.timestamp() if job.created else 0.0


def _iso(date: datetime | None) -> str | None:
    return date.strftime("%Y-%m-%dT%H:%M:%SZ") if date else None
