"""Whether a restore may begin: what it costs needs the user's consent."""

import sys

from casfs.cli.confirming import confirm
from casfs.cli.restore_plan import readable_load
from casfs.cli.restore_wish import RestoreWish
from casfs.errors import NotFoundError
from casfs.restore.caps import OverCapError, check_cost, objection
from casfs.restore.plan import Group
from casfs.restore.preparing import Prepared
from casfs.restore.prices import Load
from casfs.restore.request_options import Options
from casfs.restore.verdict import Status, Verdict
from casfs.restore.work_items import Stage
from casfs.restore.worklist import Worklist

_NAMED = 10


def require_archives(prepared: Prepared, worklist: Worklist) -> None:
    """Refuse to restore nothing where that only means that nothing is known.

    Raises:
        NotFoundError: there are neither archives nor an inventory.
    """
    known = any(total.archives for total in worklist.totals().values())
    if not known and (prepared.coverage is None or not prepared.coverage.cataloged):
        name = prepared.vault.name
        raise NotFoundError(
            f"nothing is known of vault {name}; to start an inventory job, run: "
            f"casfs request {name} --inventory"
        )


def includes_again(options: Options, wish: RestoreWish) -> bool:
    """Return whether the plan includes what was requested before, and failed or expired."""
    if options.rerequest == "ask":
        return sys.stdin.isatty() and (wish.dry_run or not wish.yes)
    return options.rerequest == "yes"


def refusal(
    prepared: Prepared, worklist: Worklist, options: Options, wish: RestoreWish, again: bool
) -> Verdict | None:
    """Return why nothing is begun, None if it may; asks, if something costs.

    Args:
        prepared: the plan.
        worklist: has the archives.
        options: how archives are requested.
        wish: what is wanted.
        again: whether what was requested before, and is lost, is requested again.
    """
    load = prepared.plan.load(options.tier.value, again)
    too_dear = _over_cap(prepared, options, load)
    if too_dear is not None:
        return too_dear
    if not load.jobs:
        left = 0 if again else prepared.plan.groups[Group.AGAIN].archives
        # What earlier runs have written is no part of the plan, and costs nothing.
        readable = worklist.totals()[Stage.READABLE].archives
        if left and left == prepared.plan.all.archives and not readable:
            return Verdict(
                Status.NOT_STARTED,
                f"{left:,} were requested before and failed or expired; -y does not agree to "
                "pay for that again: --rerequest yes does",
            )
        return None
    refused = objection(prepared, options, again)
    if refused is not None:
        return refused
    if wish.yes or prepared.cost(load).is_free:
        return None
    if not sys.stdin.isatty():
        return Verdict(
            Status.NOT_STARTED, "nothing was sent: no terminal to ask on; -y agrees to the plan"
        )
    jobs = "1 job" if load.jobs == 1 else f"{load.jobs:,} jobs"
    if confirm(f"start {jobs}? They cannot be canceled."):
        return None
    return Verdict(Status.NOT_STARTED, "nothing was sent")


def unmet_text(paths: list[str]) -> str:
    """Return what is to be said of paths of --files-from that the catalog does not have, or ""."""
    if not paths:
        return ""
    what = "1 path" if len(paths) == 1 else f"{len(paths):,} paths"
    named = ", ".join(paths[:_NAMED]) + (", ..." if len(paths) > _NAMED else "")
    return f"{what} of --files-from not in the catalog: {named}"


def _over_cap(prepared: Prepared, options: Options, load: Load) -> Verdict | None:
    """Return why a restore must not begin whose traffic alone may be more than --max-cost.

    What it has requested itself is counted with its traffic, and later only that is: a restore that
    was begun is not refused for its own outputs.
    """
    readable = readable_load(prepared)
    if options.max_cost is None or prepared.spent or not readable.bytes:
        return None
    loads = [readable, load] if load.jobs else [readable]
    if prepared.prices.estimate(loads, prepared.place.inside).is_free:
        return None
    try:
        check_cost(options.max_cost, prepared.prices, loads, prepared.place.inside)
    except OverCapError as error:
        return Verdict(Status.NOT_STARTED, str(error))
    return None
