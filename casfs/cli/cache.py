"""`casfs cache ls`, `casfs cache prune`, `casfs cache clear`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import click

from casfs.cli.completion import complete_job, complete_vault
from casfs.cli.confirming import confirm
from casfs.cli.options import (
    IdentifierCommand,
    json_option,
    open_client,
    profile_option,
    service_options,
)
from casfs.cli.show import say, show_json, size_text, time_text
from casfs.cli.tables import Column, long_option, show_table
from casfs.errors import CasfsError, ConfigError, NotFoundError
from casfs.reasons import reason
from casfs.settings import parse_size

if TYPE_CHECKING:
    from casfs.client import CachedOutput, Client

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
_YES = click.option("-y", "--yes", is_flag=True, help="Do not ask for confirmation.")
_FORCE = click.option(
    "-f", "--force", is_flag=True, help="Also remove what a running mount is reading."
)


@click.group("cache")
def cache_command() -> None:
    """Show the contents of the cache, and shrink it."""


@cache_command.command("ls")
@long_option
@profile_option
@json_option
@service_options
def cache_ls_command(is_long: bool, profile: str | None, as_json: bool, **flags: Any) -> None:
    """List the contents of the cache, most recently used first. Does not ask the service."""
    with open_client(profile, flags) as client:
        items = client.cache.items()
    if as_json:
        show_json([_facts(item) for item in items])
    else:
        _show(items, is_long)


@cache_command.command("prune")
@click.option("--to", "size", metavar="SIZE", help="Shrink the cache to this size, such as 10GiB.")
@click.option(
    "--older-than", "age", metavar="AGE", help="Remove what was not used for this long: 12h, 30d."
)
@_YES
@_FORCE
@profile_option
@service_options
def cache_prune_command(
    size: str | None, age: str | None, yes: bool, force: bool, profile: str | None, **flags: Any
) -> None:
    """Remove the least recently used outputs.

    Lists what the service no longer has, and asks before removing it. What a running mount is
    reading is skipped: --to SIZE continues with what was used after it.
    """
    if (size is None) == (age is None):
        raise click.UsageError("give --to SIZE or --older-than AGE")
    limit = None if size is None else parse_size(size, "--to")
    before = None if age is None else datetime.now(UTC) - parse_age(age, "--older-than")
    with open_client(profile, flags) as client:
        items = client.cache.items()
        if before is not None:
            _remove(client, [item for item in items if item.used < before], yes, force)
        else:
            _shrink(client, items, limit or 0, yes, force)


@cache_command.command("clear", cls=IdentifierCommand)
@click.argument("vault", default=None, required=False, shell_complete=complete_vault)
@click.argument(
    "which", default=None, required=False, metavar="[JOB|ARCHIVE]", shell_complete=complete_job
)
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
    """Remove everything, or what belongs to a vault, a job or an archive (its id or name).

    Lists what the service no longer has, and asks before removing it.
    """
    # A script with an unset variable must not clear everything.
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
        ConfigError: the text is not a time; the message names the option `name`.
    """
    match = re.fullmatch(r"([0-9]{1,9})([smhdw])", text.strip().lower())
    try:
        if match:
            return timedelta(seconds=int(match[1]) * _SECONDS[match[2]])
    except OverflowError:
        pass
    raise ConfigError(f"{name} must be a time such as 90m, 12h, 30d or 2w, not {text!r}")


def _remove(client: Client, items: Sequence[CachedOutput], yes: bool, force: bool) -> None:
    """Remove outputs.

    Raises:
        CasfsError: the user does not want it, or some of them are being read.
    """
    if not (yes or _agreed(items)):
        raise CasfsError("nothing was removed; answer y, or give -y")
    gone, in_use = _removed(client, items, force)
    _say_removed(gone)
    if in_use:
        raise CasfsError(f"in use, and not removed: {_names(in_use)}; close them, or give -f")


