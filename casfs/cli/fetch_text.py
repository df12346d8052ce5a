"""What `casfs fetch` would do, and whether it comes in time, in words and for programs."""

from collections.abc import Iterator
from pathlib import Path

from casfs.at_risk import Outlook
from casfs.cli.show import local_text, size_text
from casfs.cli.standing import Standing, done_text, rate_text, span_text
from casfs.client import FetchableOutput
from casfs.disks import disk_of
from casfs.restore.fetch_plan import FetchPlan, NoRoom

NAMED = 20
"""Names in one message; JSON lines have all."""


def plan_lines(plan: FetchPlan) -> Iterator[str]:
    """Yield the lines of a plan."""
    groups = [
        ("in the cache", len(plan.cached), sum(one.size for one in plan.cached), ""),
        ("to be fetched", len(plan.items), plan.missing, _expiry_text(plan)),
    ]
    if plan.too_large:
        too_large = sum(one.missing for one in plan.too_large)
        groups.append(("left out", len(plan.too_large), too_large, "the cache has no room"))
    count = sum(files for _, files, _, _ in groups) + len(plan.unreadable)
    yield f"{plan.vault}: {count:,} {'output' if count == 1 else 'outputs'}"
    for title, files, size, note in groups:
        if files or title == "to be fetched":
            yield f"  {title:<16} {files:>9,}  {size_text(size):>10}   {note}".rstrip()
    if plan.unreadable:
        yield f"  {'not readable':<16} {len(plan.unreadable):>9,}"
    if plan.items and plan.known_rate is not None:
        rate, when = plan.known_rate.rate, local_text(plan.known_rate.measured)
        standing = Standing(
            phase="", total=plan.missing, rate=rate, expiry=plan.soonest_expiry, now=plan.now
        )
        took = span_text(plan.missing / rate)
        yield f"  at {rate_text(rate)} (measured {when}) that takes {took}: {done_text(standing)}"


def plan_facts(plan: FetchPlan) -> dict[str, object]:
    """Return a plan for programs."""
    return {
        "total_files": len(plan.cached) + len(plan.items) + len(plan.too_large),
        "total_bytes": sum(
            one.size for group in (plan.cached, plan.items, plan.too_large) for one in group
        ),
        "cached": _group(plan.cached, 0),
        "to_fetch": _group(plan.items, plan.missing),
        "left_out": _group(plan.too_large, sum(one.missing for one in plan.too_large)),
        "unreadable": len(plan.unreadable),
        "soonest_expiry": plan.soonest_expiry,
        "rate_bytes": plan.known_rate.rate if plan.known_rate else None,
        "jobs": 0,
        "estimate": {},
    }


def late_text(outlook: Outlook, rate: float, late: list[FetchableOutput]) -> str:
    """Return what cannot be fetched in time, and the rate that would do."""
    needed = "more than any rate" if outlook.needed_rate == float("inf") else ""
    needed = needed or rate_text(outlook.needed_rate)
    which = "this output" if len(late) == 1 else f"these {len(late):,} outputs"
    return (
        f"needs {needed}, has {rate_text(rate)}: {size_text(outlook.bytes_at_risk)} cannot be "
        f"fetched before they expire; {which}: {names_text([one.name for one in late])}"
    )


def no_room_text(room: NoRoom, cache_dir: Path) -> str:
    """Return why a cache cannot hold what is to be fetched, and what to do."""
    parts = []
    if room.missing > room.within:
        parts.append(
            f"it may hold {size_text(room.limit)} and has room for "
            f"{size_text(max(0, room.within))} (raise --cache-size, or use casfs cache prune)"
        )
    if room.missing > room.on_disk:
        parts.append(
            f"the disk at {disk_of(cache_dir)} has {size_text(max(0, room.on_disk))} for it "
            "(make room, or give another --cache-dir)"
        )
    return (
        f"the cache in {cache_dir} cannot hold the {size_text(room.missing)} to be fetched: "
        f"{'; '.join(parts)}; --partial fetches what fits"
    )


def names_text(names: list[str]) -> str:
    """Return names in one line, the first ones if there are many."""
    shown = ", ".join(names[:NAMED])
    return f"{shown}, and {len(names) - NAMED:,} more" if len(names) > NAMED else shown


def _group(items: list[FetchableOutput], missing: int) -> dict[str, int]:
    return {"files": len(items), "bytes": sum(one.size for one in items), "missing": missing}


def _expiry_text(plan: FetchPlan) -> str:
    soonest = plan.soonest_expiry
    return f"the first expires {local_text(soonest)}" if soonest else ""
