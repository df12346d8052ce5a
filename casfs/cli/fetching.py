"""`casfs fetch`: brings outputs into the cache, whole."""

import sys
from typing import TYPE_CHECKING, Any

import click

from casfs.cli import exit_status
from casfs.cli.completion import complete_path, complete_vault
from casfs.cli.durations import DurationType
from casfs.cli.options import (
    IdentifierCommand,
    bwlimit_option,
    json_option,
    open_client,
    profile_option,
    service_options,
)
from casfs.cli.progress import stats_option
from casfs.errors import CasfsError, ConfigError

if TYPE_CHECKING:
    from casfs.restore.fetch_plan import FetchOptions


@click.command("fetch", cls=IdentifierCommand)
@click.argument("vault", shell_complete=complete_vault)
@click.argument("wanted", metavar="[JOB|PATTERN]...", nargs=-1, shell_complete=complete_path)
@click.option("--all", "everything", is_flag=True, help="All that can be read now.")
@click.option(
    "--expiring-within",
    type=DurationType(),
    metavar="DURATION",
    help="Only what expires within this time, such as 6h; without a JOB or PATTERN, all of it.",
)
@click.option(
    "--order",
    type=click.Choice(["expiry", "size", "name"]),
    default="expiry",
    show_default=True,
    help="What is fetched first: the soonest expiry, the smallest, or the first name.",
)
@click.option(
    "--partial", is_flag=True, help="Fetch what the cache has room for, if that is not all."
)
@click.option(
    "--on-event",
    metavar="CMD",
    help="Run CMD by sh -c when outputs turn out to be at risk, with the JSON line on its standard "
    "input.",
)
@click.option("-n", "--dry-run", is_flag=True, help="Show the plan, and fetch nothing.")
@bwlimit_option
@stats_option
@profile_option
@json_option
@service_options
def fetch_command(
    vault: str, profile: str | None, as_json: bool, stats: float | None, **given: Any
) -> None:
    """Fetch outputs whole into the cache, the soonest expiry first.

    JOB is the id of a job. PATTERN is a path of the catalog, an archive's id, or a pattern such as
    '*.tif'. What is in the cache already is not fetched, so an interrupted command continues where
    it was. Starts no job, and evicts nothing from the cache.

    Exits with 0 if all is in the cache, 1 if something could not be fetched, 3 if bytes are wrong,
    4 if the cache has no room, 75 if jobs that were asked for are still running.
    """
    # Imported here: `--help` must not wait for it.
    from casfs.cli.event_command import EventCommand
    from casfs.cli.fetch_report import FetchReport
    from casfs.cli.interruption import interruptible
    from casfs.cli.messages import Messages

    own = {name: given.pop(name) for name in _OWN}
    options = _options(vault, own)
    messages = Messages(as_json, vault)
    status = exit_status.FAILED
    with interruptible() as caught:
        try:
            with open_client(profile, given) as client:
                event = EventCommand(own["on_event"], messages.warn) if own["on_event"] else None
                report = FetchReport(client, messages, event)
                status = report.fetch(options, bool(own["dry_run"]), stats)
        except CasfsError as error:
            misused = isinstance(error, ConfigError)
            code = exit_status.USAGE if misused else exit_status.FAILED
            messages.facts("exit_error", code=code, message=str(error))
            raise
        except KeyboardInterrupt:
            status = caught.status
            message = "interrupted; what came is in the cache: run the same command again"
            messages.facts("exit_error", code=status, message=message)
            messages.complain(message)
    sys.exit(status)


_OWN = ("wanted", "everything", "expiring_within", "order", "partial", "dry_run", "on_event")


def _options(vault: str, own: dict[str, Any]) -> "FetchOptions":
    from casfs.restore.fetch_plan import FetchOptions

    if own["wanted"] and own["everything"]:
        raise click.UsageError("give JOBs or PATTERNs, or --all, not both")
    if not (own["wanted"] or own["everything"] or own["expiring_within"] is not None):
        raise click.UsageError("give JOBs or PATTERNs, --all, or --expiring-within DURATION")
    return FetchOptions(
        vault=vault,
        wanted=own["wanted"],
        everything=own["everything"],
        expiring_within=own["expiring_within"],
        order=own["order"],
        partial=own["partial"],
    )
