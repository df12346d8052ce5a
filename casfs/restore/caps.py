"""What a restore must not exceed: a price, a number of bytes, and the jobs that can be listed."""

from casfs.errors import CasfsError
from casfs.restore.amounts import Cap, amount_text
from casfs.restore.preparing import Prepared
from casfs.restore.prices import Load, Prices
from casfs.restore.request_options import Options
from casfs.restore.verdict import Status, Verdict


class OverCapError(CasfsError):
    """The restore would cost, or bring, more than it may."""


def objection(prepared: Prepared, options: Options, again: bool) -> Verdict | None:
    """Return why a plan must not be carried out, None if it may.

    Args:
        prepared: the plan.
        options: what the user wants.
        again: whether what was requested before is requested again.
    """
    load = prepared.plan.load(options.tier.value, again)
    if not load.jobs:
        return None
    reason = too_many(prepared.room, load.jobs)
    if reason is not None and options.pace is None:
        return Verdict(Status.NOT_STARTED, reason)
    try:
        check(prepared, options, [*prepared.spent, load])
    except OverCapError as error:
        return Verdict(Status.NOT_STARTED, str(error))
    return None


def too_many(room: int, jobs: int) -> str | None:
    """Return why so many more jobs must not be started at once, None if they may.

    What no list shows again cannot be settled, and its hours are lost.
    """
    if jobs <= room:
        return None
    return (
        f"nothing was sent: casfs could list only {max(0, room):,} of {jobs:,} more jobs again; "
        "wait until some have expired, and spread archives with --pace, such as --pace 40GiB/h"
    )


def check(prepared: Prepared, options: Options, loads: list[Load]) -> None:
    """Check what a restore takes in all, before and with this command.

    Raises:
        OverCapError: it is too much, or its price is unknown.
    """
    most = options.max_bytes
    sizes = [load.bytes for load in loads]
    if most is not None and (None in sizes or sum(size or 0 for size in sizes) > most):
        raise OverCapError(
            f"the restore would retrieve more than --max-bytes {most}, or an unknown amount"
        )
    check_cost(options.max_cost, prepared.prices, loads, prepared.place.inside)


def check_cost(cap: Cap | None, prices: Prices, loads: list[Load], inside: bool) -> None:
    """Check what a restore costs in all.

    Raises:
        OverCapError: it is too much, or its price is unknown.
    """
    if cap is None:
        return
    estimate = prices.estimate(loads, inside)
    total = estimate.total
    if total is None or estimate.currency is None:
        raise OverCapError(
            "the price is unknown, so nothing is sent with --max-cost; write prices into the "
            "profile, or leave out --max-cost"
        )
    if cap.currency not in (None, estimate.currency):
        raise OverCapError(
            f"--max-cost is in {cap.currency} and the prices are in {estimate.currency}, which "
            "casfs does not convert"
        )
    if cap.amount == 0 or total > cap.amount:
        raise OverCapError(
            f"the restore would cost {amount_text(total, estimate.currency)}, including what it "
            f"has requested before, which is more than --max-cost {cap}"
        )
