"""Tells what came of requests: each at once, and all of them at the end."""

from casfs.cli.messages import Messages
from casfs.ledger.request import Request, last_byte
from casfs.restore.job_sending import Counts, Sent
from casfs.restore.plan import Group
from casfs.restore.preparing import Prepared
from casfs.restore.reconciling import failure_text
from casfs.restore.running import Outcome
from casfs.restore.verdict import Status, Verdict

_NAMED = 100_000
"""Archives whose names are kept for the time when their jobs end."""


def tell_failed(failed: list[tuple[Request, str]], messages: Messages) -> None:
    """Name jobs that turned out to have failed, each with the service's reason."""
    for request, reason in failed:
        text = failure_text(request, reason)
        messages.warn(text, archive=request.archive, job=request.job, state="failed")


def sent_facts(sent: Sent) -> dict[str, object]:
    """Return what came of a request, for programs."""
    item = sent.item
    return {
        "state": sent.state,
        "archive": item.archive,
        "path": item.name or None,
        "first": item.first,
        "last": last_byte(item.first, item.last, item.size),
        "size": item.size,
        "job": sent.job,
        "reason": sent.reason,
    }


class RequestReport:
    """What a command that requests archives has to tell.

    Args:
        prepared: its plan.
        messages: gets it.

    Attributes:
        jobs: ids of those that bring what is wanted, and are not done yet as far as is known.
        paths: of archives that were requested, by their ids; of so many at most as are named.
    """

    def __init__(self, prepared: Prepared, messages: Messages) -> None:
        self._prepared = prepared
        self._messages = messages
        self._counts = Counts()
        self._uncertain = 0
        self._left = 0
        self._failures = 0
        self._known: set[str] = set()
        self._is_told = False
        self.jobs = set(prepared.adopted)
        self.paths: dict[str, str] = {}

    def tell(self, sent: Sent) -> None:
        """Tell what came of a request."""
        item = sent.item
        if sent.job is not None:
            self.jobs.add(sent.job)
        if item.name and len(self.paths) < _NAMED:
            self.paths[item.archive] = item.name
        self._messages.facts("request", **sent_facts(sent))
        if sent.state == "refused":
            self._messages.warn(f"{item.shown}: {sent.reason}", archive=item.archive)

    def note(self, outcome: Outcome) -> set[str]:
        """Take how far the run is; return the ids of the jobs that are new since the last call."""
        tell_failed(outcome.lost[self._failures :], self._messages)
        self._failures = len(outcome.lost)
        self._counts = outcome.counts
        self._uncertain, self._left = outcome.uncertain, outcome.left
        self.jobs |= outcome.jobs
        new = self.jobs - self._known
        self._known |= new
        return new

    def break_off(self, counts: Counts, planned: int) -> None:
        """Take what was sent before a signal or an error ended the run.

        Args:
            counts: what came of the items so far.
            planned: how many were to be sent.
        """
        if self._is_told:
            return
        sent = counts.started + counts.elsewhere + counts.uncertain + len(counts.failed)
        self._counts, self._uncertain = counts, counts.uncertain
        self._left = max(0, planned - sent)
        self.tell_started()

    def tell_started(self) -> None:
        """Tell a person how many jobs there are now."""
        self._is_told = True
        started, elsewhere = self._counts.started, self._counts.elsewhere
        text = f"started {'1 job' if started == 1 else f'{started:,} jobs'}"
        if elsewhere:
            text += f"; another casfs requested {elsewhere:,}"
        self._messages.text(text)

    def tell_waves(self) -> None:
        """Tell a person what is still to be sent while the jobs are waited for."""
        if self._left:
            self._messages.text(f"{self._left:,} more are requested once these can be fetched")
        if self._uncertain:
            what = "1 is" if self._uncertain == 1 else f"{self._uncertain:,} are"
            self._messages.text(f"{what} uncertain; what was not accepted is requested again")

    def finish(self, verdict: Verdict, **more: object) -> None:
        """Tell the result.

        Args:
            verdict: how the command ends; `DONE` where a signal or an error ends it, which
                whoever catches that tells.
            more: counts for programs.
        """
        groups, counts = self._prepared.plan.groups, self._counts
        self._messages.facts(
            "summary",
            total_files=self._prepared.plan.all.archives,
            readable=groups[Group.READABLE].archives,
            cached=groups[Group.CACHED].archives,
            running=groups[Group.RUNNING].archives,
            started=counts.started,
            elsewhere=counts.elsewhere,
            uncertain=self._uncertain,
            files_failed=len(counts.failed),
            left=self._left,
            bytes_started=counts.bytes,
            **more,
        )
        if verdict.status is not Status.DONE:
            self._messages.facts("exit_error", code=int(verdict.status), message=verdict.reason)
            self._messages.complain(verdict.reason)
