"""What a plan says of a restore beside what it requests: what is there, traffic, room."""

import os
from collections.abc import Iterator
from pathlib import Path

from casfs.cli.show import size_text
from casfs.disks import disk_of, existing
from casfs.restore.amounts import Estimate, amount_text
from casfs.restore.plan import Group
from casfs.restore.preparing import Prepared
from casfs.restore.prices import Load, load_of
from casfs.restore.work_items import Stage, Totals
from casfs.restore.worklist import Worklist


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
    for title, stage in (("skipped", Stage.SKIPPED), ("cannot be restored", Stage.FAILED)):
        count, size = totals[stage].archives, size_text(totals[stage].bytes)
        if count:
            yield f"  {title:<16} {count:>9,}  {size:>10}"
    if directories:
        yield f"  {'directories':<16} {directories:>9,}  {'':>10}   made by their markers alone"
    traffic = _traffic(prepared)
    if readable_load(prepared).bytes and traffic.traffic != 0:
        amount = amount_text(traffic.traffic, traffic.currency)
        yield f"  traffic of what can be read already: {amount}"
    needed, free = _to_write(totals), _free(destination)
    where = disk_of(existing(destination))
    there = worklist.allocated
    allocated = f", {size_text(there)} of it allocated before" if there else ""
    disk = f"the disk at {where} has {size_text(free)} free"
    text = f"to {destination}: {size_text(needed)}{allocated}; {disk}"
    yield text if needed <= free + there else f"{text}: THIS IS TOO LITTLE"


def restore_facts(
    prepared: Prepared, worklist: Worklist, directories: int, destination: Path
) -> dict[str, object]:
    """Return the same for programs."""
    totals = worklist.totals()
    traffic = _traffic(prepared)
    return {
        "destination": str(destination),
        "files_skipped": totals[Stage.SKIPPED].archives,
        "files_failed": totals[Stage.FAILED].archives,
        "directories": directories,
        "bytes_to_write": _to_write(totals),
        "bytes_allocated": worklist.allocated,
        "bytes_free": _free(destination),
        "traffic_of_readable": None if traffic.traffic is None else f"{traffic.traffic:f}",
    }


def readable_load(prepared: Prepared) -> Load:
    """Return what is fetched that needs no request: only its traffic and its GETs cost."""
    groups = (prepared.plan.groups[one] for one in (Group.READABLE, Group.RUNNING))
    size = sum(one.bytes for one in groups)
    return Load("standard", 0, size, load_of("", size).gets)


def _traffic(prepared: Prepared) -> Estimate:
    """Return what fetching costs that needs no request."""
    return prepared.prices.estimate([readable_load(prepared)], prepared.place.inside)


def _to_write(totals: dict[Stage, Totals]) -> int:
    return sum(totals[one].bytes for one in (Stage.WAITING, Stage.READABLE))


def _free(destination: Path) -> int:
    facts = os.statvfs(existing(destination))
    return facts.f_bavail * facts.f_frsize
