"""`casfs cache ls`, `casfs cache prune`, `casfs cache clear`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import click

from casfs.doors.cli.options import (
    IdentifierCommand,
    json_option,
    open_client,
    profile_option,
    service_options,
)
from casfs.doors.cli.show import say, show_json, show_table, size_text, time_text
from casfs.errors import CasfsError, ConfigError, NotFoundError
from casfs.settings import parse_size

if TYPE_CHECKING:
    from casfs.client import Client
    from casfs.tree.cached import CachedOutput

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
_YES = click.option("-y", "--yes", is_flag=True, help="Ask no question.")
_FORCE = click.option("-f", "--force", is_flag=True, help="Remove what a running mount reads, too.")


@click.group("cache")
def cache_command() -> None:
    """What the cache holds, and how to make it smaller."""


@cache_command.command("ls")
@profile_option
@json_option
@service_options
def cache_ls_command(profile: str | None, as_json: bool, **flags: Any) -> None:
    """List what the cache holds, used last first. The service is not asked."""
    with open_client(profile, flags) as client:
        items = client.cache.items()
    if as_json:
        show_json([_facts(item) for item in items])
    else:
        _show(items)


@cache_command.command("prune")
@click.option("--to", "size", metavar="SIZE", help="Until this is left, such as 10GiB.")
@click.option("--older-than", "age", metavar="AGE", help="What was not used for so long: 12h, 30d.")
@_YES
@_FORCE
@profile_option
@service_options
def cache_prune_command(
    size: str | None, age: str | None, yes: bool, force: bool, profile: str | None, **flags: Any
) -> None:
    """Remove what was not used for longest.

    What the service does not have any more is told, and asked for.
    """
    if (size is None) == (age is None):
        raise click.UsageError("give --to SIZE or --older-than AGE")
    limit = None if size is None else parse_size(size, "--to")
    before = None if age is None else datetime.now(UTC) - parse_age(age, "--older-than")
    with open_client(profile, flags) as client:
        items = client.cache.items()
        if before is not None:
            chosen = [item for item in items if item.used < before]
        else:
            chosen, left = [], sum(item.cached for item in items)
            for item in reversed(items):
                if left <= (limit or 0):
                    break
                chosen.append(item)
                left -= item.cached
        _remove(client, chosen, yes, force)


@cache_command.command("clear", cls=IdentifierCommand)
@click.argument("vault", default=None, required=False)
@click.argument("which", default=None, required=False, metavar="[JOB|ARCHIVE]")
@_YES
@_FORCE
@profile_option
@service_options
def cache_clear_command(
    vault: str | None,
    which: str | None,
    yes: bool,
    force: bool,
    profile: str | None,
    **flags: Any,
) -> None:
    """Remove everything, or what is of a vault, or of one job or archive, by its id or name.

    What the service does not have any more is told, and asked for.
    """
    # A script whose variable is not set must not clear everything.
    if vault == "":
        raise click.UsageError("an empty name: give a vault, or nothing to clear everything")
    if which == "":
        raise click.UsageError(
            "an empty name: give a job or an archive, or only a vault to clear all of it"
        )
    with open_client(profile, flags) as client:
        items = client.cache.items()
        chosen = [
            item
            for item in items
            if (vault is None or item.vault == vault)
            and (which is None or which in (*item.jobs, item.archive, item.name))
        ]
        if not chosen and vault is not None:
            of = f"{which} of vault {vault}" if which is not None else f"vault {vault}"
            raise NotFoundError(f"nothing of {of} is in the cache; see: casfs cache ls")
        _remove(client, chosen, yes, force)


def parse_age(text: str, name: str) -> timedelta:
    """Return the time that a text such as `90m`, `12h`, `30d` or `2w` means.

    Raises:
        ConfigError: the text is none; the message names the option `name`.
    """
    match = re.fullmatch(r"([0-9]{1,9})([smhdw])", text.strip().lower())
    try:
        if match:
            return timedelta(seconds=int(match[1]) * _SECONDS[match[2]])
    except OverflowError:
        pass
    raise ConfigError(f"{name} must be a time such as 90m, 12h, 30d or 2w, not {text!r}")


def _remove(client: Client, items: Sequence[CachedOutput], yes: bool, force: bool) -> None:
    last = [item for item in items if not item.fetchable]
    if last and not yes:
        say("The service may not have these any more; only a new job, if any, brings them back:")
        _show(last)
        asked = f"Remove {len(items)} from the cache, {len(last)} of them for good?"
        try:
            agreed = click.confirm(asked, err=True)
        except click.Abort:
            agreed = False
        if not agreed:
            raise CasfsError("nothing was removed; say y, or give -y")
    removed, in_use = 0, []
    for item in items:
        try:
            gone = client.cache.remove(item, force)
        except CasfsError:
            raise
        except OSError as error:
            raise CasfsError(
                f"{_name(item)} cannot be removed from the cache: {error}; "
                "check the permissions of the cache directory"
            ) from error
        if gone:
            removed += item.cached
        else:
            in_use.append(item)
    say(f"{len(items) - len(in_use)} removed, {size_text(removed)}")
    if in_use:
        names = ", ".join(_name(item) for item in in_use)
        raise CasfsError(f"still being read, and left: {names}; close them, or give -f")


def _show(items: Sequence[CachedOutput]) -> None:
    columns = ["vault", "archive or job", "name", "cached", "verified", "used", "still there"]
    show_table(
        columns,
        (
            [
                item.vault or "?",
                item.archive or ", ".join(item.jobs) or item.key,
                _shown_name(item),
                f"{size_text(item.cached)} of {size_text(item.size)}",
                item.verified or "?",
                time_text(item.used),
                _still_there(item),
            ]
            for item in items
        ),
    )


def _shown_name(item: CachedOutput) -> str:
    name = item.name or ""
    if item.range is not None:
        name = f"{name} bytes {item.range[0]}-{item.range[1]}".strip()
    return name


def _still_there(item: CachedOutput) -> str:
    if item.fetchable is None:
        return "?"
    if not item.fetchable:
        return "no"
    return f"until {time_text(item.expires)}" if item.expires else "yes"


def _name(item: CachedOutput) -> str:
    return item.name or item.archive or ", ".join(item.jobs) or item.key


def _facts(item: CachedOutput) -> dict[str, object]:
    return {
        "key": item.key,
        "vault": item.vault,
        "archive": item.archive,
        "jobs": list(item.jobs),
        "name": item.name,
        "range": list(item.range) if item.range is not None else None,
        "cached": item.cached,
        "size": item.size,
        "verified": item.verified,
        "used": item.used.isoformat(),
        "fetchable": item.fetchable,
        "expires": item.expires.isoformat() if item.expires else None,
    }
