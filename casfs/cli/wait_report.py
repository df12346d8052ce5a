"""Tells what lists of jobs bring: as text, or as lines of JSON."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from casfs.cli import exit_status
from casfs.cli.event_command import EventCommand
from casfs.cli.json_lines import JsonLines, line
from casfs.cli.show import local_text, say
from casfs.model import JobState

if TYPE_CHECKING:
    from casfs.restore.job_waiting import Progress
    from casfs.restore.sweeps import ListedJob


@dataclass
class WaitReport:
    """What became of the jobs that are waited for.

    Attributes:
        lines: prints JSON, if that is wanted.
        events: the command to run for each job that ends.
        paths: of archives, by their ids.
    """

    lines: JsonLines
    events: EventCommand | None = None
    paths: dict[str, str] = field(default_factory=dict)
    readable: int = 0
    failed: int = 0
    running: int = 0
    soonest_expiry: datetime | None = None

    def warn(self, text: str) -> None:
        """Tell something that does not end the waiting."""
        self.lines.show("warning", message=text)
        say(f"casfs: {text}", err=True)

    def show(self, progress: "Progress") -> None:
        """Tell what a list brought."""
        if progress.failure is not None:
            self.warn(f"the jobs could not be listed; trying again: {progress.failure}")
        if progress.failure is None:
            self.running = len(progress.running)
        for job in progress.ended:
            self._tell_end(job)
        self._tell_rest(progress)

    def status(self, any_: bool = False) -> int:
        """Return the exit status that follows from what was seen.

        Args:
            any_: whether one job that has ended is enough.
        """
        if self.running and not (any_ and self.readable + self.failed):
            return exit_status.UNFINISHED
        return exit_status.FAILED if self.failed else exit_status.DONE

    def counts(self) -> dict[str, int]:
        """Return the numbers of jobs by what became of them."""
        return {
            "jobs_readable": self.readable,
            "jobs_failed": self.failed,
            "jobs_running": self.running,
        }

    def finish(self, status: int) -> None:
        """Tell the result, with the exit status."""
        self.lines.show("summary", **self.counts(), exit_status=status)
        if self.lines.wanted:
            return
        if not self.readable + self.failed + self.running:
            say(f"no job of vault {self.lines.vault} is running")
        elif self.running:
            say(f"{self.running} still running", err=True)

    def _tell_end(self, job: "ListedJob") -> None:
        failed = job.state is JobState.FAILED
        self.failed += failed
        self.readable += not failed
        if job.expires is not None:
            known = self.soonest_expiry
            self.soonest_expiry = min(known or job.expires, job.expires)
        path = self.paths.get(job.archive_id or "")
        message = self.lines.show(
            "archive",
            job=job.id,
            kind=job.kind,
            archive=job.archive_id,
            path=path,
            tier=job.tier.value if job.tier else None,
            state="failed" if failed else "readable",
            reason=job.message or None,
            expires=job.expires,
        )
        if not self.lines.wanted:
            name = f"{path} (job {job.id})" if path else f"job {job.id}"
            if failed:
                say(f"{name} failed: {job.message or 'the service does not say why'}")
            else:
                until = f" until {local_text(job.expires)}" if job.expires else ""
                say(f"{name} can be read{until}")
        if self.events is not None:
            self.events.run(line(message))

    def _tell_rest(self, progress: "Progress") -> None:
        if progress.pause is None:
            return
        eta = max((job.ready for job in progress.running if job.ready), default=None)
        self.lines.show(
            "status",
            phase="waiting",
            **self.counts(),
            soonest_expiry=self.soonest_expiry,
            eta=eta,
            pause_seconds=round(progress.pause, 1),
        )
        if not self.lines.wanted and self.running:
            until = f", usually done by {local_text(eta)}" if eta else ""
            again = f"next list in {_span(progress.pause)}"
            say(f"{self.running} running{until}; {again}", err=True)


def _span(seconds: float) -> str:
    minutes = round(seconds / 60)
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60:02d} min"
