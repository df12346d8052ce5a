"""Brings the ledger up to date with a complete list of jobs."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

from casfs.ledger.request import Request, RequestState
from casfs.model import OUTPUT_LIFETIME, Job
from casfs.restore.clock import Moment, elapsed
from casfs.restore.ledger import Ledger
from casfs.restore.listed_jobs import ListedJobs
from casfs.restore.settling import Settled, Settling

_AT_ONCE = 500
_ASKED = 100
"""Jobs that a list lacks, and that are older than an output lives, which are asked for one by one.
If all of them are gone, so are the others: a hundred thousand calls would take hours."""


@dataclass
class Reconciled:
    """What became of the open requests of a vault.

    Attributes:
        open: those whose jobs the list lacks, as they are now.
        lost: those that failed or expired, and why.
        refused: those that were not accepted, as far as is known now.
        late: those that can be read, but expire before they can be fetched; recorded as readable.
    """

    open: list[Request] = field(default_factory=list)
    lost: list[tuple[Request, Settled]] = field(default_factory=list)
    refused: list[Request] = field(default_factory=list)
    late: list[Request] = field(default_factory=list)


def reconcile(
    ledger: Ledger,
    settling: Settling,
    begun: Moment,
    describe: Callable[[str], Job | None],
) -> Reconciled:
    """Settle all open requests of a vault, and record what became of them.

    Args:
        ledger: has them.
        settling: says what became of them.
        begun: when the list of jobs was begun.
        describe: id -> the job as the service has it now, None if it is gone.

    Raises:
        LedgerError: the ledger fails.
        CasfsError: the service does not say what became of a job.
    """
    found = Reconciled()
    notes: list[tuple[Request, RequestState, str | None, str | None]] = []
    for request, settled in _settled(ledger, settling, begun, describe):
        if (settled.state, settled.job) != (request.state, request.job):
            notes.append((request, settled.state, settled.job, settled.reason))
        if settled.state in (RequestState.FAILED, RequestState.EXPIRED):
            found.lost.append((request, settled))
        elif settled.state is RequestState.REFUSED:
            found.refused.append(request)
        elif settled.late:
            found.late.append(_with(request, settled))
        elif settled.job is None or settled.job not in settling.jobs:
            found.open.append(_with(request, settled))
        if len(notes) >= _AT_ONCE:
            ledger.note_settled(notes)
            notes = []
    if notes:
        ledger.note_settled(notes)
    return found


def _settled(
    ledger: Ledger, settling: Settling, begun: Moment, describe: Callable[[str], Job | None]
) -> Iterator[tuple[Request, Settled]]:
    unlisted = _Unlisted(describe)
    for request in ledger.open_requests():
        sending = request.state is RequestState.INTENDED and ledger.is_alive(request.owner)
        if request.state is RequestState.INTENDED and not sending:
            # Who is gone now may have sent it again since the row was read.
            request = ledger.request(request.number)
            if request.state.is_final:
                continue
        age = elapsed(request, begun)
        settled = settling.settle(request, age, sending)
        if settled.gone:
            job = unlisted.find(settled.job or "", age >= OUTPUT_LIFETIME)
            if job is None:
                settled = Settled(RequestState.EXPIRED, settled.job, "its job is gone")
            else:
                alone = replace(settling, jobs=ListedJobs([job]))
                settled = alone.settle(request, age, sending)
        yield request, settled


class _Unlisted:
    """Asks for jobs that a list lacks, as long as it is not clear that those are gone.

    Args:
        describe: asks for one.
    """

    def __init__(self, describe: Callable[[str], Job | None]) -> None:
        self._describe = describe
        self._gone = 0
        self._is_list_wrong = False

    def find(self, job_id: str, is_old: bool) -> Job | None:
        """Return a job, None if it is gone.

        Args:
            job_id: the job.
            is_old: its output has expired, unless it ended late.
        """
        if is_old and self._gone >= _ASKED and not self._is_list_wrong:
            return None
        job = self._describe(job_id)
        if job is not None:
            self._is_list_wrong = True
        elif is_old:
            self._gone += 1
        return job


def _with(request: Request, settled: Settled) -> Request:
    return replace(request, state=settled.state, job=settled.job)


def failure_text(request: Request, reason: str) -> str:
    """Return what is to be said of a job that failed."""
    what = request.kind if request.kind == "inventory" else f"{request.kind} {request.archive}"
    return f"job {request.job} for {what} failed: {reason}"