def _shrink(
    client: Client, items: Sequence[CachedOutput], limit: int, yes: bool, force: bool
) -> None:
    """Remove the least recently used outputs until no more than `limit` bytes are left.

    Raises:
        CasfsError: the user said no, or what is being read takes more than that.
    """
    left, waiting = sum(item.cached for item in items), list(items)
    gone: list[CachedOutput] = []
    in_use: list[CachedOutput] = []
    while left > limit and waiting:
        chosen, expected = [], left
        while waiting and expected > limit:
            chosen.append(waiting.pop())
            expected -= chosen[-1].cached
        if not (yes or _agreed(chosen)):
            if not gone:
                raise CasfsError("nothing was removed; answer y, or give -y")
            break
        removed, skipped = _removed(client, chosen, force)
        gone += removed
        in_use += skipped
        left -= sum(item.cached for item in removed)
    _say_removed(gone)
    if left > limit:
        outcome = f"the cache still holds {size_text(left)}, more than {size_text(limit)}"
        if in_use:
            raise CasfsError(f"{outcome}; in use: {_names(in_use)}; close them, or give -f")
        raise CasfsError(f"{outcome}; answer y, or give -y")
    if in_use:
        say(f"in use, and skipped: {_names(in_use)}")


def _agreed(items: Sequence[CachedOutput]) -> bool:
    """Ask the user whether to remove outputs, some of which the service may no longer have."""
    last = [item for item in items if not item.fetchable]
    if not last:
        return True
    say("The service may no longer have these; only a new retrieval could restore them:")
    _show(last)
    asked = f"Remove {_count(items)} from the cache, {len(last)} of them for good?"
    try:
        return confirm(asked)
    except click.Abort:
        return False


def _removed(
    client: Client, items: Sequence[CachedOutput], force: bool
) -> tuple[list[CachedOutput], list[CachedOutput]]:
    """Remove outputs; return those that were removed, and those that are being read."""
    gone: list[CachedOutput] = []
    in_use: list[CachedOutput] = []
    for item in items:
        try:
            (gone if client.cache.remove(item, force) else in_use).append(item)
        except CasfsError:
            raise
        except OSError as error:
            raise CasfsError(
                f"{_name(item)} cannot be removed from the cache: {reason(error)}; "
                "check the permissions of the cache directory"
            ) from error
    return gone, in_use


def _say_removed(items: Sequence[CachedOutput]) -> None:
    say(f"{_count(items)} removed, {size_text(sum(item.cached for item in items))} freed")


def _count(items: Sequence[CachedOutput]) -> str:
    return f"{len(items)} output{'' if len(items) == 1 else 's'}"


def _names(items: Sequence[CachedOutput]) -> str:
    return ", ".join(map(_name, items))


def _show(items: Sequence[CachedOutput], is_long: bool = False) -> None:
    columns = [
        Column("vault", rank=3, folds=True),
        Column("archive or job", is_id=True),
        Column("name", folds=True),
        Column("cached"),
        Column("verified", rank=2),
        Column("last used", rank=4),
        Column("at service", rank=1),
    ]
    rows = [
        [
            item.vault or "?",
            item.archive or ", ".join(item.jobs) or item.key,
            _shown_name(item),
            f"{size_text(item.cached)} of {size_text(item.size)}",
            item.verified or "?",
            time_text(item.used),
            _at_service(item),
        ]
        for item in items
    ]
    last = sum(not item.fetchable for item in items)
    totals = f"{_count(items)}, {size_text(sum(item.cached for item in items))}"
    totals += f"; {last} may no longer be at the service" if last else ""
    show_table(columns, rows, totals, is_long)


def _shown_name(item: CachedOutput) -> str:
    name = item.name or ""
    if item.range is not None:
        name = f"{name} bytes {item.range[0]}-{item.range[1]}".strip()
    return name


def _at_service(item: CachedOutput) -> str:
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
