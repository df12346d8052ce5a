"""A plan, and what came of it, in words and as JSON lines."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from casfs.cli.show import local_time, size_text
from casfs.job_requests import JobFeatures, PolicyKind, RetrievalPolicy, Tier
from casfs.restore.amounts import Estimate, amount_text
from casfs.restore.plan import Group, Sum
from casfs.restore.preparing import Prepared
from casfs.restore.request_options import Options

_NOTHING_TO_PAY = "nothing to pay"


def plan_lines(
    prepared: Prepared, options: Options, again: bool, found: Sum | None = None
) -> Iterator[str]:
    """Yield the lines of a plan.

    Args:
        prepared: the plan.
        options: what the user wants.
        again: whether what was requested before is requested again.
        found: everything that there is, None if jobs must bring all of it.
    """
    plan = prepared.plan
    found = found or plan.all
    count, size = found.archives, _size(found)
    what = "archive" if options.split is None else "part of archives"
    if count != 1:
        what = "archives" if options.split is None else "parts of archives"
    yield f"{prepared.vault.name}: {count:,} {what}, {size}"
    tier = options.tier.value
    speed = _speed_text(prepared.features, options.tier)
    running = "adopted" if plan.ready is None else f"adopted, ready about {_clock(plan.ready)}"
    rows = [
        ("readable now", Group.READABLE, _NOTHING_TO_PAY),
        ("in the cache", Group.CACHED, _NOTHING_TO_PAY),
        ("running already", Group.RUNNING, running),
        (
            "uncertain",
            Group.UNCERTAIN,
            "requested, not answered; sent again if not accepted",
        ),
        ("too large", Group.TOO_LARGE, f"for {tier.capitalize()}; use another --tier"),
        ("to be requested", Group.REQUESTED, speed),
        (
            "to request again" if again else "not again",
            Group.AGAIN,
            "jobs failed, or outputs expired, or will expire before they are fetched",
        ),
    ]
    for title, group, note in rows:
        of_group = plan.groups[group]
        if of_group.archives or (group is Group.REQUESTED and plan.all.archives):
            yield f"  {title:<16} {of_group.archives:>9,}  {_size(of_group):>10}   {note}"
    load = plan.load(tier, again)
    if load.jobs:
        yield from _estimate_lines(prepared, prepared.cost(load))
        yield from _pace_lines(prepared, options, load.bytes or 0)


def _speed_text(features: JobFeatures, tier: Tier) -> str:
    """Return how long a retrieval takes."""
    if features.one_speed is not None:
        return f"up to {_amount_of(features.one_speed)}"
    least, most = tier.soonest, _amount_of(tier.latest)
    unit = timedelta(hours=1) if most.endswith("h") else timedelta(minutes=1)
    return f"{tier.value.capitalize()}, {least // unit}-{most}"


def _amount_of(span: timedelta) -> str:
    hours = span // timedelta(hours=1)
    return f"{hours} h" if hours else f"{span // timedelta(minutes=1)} min"


def _estimate_lines(prepared: Prepared, cost: Estimate) -> Iterator[str]:
    date = prepared.prices.date
    when = f"prices of {date}" if date else "prices without a date"
    if cost.currency is None:
        when = "no prices are known"
    parts = [
        f"{name} {amount_text(amount, cost.currency)}"
        for name, amount in (
            ("retrieval", cost.retrieval),
            ("traffic", cost.traffic),
            ("requests", cost.requests),
        )
    ]
    yield f"estimate ({when})   {'   '.join(parts)}"
    yield f"  in all {amount_text(cost.total, cost.currency)}"
    spent = prepared.total()
    if any(load.jobs for load in prepared.spent):
        yield f"  requested before {amount_text(spent.total, spent.currency)}"
    yield f"  {_place_text(prepared)}"
    if prepared.prices.note:
        yield f"  {prepared.prices.note}"
    if prepared.unverifiable:
        yield (
            f"  {prepared.unverifiable:,} ranges are not tree-hash aligned: the service gives no "
            "hash for them, and their bytes stay unverified"
        )
    if policy := _policy_text(prepared.policy):
        yield f"  {policy}"


def _place_text(prepared: Prepared) -> str:
    place = prepared.place
    if place.inside:
        return f"this machine is inside {prepared.region} ({place.why}): traffic costs nothing"
    text = f"this machine is outside {prepared.region} ({place.why})"
    return f"{text}: run it there and traffic costs nothing" if prepared.prices.inside else text


def _policy_text(policy: RetrievalPolicy | None) -> str:
    if policy is None or policy.kind is PolicyKind.NONE:
        return ""
    if policy.kind is PolicyKind.FREE_TIER:
        return "the account's data retrieval policy allows the free tier only (Standard)"
    rate = size_text(policy.bytes_per_hour)
    return f"the account's data retrieval policy allows {rate} an hour (Standard)"


def _pace_lines(prepared: Prepared, options: Options, size: int) -> Iterator[str]:
    if options.pace is None:
        return
    seconds = size / prepared.rate
    waves = max(1, -(-size // prepared.wave))
    source = f" (measured {prepared.measured.astimezone():%Y-%m-%d})" if prepared.measured else ""
    done = datetime.now(UTC) + prepared.features.latest(options.tier.value)
    done += timedelta(seconds=min(seconds, 1e9))
    yield (
        f"at {_rate(prepared.rate)}{source} {size_text(size)} take "
        f"{_hours(seconds)}: requested in {waves:,} {'wave' if waves == 1 else 'waves'}, done "
        f"about {done.astimezone():%Y-%m-%d %H:%M %Z}"
    )


def plan_facts(prepared: Prepared, options: Options, again: bool) -> dict[str, object]:
    """Return a plan for programs; amounts are decimal numbers as text, null if unknown."""
    plan, tier = prepared.plan, options.tier.value
    load = plan.load(tier, again)
    cost, spent = prepared.cost(load), prepared.total()
    coverage = prepared.coverage
    return {
        "total_files": plan.all.archives,
        "total_bytes": None if plan.all.unsized else plan.all.bytes,
        **{group.value: _facts(plan.groups[group]) for group in Group},
        "jobs": load.jobs,
        "tier": tier,
        "ready": plan.ready.isoformat() if plan.ready else None,
        "estimate": {
            "prices_of": prepared.prices.date.isoformat() if prepared.prices.date else None,
            **_amounts(cost),
        },
        "spent": _amounts(spent),
        "inside": prepared.place.inside,
        "address": prepared.place.address,
        "missing": coverage.missing if coverage else None,
        "policy": prepared.policy.kind.value if prepared.policy else None,
    }


def _amounts(cost: Estimate) -> dict[str, str | None]:
    return {
        "currency": cost.currency,
        "retrieval": _number(cost.retrieval),
        "traffic": _number(cost.traffic),
        "requests": _number(cost.requests),
        "total": _number(cost.total),
    }


def _number(amount: Decimal | None) -> str | None:
    return None if amount is None else f"{amount.normalize():f}"


def _facts(found: Sum) -> dict[str, int]:
    return {"files": found.archives, "bytes": found.bytes, "unsized": found.unsized}


def _size(found: Sum) -> str:
    if found.unsized and not found.bytes:
        return "size unknown" if found.archives else size_text(0)
    return size_text(found.bytes) + ("+" if found.unsized else "")


def _clock(time: datetime) -> str:
    local, today = local_time(time), datetime.now().astimezone().date()
    return f"{local:%H:%M %Z}" if local.date() == today else f"{local:%Y-%m-%d %H:%M %Z}"


def _rate(rate: float) -> str:
    """Return bytes per second as a person reads them: of a slow line by the hour."""
    return f"{rate / 1e6:,.1f} MB/s" if rate >= 1e5 else f"{size_text(round(rate * 3600))}/h"


def _hours(seconds: float) -> str:
    hours = seconds / 3600
    return f"{hours:,.0f} h" if hours >= 2 else f"{max(1, round(seconds / 60)):,} min"
