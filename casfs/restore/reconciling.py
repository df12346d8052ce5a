"""Brings the ledger up to date with a complete list of jobs."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

from casfs.ledger.request import Request, RequestState
from casfs.model import Job
from casfs.restore.clock import Moment, elapsed
from casfs.restore.jobs import ListedJobs
from casfs.restore.ledger import Ledger
from casfs.restore.settling import Settled, Settling

_AT_ONCE = 500


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
        elif settled.job is None or settled.job not in settling.jobs.by_id:
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
    for request in ledger.open_requests():
        sending = request.state is RequestState.INTENDED and ledger.is_alive(request.owner)
        if request.state is RequestState.INTENDED and not sending:
            # Who is gone now may have sent it again since the row was read.
            request = ledger.request(request.number)
            if request.state.is_final:
                continue
        settled = settling.settle(request, elapsed(request, begun), sending)
        if settled.gone:
            job = describe(settled.job or "")
            if job is None:
                settled = Settled(RequestState.EXPIRED, settled.job, "its job is gone")
            else:
                alone = replace(settling, jobs=ListedJobs([job]))
                settled = alone.settle(request, elapsed(request, begun), sending)
        yield request, settled


def _with(request: Request, settled: Settled) -> Request:
    return replace(request, state=settled.state, job=settled.job)


def failure_text(request: Request, reason: str) -> str:
    """Return what is to be said of a job that failed."""
    what = request.kind if request.kind == "inventory" else f"{request.kind} {request.archive}"
    return f"job {request.job} for {what} failed: {reason}"
