"""`casfs ls`, `casfs find`, `casfs catalog refresh`."""

import contextlib
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import click

from casfs.doors.cli.options import (
    IdentifierCommand,
    json_option,
    open_client,
    profile_option,
    service_options,
)
from casfs.doors.cli.show import show_json, show_table, size_text, time_text
from casfs.errors import InventoryError
from casfs.service.base import Job
from casfs.tree.archive_list import Listed
from casfs.tree.archives.states import ArchiveState, Condition
from casfs.tree.descriptions.safe_path import BY_ID
from casfs.tree.names import to_file_name

_LONGEST = {"Expedited": timedelta(minutes=5), "Bulk": timedelta(hours=12)}
_LONGEST_ELSE = timedelta(hours=5)
"""How long a retrieval takes at most, by its tier (Tencent CAS documentation, "Initiate Job";
Amazon Glacier Developer Guide, "Archive Retrieval Options"). Aliyun OAS has none: up to 4 hours."""

_TOLD_EACH = 100_000
"""Archives after which `casfs catalog refresh` says how far it is."""


@click.command("ls", cls=IdentifierCommand)
@click.argument("vault")
@click.argument("path", default="")
@click.option("--all", "everything", is_flag=True, help="Older archives, and nameless ones, too.")
@profile_option
@json_option
@service_options
def ls_command(
    vault: str, path: str, everything: bool, profile: str | None, as_json: bool, **flags: Any
) -> None:
    """List the catalogued archives of a vault by name, and whether they can be read."""
    with open_client(profile, flags) as client:
        found = list(client.archives.entries(vault, path.strip("/"), everything))
        _show(found, as_json)
        if not found:
            click.echo(
                f"casfs: nothing is catalogued there; see: casfs catalog refresh {vault}", err=True
            )


@click.command("find", cls=IdentifierCommand)
@click.argument("vault")
@click.argument("pattern")
@profile_option
@json_option
@service_options
def find_command(
    vault: str, pattern: str, profile: str | None, as_json: bool, **flags: Any
) -> None:
    """List the catalogued archives of a vault whose name matches a pattern such as '*.tif'.

    A pattern with a slash is compared with the whole path.
    """
    with open_client(profile, flags) as client:
        _show(client.archives.find(vault, pattern), as_json)


@click.group("catalog")
def catalog_command() -> None:
    """What is known of the archives in vaults."""


@catalog_command.command("refresh", cls=IdentifierCommand)
@click.argument("vaults", metavar="[VAULT]...", nargs=-1)
@profile_option
@service_options
def refresh_command(vaults: tuple[str, ...], profile: str | None, **flags: Any) -> None:
    """Download the inventories that finished jobs brought, and catalogue their archives.

    It starts no job. Without a vault, it does so for all of them. One that is malformed keeps no
    other one out.
    """
    malformed: list[InventoryError] = []
    with open_client(profile, flags) as client:
        for vault in vaults or [vault.name for vault in client.vaults()]:
            try:
                taken = client.archives.refresh(vault, _tell)
            except InventoryError as error:
                malformed.append(error)
                continue
            click.echo(f"{vault}: {taken} new {'inventory' if taken == 1 else 'inventories'}")
    for failure in malformed[:-1]:
        click.echo(f"casfs: {failure}", err=True)
    if malformed:
        raise malformed[-1]


def _tell(job: Job, archives: int) -> None:
    if archives % _TOLD_EACH == 0:
        click.echo(f"{job.vault}: {archives} archives of job {job.id}", err=True)


def _show(found: Iterable[Listed], as_json: bool) -> None:
    now = datetime.now(UTC)
    if as_json:
        show_json([_facts(one) for one in found])
        return
    columns = ["state", "time", "size", "modified", "name"]
    show_table(columns, (_cells(one, now) for one in found))


def _cells(one: Listed, now: datetime) -> list[str]:
    if one.archive is None or one.condition is None:
        return ["folder", "", "", "", f"{one.path}/"]
    return [
        one.condition.state.value,
        _time(one.condition, now),
        size_text(one.archive.size),
        time_text(_modified(one.archive.mtime)),
        one.path or f"{BY_ID}/{to_file_name(one.archive.id)}",
    ]


def _time(condition: Condition, now: datetime) -> str:
    if (ready := _ready(condition)) is not None:
        return f"ready in {_span(ready - now)}"
    return f"{_span(condition.expires - now)} left" if condition.expires else ""


def _ready(condition: Condition) -> datetime | None:
    """Return when a job that is under way is done at the latest, if it takes as long as usual."""
    if condition.state is not ArchiveState.RUNNING or condition.started is None:
        return None
    return condition.started + _LONGEST.get(condition.tier or "", _LONGEST_ELSE)


def _span(left: timedelta) -> str:
    minutes = max(0, round(left.total_seconds() / 60))
    return f"{minutes // 60} h {minutes % 60:02d} min"


def _modified(mtime: int) -> datetime | None:
    with contextlib.suppress(OverflowError):
        return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=mtime // 1000)
    return None


def _facts(one: Listed) -> dict[str, object]:
    archive, condition = one.archive, one.condition
    if archive is None or condition is None:
        return {"path": one.path, "kind": "folder"}
    return {
        "path": one.path or None,
        "kind": "archive",
        "state": condition.state.value,
        "expires": _iso(condition.expires),
        "ready": _iso(_ready(condition)),
        "size": archive.size,
        "modified": _iso(_modified(archive.mtime)),
        "id": archive.id,
        "created": _iso(archive.created),
        "tree_hash": archive.tree_hash,
        "description": archive.description,
        "rule": archive.rule or None,
        "compressed": archive.compressed,
        "encrypted": archive.encrypted,
        "original_size": archive.original_size,
    }


def _iso(time: datetime | None) -> str | None:
    return time.isoformat() if time else None
