"""`casfs wait`."""

import shlex
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import click

from casfs.cli import exit_status
from casfs.cli.completion import complete_job, complete_vault
from casfs.cli.durations import DurationType
from casfs.cli.event_command import EventCommand
from casfs.cli.interruption import interruptible
from casfs.cli.json_lines import JsonLines
from casfs.cli.options import (
    IdentifierCommand,
    account_options,
    event_options,
    open_client,
)
from casfs.cli.show import say
from casfs.cli.wait_report import WaitReport
from casfs.errors import CasfsError, ConfigError

if TYPE_CHECKING:
    from casfs.client import Client
    from casfs.restore.job_waiting import Supply

_INTERRUPTED = "interrupted; jobs that were started continue: run the same command again"


@click.command("wait", cls=IdentifierCommand)
@click.argument("vault", shell_complete=complete_vault)
@click.argument("wanted", metavar="[JOB|PATTERN]...", nargs=-1, shell_complete=complete_job)
@click.option("--any", "any_", is_flag=True, help="Wait only until one of them has ended.")
@click.option(
    "--timeout",
    type=DurationType(),
    help="Wait at most this long, such as 6h; exit with 75 if jobs are still running.",
)
@event_options("for each job that ends")
@click.option(
    "--interval",
    type=DurationType(),
    help="Time between two lists of jobs. By default, the second is made when a job may be done, "
    "by its tier, and then one every 5 min, or every min for an Expedited job that is younger than "
    "that; with an emulator on this machine, every second.",
)
@account_options
def wait_command(  # noqa: PLR0913 (its options)
    vault: str,
    wanted: tuple[str, ...],
    any_: bool,
    timeout: float | None,
    on_event: str | None,
    event_timeout: float | None,
    interval: float | None,
    profile: str | None,
    as_json: bool,
    **flags: Any,
) -> None:
    """Wait until jobs of a vault have ended: those named, or all that are running.

    JOB is the id of a job. PATTERN, such as '*.tif', selects the jobs of cataloged archives. Starts
    no job. Lists the jobs rarely, and once for all processes on this machine that wait for them.

    Exits with 0 if the jobs can be read, 1 if some failed, 75 if some are still running.
    """
    # Imported here: no command needs it for its `--help`.
    from casfs.restore.job_waiting import WaitLimits
    from casfs.restore.wait_run import WaitRun

    lines = JsonLines(as_json, vault)
    report = WaitReport(lines)
    if on_event is not None:
        report.events = EventCommand(on_event, report.warn, event_timeout)
    with interruptible() as caught:
        try:
            with open_client(profile, flags) as client:
                run = WaitRun(client, vault)
                limits = WaitLimits(timeout, any_, run.interval if interval is None else interval)
                selected = run.select(wanted)
                for text in selected.without_job:
                    request = shlex.join(["casfs", "request", vault, text])
                    report.warn(f"{text}: there is no job; start one with {request}")
                report.paths = selected.paths
                for progress in run.wait(selected, limits):
                    report.show(progress)
            status = report.status(any_)
            report.finish(status)
        except KeyboardInterrupt:
            status = caught.status
            report.finish(status)
            lines.show("exit_error", code=status, message=_INTERRUPTED)
            say(f"casfs: {_INTERRUPTED}", err=True)
        except CasfsError as error:
            misused = isinstance(error, ConfigError)
            code = exit_status.USAGE if misused else exit_status.FAILED
            lines.show("exit_error", code=code, message=str(error))
            raise
    sys.exit(status)


def wait_for(
    client: "Client",
    vault: str,
    jobs: Iterable[str],
    report: WaitReport,
    supply: "Supply | None" = None,
) -> None:
    """Wait until jobs have ended, and tell what became of them.

    Args:
        client: of the account.
        vault: name of the vault.
        jobs: ids of jobs.
        report: tells.
        supply: starts more jobs meanwhile.

    Raises:
        CasfsError: the service refuses us, or nothing more may be started.
    """
    from casfs.restore.job_waiting import WaitLimits
    from casfs.restore.wait_run import WaitRun

    run = WaitRun(client, vault)
    limits = WaitLimits(interval=run.interval)
    for progress in run.wait(run.select_jobs(jobs), limits, supply):
        report.show(progress)
