"""Listings that shrank suspiciously: worth a warning, since others may synchronize deletions."""

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from casfs.model import OUTPUT_LIFETIME, Job

log = logging.getLogger(__name__)

_FEW = 10
"""Entries that a listing may lose without a warning, as it may lose a tenth of them."""


@dataclass(frozen=True)
class ListingChange:
    """What a new listing changed.

    Attributes:
        before: entries of the listing before it.
        lost: descriptions of those that are gone; empty if they are too few to matter.
    """

    before: int
    lost: list[str]


def matters(lost: int, before: int) -> bool:
    """Return whether a listing lost more than a few entries, and more than a tenth."""
    return lost > _FEW and lost * 10 > before


def warn_of_lost_jobs(vault: str, change: ListingChange, lost: Iterable[Job]) -> None:
    """Log a warning if a vault's list of jobs lost many that were not due to expire.

    Args:
        vault: name of the vault.
        change: what the new list changed.
        lost: the jobs of `change.lost`.
    """
    now = datetime.now(UTC)
    _warn(f"the list of jobs of vault {vault}", sum(not _was_due(job, now) for job in lost), change)


def warn_of_lost_vaults(change: ListingChange) -> None:
    """Log a warning if the list of vaults lost many."""
    _warn("the list of vaults", len(change.lost), change)


def _warn(what: str, lost: int, change: ListingChange) -> None:
    if matters(lost, change.before):
        log.warning(
            "%s lost %d of %d entries that were not due to expire; if nobody has deleted them, "
            "check --endpoint, account and key, and do not synchronize "
            "deletions (rsync --delete) from this mount",
            what,
            lost,
            change.before,
        )


def _was_due(job: Job, now: datetime) -> bool:
    """Return whether an output may have expired: that of a running job only after a day."""
    began = job.completed or job.created
    try:
        return began is not None and began + OUTPUT_LIFETIME <= now
    except OverflowError:
        return False
