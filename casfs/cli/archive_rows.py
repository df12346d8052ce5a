"""Archives of the catalog as `casfs ls` and `casfs find` print them."""

import contextlib
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from casfs.cli.show import local_text, show_table, size_text, time_text
from casfs.client import ArchiveState, Listed
from casfs.job_requests import LATEST_ELSE, Tier
from casfs.ledger.request import Request, RequestState
from casfs.restore.amounts import amount_text

COLUMNS = ["state", "time", "size", "modified", "cost", "name"]
"""Titles of the cells; `cost` only where something was requested from here."""


def show(listed: Sequence[Listed], now: datetime) -> None:
    """Print a listing as a table."""
    with_cost = any(one.request is not None for one in listed)
    columns = [name for name in COLUMNS if with_cost or name != "cost"]
    show_table(columns, (_cells(one, now, with_cost) for one in listed))


def _cells(one: Listed, now: datetime, with_cost: bool) -> list[str]:
    cost = [cost_text(one.request)] if with_cost else []
    if one.archive is None or one.condition is None:
        return ["directory", "", "", "", *cost, f"{one.path}/"]
    return [
        _state(one),
        _time(one, now),
        size_text(one.archive.size),
        time_text(_modified(one.archive.mtime)),
        *cost,
        one.place,
    ]


def _state(one: Listed) -> str:
    """Return the state of an archive; one that no list shows as running may have been requested."""
    condition, request = one.condition, one.request
    if condition is None:
        return ""
    if condition.state is ArchiveState.COLD and request is not None and _is_open(request):
        return "uncertain" if request.state is RequestState.UNCERTAIN else "requested"
    return condition.state.value


def _is_open(request: Request) -> bool:
    states = (RequestState.INTENDED, RequestState.UNCERTAIN, RequestState.STARTED)
    return request.state in states


def _time(one: Listed, now: datetime) -> str:
    if (ready := _ready(one)) is not None:
        return f"ready by {local_text(ready)}"
    expires = one.condition.expires if one.condition else None
    return f"{_span(expires - now)} left" if expires else ""


def _ready(one: Listed) -> datetime | None:
    """Return when a running job is done at the latest, if it takes as long as usual."""
    condition, request = one.condition, one.request
    if condition is None:
        return None
    if condition.state is ArchiveState.RUNNING:
        return usual_end(condition.started, condition.tier)
    started = request is not None and request.state is RequestState.STARTED
    if condition.state is ArchiveState.COLD and request is not None and started:
        return usual_end(request.answered, request.tier)
    return None


def usual_end(started: datetime | None, tier_name: str | None) -> datetime | None:
    """Return when a job is done at the latest, if it takes as long as usual."""
    if started is None:
        return None
    tier = Tier.named(tier_name)
    return started + (tier.latest if tier else LATEST_ELSE)


def cost_text(request: Request | None) -> str:
    """Return what a request was estimated to cost, "" if there was none."""
    return "" if request is None else amount_text(request.cost, request.currency)


def request_facts(request: Request | None) -> dict[str, object] | None:
    """Return a request as JSON has it, None if there is none."""
    if request is None:
        return None
    return {
        "state": request.state.value,
        "time": _iso(request.intended),
        "tier": request.tier or None,
        "job": request.job,
        "cost": None if request.cost is None else f"{request.cost:f}",
        "currency": request.currency,
        "reason": request.reason,
    }


def _span(left: timedelta) -> str:
    minutes = max(0, round(left.total_seconds() / 60))
    return f"{minutes // 60} h {minutes % 60:02d} min"


def _modified(mtime: int) -> datetime | None:
    with contextlib.suppress(OverflowError):
        return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=mtime // 1000)
    return None


def facts(one: Listed) -> dict[str, object]:
    """Return a line of a listing as JSON has it."""
    archive, condition = one.archive, one.condition
    if archive is None or condition is None:
        return {"path": one.path, "kind": "folder"}
    return {
        "path": one.path or None,
        "kind": "archive",
        "state": condition.state.value,
        "expires": _iso(condition.expires),
        "ready": _iso(_ready(one)),
        "request": request_facts(one.request),
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
