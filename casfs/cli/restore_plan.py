"""What a plan says of a restore beside what it requests: what is there, traffic, room."""

import os
from collections.abc import Iterator
from pathlib import Path

from casfs.cli.show import size_text
from casfs.disks import disk_of, existing
from casfs.restore.amounts import Estimate, amount_text
from casfs.restore.plan import Group, Sum
from casfs.restore.preparing import Prepared
from casfs.restore.prices import Load, load_of
from casfs.restore.request_options import Options
from casfs.restore.rerequests import most_again
from casfs.restore.work_items import Stage, Totals
from casfs.restore.worklist import Worklist

_TO_WRITE = (Stage.WAITING, Stage.READABLE)


def restore_lines(
    prepared: Prepared, worklist: Worklist, directories: int, destination: Path
) -> Iterator[str]:
    """Yield the lines of a plan about its destination.

    Args:
        prepared: the plan.
        worklist: has the archives.
        directories: how many the vault has a marker of.
        destination: directory that gets them.
    """
    totals = worklist.totals()
    too_large = prepared.plan.groups[Group.TOO_LARGE]
    failed = totals[Stage.FAILED]
    rows = (
        ("written before", written_before(prepared, worklist), "whole on disk, nothing to fetch"),
        ("skipped", totals[Stage.SKIPPED], ""),
        ("kept", totals[Stage.KEPT], "newer files that differ are there"),
        (
            "cannot be restored",
            Totals(failed.archives - too_large.archives, failed.bytes - too_large.bytes),
            "",
        ),
    )
    for title, found, note in rows:
        if found.archives:
            size = size_text(found.bytes)
            yield f"  {title:<16} {found.archives:>9,}  {size:>10}   {note}".rstrip()
    if directories:
        yield f"  {'directories':<16} {directories:>9,}  {'':>10}   made by their markers alone"
    traffic = _traffic(prepared)
    if readable_load(prepared).bytes and traffic.traffic != 0:
        amount = amount_text(traffic.traffic, traffic.currency)
        yield f"  traffic of what can be read already: {amount}"
    needed, free = _to_write(totals), _free(destination)
    where = disk_of(existing(destination))
    if not any(totals[stage].archives for stage in _TO_WRITE):
        yield f"to {destination}: there is nothing to do; {size_text(free)} are free at {where}"
        return
    there = worklist.allocated
    allocated = f", {size_text(there)} of it allocated before" if there else ""
    disk = f"the disk at {where} has {size_text(free)} free"
    text = f"to {destination}: {size_text(needed)}{allocated}; {disk}"
    yield text if needed <= free + there else f"{text}: THIS IS TOO LITTLE"


def again_line(prepared: Prepared, options: Options, again: bool) -> str:
    """Return what `--rerequest yes` agrees to beside the plan, "" if nothing.

    Args:
        prepared: the plan.
        options: how archives are requested.
        again: whether the plan includes what was lost before.
    """
    if options.rerequest != "yes":
        return ""
    most = most_again(prepared, options)
    if most is None:
        return f"what is lost later is requested again, within --max-cost {options.max_cost}"
    if not most.jobs:
        return ""
    cost = prepared.cost(most, prepared.plan.load(options.tier.value, again))
    amount = amount_text(cost.total, cost.currency)
    if cost.total is None:
        amount = f"{most.jobs:,} jobs and {size_text(most.bytes)}"
    return f"what is lost later is requested again, for {amount} more at most"


def restore_facts(
    prepared: Prepared, worklist: Worklist, directories: int, destination: Path
) -> dict[str, object]:
    """Return the same for programs."""
    totals, found = worklist.totals(), everything(prepared, worklist)
    traffic = _traffic(prepared)
    return {
        "total_files": found.archives,
        "total_bytes": None if found.unsized else found.bytes,
        "destination": str(destination),
        "files_written": written_before(prepared, worklist).archives,
        "files_skipped": totals[Stage.SKIPPED].archives + totals[Stage.KEPT].archives,
        "files_kept": totals[Stage.KEPT].archives,
        "files_failed": totals[Stage.FAILED].archives,
        "directories": directories,
        "bytes_to_write": _to_write(totals),
        "bytes_allocated": worklist.allocated,
        "bytes_free": _free(destination),
        "traffic_of_readable": None if traffic.traffic is None else f"{traffic.traffic:f}",
    }


def everything(prepared: Prepared, worklist: Worklist) -> Sum:
    """Return all that was found, whatever becomes of it."""
    totals = worklist.totals().values()
    count, size = sum(one.archives for one in totals), sum(one.bytes for one in totals)
    return Sum(count, size, prepared.plan.all.unsized)


def written_before(prepared: Prepared, worklist: Worklist) -> Totals:
    """Return what earlier runs have written: nothing of it is requested or fetched."""
    totals, found = worklist.totals(), everything(prepared, worklist)
    too_large, others = prepared.plan.groups[Group.TOO_LARGE], prepared.plan.all
    decided = [totals[stage] for stage in (Stage.SKIPPED, Stage.KEPT, Stage.FAILED)]
    return Totals(
        found.archives
        + too_large.archives
        - others.archives
        - sum(one.archives for one in decided),
        found.bytes + too_large.bytes - others.bytes - sum(one.bytes for one in decided),
    )


def readable_load(prepared: Prepared) -> Load:
    """Return what is fetched that needs no request: only its traffic and its GETs cost."""
    groups = (prepared.plan.groups[one] for one in (Group.READABLE, Group.RUNNING))
    size = sum(one.bytes for one in groups) - prepared.plan.held
    return Load("standard", 0, size, load_of("", size).gets)


def _traffic(prepared: Prepared) -> Estimate:
    """Return what fetching costs that needs no request."""
    return prepared.prices.estimate([readable_load(prepared)], prepared.place.inside)


def _to_write(totals: dict[Stage, Totals]) -> int:
    return sum(totals[stage].bytes for stage in _TO_WRITE)


def _free(destination: Path) -> int:
    facts = os.statvfs(existing(destination))
    return facts.f_bavail * facts.f_frsize
