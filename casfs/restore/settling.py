"""What became of requests, by a complete list of jobs: pure, no I/O.

A request whose answer never came is not sent again before a list, begun long enough after it was
sent, shows no job for it. Lists may show a new job late.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from casfs.job_requests import latest
from casfs.ledger.request import Request, RequestState
from casfs.model import OUTPUT_LIFETIME, JobState
from casfs.restore.listed_jobs import Fetching, JobFacts, ListedJobs

_CLOCKS = timedelta(minutes=5)
"""How far this machine's clock and the service's may differ."""

_LATE = timedelta(days=1)
"""How much later than usual a job may end, or its output expire."""


class Settled(NamedTuple):
    """What is known of a request now.

    Attributes:
        job: the id of its job, None if unknown.
        reason: why it failed, expired, or was refused.
        gone: the list lacks its job: only the service itself can say what became of it.
        late: it can be read, but not for long enough to be fetched at the rate that is expected,
            which is no fact about the request: another rate may do.
    """

    state: RequestState
    job: str | None = None
    reason: str | None = None
    gone: bool = False
    late: bool = False


@dataclass(frozen=True, slots=True)
class Settling:
    """Settles requests.

    Attributes:
        jobs: a complete list.
        fetching: how fast outputs can be fetched.
        patience: time after which a request that no list shows was not accepted.
        sending: time that sending one takes at most.
    """

    jobs: ListedJobs
    fetching: Fetching
    patience: timedelta
    sending: timedelta

    def settle(self, request: Request, elapsed: timedelta, sending: bool) -> Settled:
        """Return what became of an open request.

        Args:
            request: as the ledger has it.
            elapsed: time from when it was committed to when the list was begun, at least.
            sending: the process that committed it is running, and may be about to send it.
        """
        if request.job is not None:
            return self._of_job(request, self.jobs.get(request.job), elapsed)
        job = self.jobs.of_request(request) or self._made_since(request)
        if job is not None:
            return self._of_job(request, job, elapsed)
        if request.state is RequestState.INTENDED and sending:
            return Settled(RequestState.INTENDED)
        intended = request.state is RequestState.INTENDED
        # Its process ended, and may have sent it late.
        if elapsed < self.patience + (self.sending if intended else timedelta(0)):
            return Settled(RequestState.UNCERTAIN, None, request.reason)
        if elapsed >= OUTPUT_LIFETIME:
            return Settled(RequestState.EXPIRED, None, "it was never answered, and is a day old")
        return Settled(RequestState.REFUSED, None, "not accepted: no list of jobs shows it")

    def _of_job(self, request: Request, job: JobFacts | None, elapsed: timedelta) -> Settled:
        if job is None:
            if elapsed >= latest(request.tier) + OUTPUT_LIFETIME + _LATE:
                return Settled(RequestState.EXPIRED, request.job, "its output has expired")
            # Only new jobs are listed late.
            gone = request.state is RequestState.READABLE or elapsed >= self.patience
            return Settled(request.state, request.job, None, gone=gone)
        if job.state is JobState.RUNNING:
            return Settled(RequestState.STARTED, job.id)
        if job.state is JobState.FAILED:
            return Settled(RequestState.FAILED, job.id, job.reason)
        if job.expires is not None and job.expires <= self.fetching.now:
            return Settled(RequestState.EXPIRED, job.id, "its output has expired")
        late = not self.fetching.suffices(job.expires, request.size)
        return Settled(RequestState.READABLE, job.id, late=late)

    def _made_since(self, request: Request) -> JobFacts | None:
        """Return a job that may be the one of a request whose token the service did not keep."""
        if request.kind != "archive":
            return None
        job = self.jobs.adoptable(
            request.archive, request.first, request.last, request.size, self.fetching
        )
        if job is None or job.state is JobState.RUNNING:
            return job
        return job if _since(job.created, request.intended) else None


def _since(created: datetime | None, intended: datetime) -> bool:
    return created is not None and created >= intended - _CLOCKS
