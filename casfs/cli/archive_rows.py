"""Archives of the catalog as `casfs ls` and `casfs find` print them."""

import contextlib
from datetime import UTC, datetime, timedelta

from casfs.cli.show import size_text, time_text
from casfs.client import ArchiveState, Condition, Listed

COLUMNS = ["state", "time", "size", "modified", "name"]
"""Titles of the cells."""

_LONGEST = {"Expedited": timedelta(minutes=5), "Bulk": timedelta(hours=12)}
_LONGEST_ELSE = timedelta(hours=5)
"""How long a retrieval takes at most, by its tier (Tencent CAS documentation, "Initiate Job";
Amazon Glacier Developer Guide, "Archive Retrieval Options"). Aliyun OAS has none: up to 4 hours."""


def cells(one: Listed, now: datetime) -> list[str]:
    """Return a line of a listing as cells of a table."""
    if one.archive is None or one.condition is None:
        return ["directory", "", "", "", f"{one.path}/"]
    return [
        one.condition.state.value,
        _time(one.condition, now),
        size_text(one.archive.size),
        time_text(_modified(one.archive.mtime)),
        one.place,
    ]


def _time(condition: Condition, now: datetime) -> str:
    if (ready := _ready(condition)) is not None:
        return f"ready in {_span(ready - now)}"
    return f"{_span(condition.expires - now)} left" if condition.expires else ""


def _ready(condition: Condition) -> datetime | None:
    """Return when a running job is done at the latest, if it takes as long as usual."""
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
