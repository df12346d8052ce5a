"""`casfs verify`: the cache against the catalog, or restored files against their manifest."""

import sys
from typing import Any

import click

from casfs.cli.completion import complete_path, complete_vault
from casfs.cli.options import (
    IdentifierCommand,
    account_options,
    open_client,
    stats_option,
    verbose_option,
)


@click.command("verify", cls=IdentifierCommand)
@click.argument("vault", required=False, shell_complete=complete_vault)
@click.argument("patterns", metavar="[JOB|PATTERN]...", nargs=-1, shell_complete=complete_path)
@click.option(
    "--restored",
    metavar="DEST",
    help="Check the files in this directory against the manifest of casfs restore; needs no "
    "account.",
)
@verbose_option("Print a line for each file.")
@stats_option
@account_options
def verify_command(  # noqa: PLR0913 (its options)
    vault: str | None,
    patterns: tuple[str, ...],
    restored: str | None,
    verbose: bool,
    stats: float | None,
    profile: str | None,
    as_json: bool,
    **flags: Any,
) -> None:
    """Check the cache against the catalog, or restored files against their manifest.

    For a vault, hashes every cached block, and compares every completely cached output with the
    tree hash in the catalog. Does not ask the service. Wrong blocks are removed.

    Exits with 0 if all is right, 3 if bytes are wrong, 1 if something could not be read, or if
    restored files have been written to since, as their times show.
    """
    # Imported here: `--help` must not wait for it.
    from casfs.cli.interruption import reported
    from casfs.cli.messages import Messages

    if (vault is None) == (restored is None):
        raise click.UsageError("give a VAULT, or --restored DEST")
    messages = Messages(as_json, vault or "")
    with reported(messages, "interrupted; not everything was checked"):
        if restored is not None:
            from casfs.cli.restored_check import verify_restored

            options = {"verbose": verbose, "stats": stats, "as_json": as_json}
            status = verify_restored(restored, options)
        else:
            from casfs.cli.verify_report import verify_cache

            with open_client(profile, flags) as client:
                status = verify_cache(client, patterns, verbose, stats, messages)
    sys.exit(status)
