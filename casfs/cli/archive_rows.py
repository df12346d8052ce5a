"""Archives of the catalog as `casfs ls` and `casfs find` print them."""

import contextlib
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta

from casfs.cli.show import brief_time, local_text, size_text, span_text, time_text
from casfs.cli.tables import Column, is_brief, show_table
from casfs.client import ArchiveState, Listed
from casfs.ledger.request import Request, RequestState
from casfs.restore.amounts import amount_text


def show(listed: Iterable[Listed], now: datetime, is_long: bool, costs: bool) -> None:
    """Print a listing as a table: on a terminal with a line of totals, else each row as it comes.

    Args:
        listed: the rows.
        now: UTC.
        is_long: show everything on a terminal.
        costs: something may have been requested from here.
    """
    is_narrow = is_brief(is_long)
    columns: list[tuple[Column, Callable[[Listed], str]]] = [
        (Column("state"), lambda one: state_text(one) or "directory"),
        (Column("time"), lambda one: _time(one, now, is_narrow)),
        (Column("size"), lambda one: size_text(one.archive.size) if one.archive else ""),
        (Column("modified", rank=2), _modified_text),
    ]
    if costs:
        columns.append((Column("cost", rank=1), lambda one: cost_text(one.request)))
    if is_long:
        columns.append((Column("archive"), lambda one: one.archive.id if one.archive else ""))
    columns.append((Column("name", folds=True), _name))
    totals = None
    if sys.stdout.isatty():
        listed = list(listed)
        totals = _totals(listed, now)
    rows = ([text(one) for _, text in columns] for one in listed)
    show_table([column for column, _ in columns], rows, totals, is_long)


def _name(one: Listed) -> str:
    return one.place if one.archive else f"{one.path}/"


def _modified_text(one: Listed) -> str:
    return time_text(_modified(one.archive.mtime)) if one.archive else ""


def _totals(listed: Sequence[Listed], now: datetime) -> str:
    """Return a line about all of a listing: how many, how large, what expires first."""
    archives = [one for one in listed if one.archive is not None]
    directories = len(listed) - len(archives)
    text = f"{len(archives)} {'archive' if len(archives) == 1 else 'archives'}"
    if directories:
        text += f" and {directories} {'directory' if directories == 1 else 'directories'}"
    if archives:
        text += f", {size_text(sum(one.archive.size or 0 for one in archives if one.archive))}"
        counts = Counter(state_text(one) for one in archives)
        text += f": {', '.join(f'{count} {state}' for state, count in counts.items())}"
    ends = [one.condition.expires for one in archives if one.condition and one.condition.expires]
    return text + (f"; the first expires in {span_text(min(ends) - now)}" if ends else "")


def state_text(one: Listed) -> str:
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


def _time(one: Listed, now: datetime, is_narrow: bool) -> str:
    if one.ready is not None:
        return f"by {brief_time(one.ready)}" if is_narrow else f"ready by {local_text(one.ready)}"
    expires = one.condition.expires if one.condition else None
    return f"{span_text(expires - now)} left" if expires else ""


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
        "ready": _iso(one.ready),
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
