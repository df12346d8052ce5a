"""`casfs fetch`: brings outputs into the cache, whole."""

import sys
from typing import TYPE_CHECKING, Any

import click

from casfs.cli.completion import complete_path, complete_vault
from casfs.cli.durations import DurationType
from casfs.cli.options import (
    IdentifierCommand,
    account_options,
    dry_run_option,
    event_options,
    open_client,
    order_option,
    transfer_options,
)

if TYPE_CHECKING:
    from casfs.restore.fetch_plan import FetchOptions


@click.command("fetch", cls=IdentifierCommand)
@click.argument("vault", shell_complete=complete_vault)
@click.argument("wanted", metavar="[JOB|PATTERN]...", nargs=-1, shell_complete=complete_path)
@click.option("--all", "everything", is_flag=True, help="Everything that can be read now.")
@click.option(
    "--expiring-within",
    type=DurationType(),
    metavar="DURATION",
    help="Only what expires within this time, such as 6h; without a JOB or PATTERN, all of it.",
)
@order_option(
    ("expiry", "size", "name"),
    "What is fetched first: the soonest expiry, the smallest, or the first name.",
)
@click.option(
    "--partial", is_flag=True, help="If the cache has no room for everything, fetch what fits."
)
@event_options("when outputs turn out to be at risk of expiring before they are fetched")
@dry_run_option("fetch nothing")
@transfer_options
@account_options
def fetch_command(
    vault: str, profile: str | None, as_json: bool, stats: float | None, **given: Any
) -> None:
    """Fetch whole outputs into the cache, the soonest expiry first.

    JOB is the id of a job. PATTERN is a path in the catalog, an archive's id, or a pattern such as
    '*.tif'. What is already in the cache is not fetched, so an interrupted command continues where
    it stopped. Starts no job, and evicts nothing from the cache.

    Exits with 0 if all is in the cache, 1 if something could not be fetched, 3 if bytes are wrong,
    4 if the cache has no room, 75 if jobs that were asked for are still running.
    """
    # Imported here: `--help` must not wait for it.
    from casfs.cli.event_command import BackgroundEvents
    from casfs.cli.fetch_report import FetchReport
    from casfs.cli.interruption import reported
    from casfs.cli.messages import Messages

    own = {name: given.pop(name) for name in _OWN}
    options = _options(vault, own)
    messages = Messages(as_json, vault)
    command, timeout = own["on_event"], own["event_timeout"]
    with (
        reported(messages, "interrupted; what was fetched is cached: run the same command again"),
        open_client(profile, given) as client,
        BackgroundEvents(command, messages.warn, timeout) as events,
    ):
        status = FetchReport(client, messages, events).fetch(options, bool(own["dry_run"]), stats)
    sys.exit(status)


_OWN = (
    *("wanted", "everything", "expiring_within", "order", "partial", "dry_run", "on_event"),
    "event_timeout",
)


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
