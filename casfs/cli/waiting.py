"""`casfs wait`."""

import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from casfs.cli import exit_status
from casfs.cli.completion import complete_job, complete_vault
from casfs.cli.durations import DurationType
from casfs.cli.json_lines import JsonLines, line
from casfs.cli.options import (
    IdentifierCommand,
    json_option,
    open_client,
    profile_option,
    service_options,
)
from casfs.cli.show import local_text, say
from casfs.errors import CasfsError, ConfigError
from casfs.model import JobState

if TYPE_CHECKING:
    from casfs.client import Client
    from casfs.restore.sweeps import ListedJob
    from casfs.restore.waiting import Progress


@click.command("wait", cls=IdentifierCommand)
@click.argument("vault", shell_complete=complete_vault)
@click.argument("wanted", metavar="[JOB|PATTERN]...", nargs=-1, shell_complete=complete_job)
@click.option("--any", "any_", is_flag=True, help="Until one of them has ended.")
@click.option(
    "--timeout",
    type=DurationType(),
    help="Until then at most, such as 6h; exit with 75 if jobs are still running.",
)
@click.option(
    "--on-event",
    metavar="CMD",
    help="Run CMD by sh -c for each job that ends, with the JSON line on its standard input.",
)
@click.option(
    "--interval",
    type=DurationType(),
    help="Time between two lists of jobs, instead of what suits their tiers: first when one may be "
    "done, then every 5 min; every second from an emulator on this machine.",
)
@profile_option
@json_option
@service_options
def wait_command(  # noqa: PLR0913 (its options)
    vault: str,
    wanted: tuple[str, ...],
    any_: bool,
    timeout: float | None,
    on_event: str | None,
    interval: float | None,
    profile: str | None,
    as_json: bool,
    **flags: Any,
) -> None:
    """Wait until jobs of a vault have ended: those named, or all that are running.

    JOB is the id of a job; PATTERN, such as '*.tif', finds cataloged archives, and stands for their
    jobs. Starts no job. Lists the jobs seldom, once for all, and for all that wait on this machine.

    Exits with 0 if they can be read, 1 if some failed, 75 if some are still running.
    """
    # Imported here: no command needs it for its `--help`.
    from casfs.restore.wait_run import WaitRun
    from casfs.restore.waiting import WaitLimits

    lines = JsonLines(as_json, vault)
    report = _Report(lines, on_event)
    try:
        with open_client(profile, flags) as client:
            run = WaitRun(client, vault)
            limits = WaitLimits(timeout, any_, run.interval if interval is None else interval)
            selected = run.select(wanted)
            for text in selected.without_job:
                report.warn(f"{text}: there is no job; start one with casfs request {vault}")
            report.paths = selected.paths
            for progress in run.wait(selected, limits):
                report.show(progress)
    except KeyboardInterrupt:
        sys.exit(exit_status.INTERRUPTED)
    except CasfsError as error:
        misused = isinstance(error, ConfigError)
        code = exit_status.USAGE if misused else exit_status.FAILED
        lines.show("exit_error", code=code, message=str(error))
        raise
    sys.exit(report.finish(any_))


def wait_for(client: "Client", vault: str, jobs: Iterable[str], lines: JsonLines) -> int:
    """Wait until jobs have ended, and tell what became of them; return the exit status.

    Raises:
        CasfsError: the service refuses us.
    """
    from casfs.restore.wait_run import WaitRun
    from casfs.restore.waiting import WaitLimits

    report = _Report(lines, None)
    run = WaitRun(client, vault)
    for progress in run.wait(run.select_jobs(jobs), WaitLimits(interval=run.interval)):
        report.show(progress)
    return report.finish(any_=False)


@dataclass
class _Report:
    """Tells what lists bring: as text, or as lines of JSON.

    Attributes:
        lines: prints JSON, if that is wanted.
        on_event: the command to run for each job that ends.
        paths: of archives, by their ids.
    """

    lines: JsonLines
    on_event: str | None
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
            self.warn(f"the jobs could not be listed, and are listed again: {progress.failure}")
        for job in progress.ended:
            self._tell_end(job)
        if progress.failure is None:
            self.running = len(progress.running)
        self._tell_rest(progress)

    def finish(self, any_: bool) -> int:
        """Tell the result, and return the exit status."""
        status = exit_status.DONE
        if self.failed:
            status = exit_status.FAILED
        if self.running and not (any_ and self.readable + self.failed):
            status = exit_status.UNFINISHED
        self.lines.show("summary", **self._counts(), exit_status=status)
        if not self.lines.wanted:
            if not self.readable + self.failed + self.running:
                say(f"no job of vault {self.lines.vault} is running")
            elif self.running:
                say(f"{self.running} still running", err=True)
        return status

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
        if self.on_event:
            self._run(self.on_event, line(message))

    def _tell_rest(self, progress: "Progress") -> None:
        from casfs.restore.waiting import latest

        if progress.pause is None:
            return
        eta = max(filter(None, map(latest, progress.running)), default=None)
        self.lines.show(
            "status",
            phase="waiting",
            **self._counts(),
            soonest_expiry=self.soonest_expiry,
            eta=eta,
            pause_seconds=round(progress.pause, 1),
        )
        if not self.lines.wanted and self.running:
            until = f", usually done by {local_text(eta)}" if eta else ""
            again = f"asking again in {_span(progress.pause)}"
            say(f"{self.running} running{until}; {again}", err=True)

    def _counts(self) -> dict[str, int]:
        return {
            "jobs_readable": self.readable,
            "jobs_failed": self.failed,
            "jobs_running": self.running,
        }

    def _run(self, command: str, text: str) -> None:
        """Run the user's command; its own output must not mix with ours on standard output."""
        try:
            done = subprocess.run(
                ["/bin/sh", "-c", command],
                input=f"{text}\n".encode(),
                stdout=sys.stderr.fileno(),
                check=False,
            )
        except OSError as error:
            self.warn(f"--on-event cannot be run: {error}")
            return
        if done.returncode:
            self.warn(f"the command of --on-event exited with {done.returncode}")


def _span(seconds: float) -> str:
    minutes = round(seconds / 60)
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60:02d} min"
