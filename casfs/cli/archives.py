"""`casfs ls`, `casfs find`, `casfs catalog refresh`."""

import itertools
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from casfs.cli.asking import Asked, asked
from casfs.cli.completion import complete_path, complete_vault
from casfs.cli.gaps import completeness_facts, gap_facts, tell_gaps, tell_nothing
from casfs.cli.json_lines import JsonLines
from casfs.cli.options import IdentifierCommand, account_options, open_client, transfer_options
from casfs.cli.progress import ProgressView, open_progress
from casfs.cli.show import say, show_json, show_json_list
from casfs.cli.standing import Standing
from casfs.cli.tables import long_option
from casfs.errors import InventoryError
from casfs.model import Job

if TYPE_CHECKING:
    from casfs.client import Client, Listed


@click.command("ls", cls=IdentifierCommand)
@click.argument("vault", shell_complete=complete_vault)
@click.argument("path", default="", shell_complete=complete_path)
@click.option(
    "--all",
    "everything",
    is_flag=True,
    help="Also list older versions, and archives without a name.",
)
@long_option
@account_options
def ls_command(
    vault: str,
    path: str,
    everything: bool,
    is_long: bool,
    profile: str | None,
    as_json: bool,
    **flags: Any,
) -> None:
    """List the cataloged archives of a vault, and their states."""
    with open_client(profile, flags) as client:
        answer = asked(client, vault)
        found, is_any = _begun(client.archives.entries(vault, path.strip("/"), everything))
        completeness = client.archives.completeness(vault)
        costs = client.archives.is_requested(vault)
        gaps = gap_facts(vault, completeness)
        _show(found, None if as_json else is_long, costs, gaps, answer)
        if not is_any:
            tell_nothing(vault, completeness, f"there are no archives at {path or 'the top'}")
        tell_gaps(vault, completeness)
    answer.finish()


@click.command("find", cls=IdentifierCommand)
@click.argument("vault", shell_complete=complete_vault)
@click.argument("pattern", shell_complete=complete_path)
@long_option
@account_options
def find_command(
    vault: str, pattern: str, is_long: bool, profile: str | None, as_json: bool, **flags: Any
) -> None:
    """Find cataloged archives by a pattern such as '*.tif'.

    A pattern with a slash is compared with the whole path.
    """
    with open_client(profile, flags) as client:
        answer = asked(client, vault)
        found, is_any = _begun(client.archives.find(vault, pattern))
        completeness = client.archives.completeness(vault)
        costs = client.archives.is_requested(vault)
        gaps = gap_facts(vault, completeness)
        _show(found, None if as_json else is_long, costs, gaps, answer)
        if not is_any:
            tell_nothing(vault, completeness, f"no archive matches {pattern}")
        tell_gaps(vault, completeness)
    answer.finish()


@click.group("catalog")
def catalog_command() -> None:
    """Manage what casfs knows about the archives in vaults."""


@catalog_command.command("refresh", cls=IdentifierCommand)
@click.argument("vaults", metavar="[VAULT]...", nargs=-1, shell_complete=complete_vault)
@transfer_options
@account_options
def refresh_command(
    vaults: tuple[str, ...],
    stats: float | None,
    profile: str | None,
    as_json: bool,
    **flags: Any,
) -> None:
    """Download the inventories of finished jobs, and catalog their archives.

    Always asks the service, even if the catalog was refreshed a moment ago. Starts no job.
    Without a VAULT, all vaults are refreshed. A malformed inventory does not affect the others.
    """
    malformed: list[InventoryError] = []
    facts: list[dict[str, object]] = []
    with open_client(profile, flags) as client:
        for vault in vaults or _all_vaults(client):
            taken = None
            try:
                # Standard output has the list.
                with open_progress(JsonLines(as_json, vault, err=True), stats) as view:
                    taken = client.archives.refresh(vault, partial(_tell, view))
            except InventoryError as error:
                malformed.append(error)
            completeness = client.archives.completeness(vault)
            facts.append({"vault": vault, "inventories": taken, **completeness_facts(completeness)})
            if taken is not None and not as_json:
                say(f"{vault}: {taken} new {'inventory' if taken == 1 else 'inventories'}")
            tell_gaps(vault, completeness)
    if as_json:
        show_json(facts)
    for failure in malformed[:-1]:
        say(f"casfs: {failure}", err=True)
    if malformed:
        raise malformed[-1]


def _all_vaults(client: "Client") -> list[str]:
    vaults, refusal = client.vaults(refresh=True), client.vaults_refusal()
    if refusal is not None:
        if not vaults:
            raise refusal
        say(f"casfs: not all vaults are refreshed: {refusal}", err=True)
    return [vault.name for vault in vaults]


def _tell(view: ProgressView, job: Job, archives: int) -> None:
    phase = f"inventory of job {job.id}"
    view.show(Standing(phase=phase, files=archives, unit="archives"))


def _begun(found: Iterator["Listed"]) -> tuple[Iterator["Listed"], bool]:
    """Return a listing that has looked at what is new, and whether there is anything in it."""
    first = list(itertools.islice(found, 1))
    return itertools.chain(first, found), bool(first)


def _show(
    found: Iterator["Listed"],
    is_long: bool | None,
    costs: bool,
    gaps: list[dict[str, object]],
    answer: Asked,
) -> None:
    """Print a listing as a table, or as JSON if `is_long` is None."""
    # Imported here: no command needs the catalog for its `--help`.
    from casfs.cli import archive_rows

    if is_long is None:
        facts = (archive_rows.facts(one) | answer.stale for one in found)
        show_json_list(itertools.chain(facts, gaps))
    else:
        archive_rows.show(found, datetime.now(UTC), is_long, costs)
