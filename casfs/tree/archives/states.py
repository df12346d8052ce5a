"""Whether an archive can be read, and for how long, according to its jobs."""

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum

from casfs.model import Job, JobState
from casfs.settings import EXPIRING_WITHIN
from casfs.tree.archives.entries import Archive
from casfs.tree.archives.readable import Parse
from casfs.tree.coverage import digest_of, lasting_jobs
from casfs.tree.metadata.job_columns import PARTLY_CACHED
from casfs.tree.metadata.snapshot import KnownJob
from casfs.tree.sqlite.database import Database
from casfs.tree.sqlite.values import hash_of

_LAST = datetime.max.replace(tzinfo=UTC)


class ArchiveState(Enum):
    """Whether an archive can be read; retained is one that needs no job any more."""

    READABLE = "readable"
    EXPIRING = "expiring"
    RETAINED = "retained"
    RUNNING = "running"
    COLD = "cold"


@dataclass(frozen=True, slots=True)
class Condition:
    """The state of an archive; times are UTC, None is unknown or does not apply.

    Attributes:
        expires: when the service drops the first part of what it has to be read from.
        ready: by when the running job is done, if it takes as long as usual.
    """

    state: ArchiveState
    expires: datetime | None = None
    ready: datetime | None = None


class JobsOfArchives:
    """The jobs that retrieve archives.

    Args:
        database: stores them.
        parse: parses jobs from their descriptions.
    """

    def __init__(self, database: Database, parse: Parse) -> None:
        self._database = database
        self._parse = parse

    def of(self, vault: str, archive_ids: Iterable[str]) -> dict[str, list[KnownJob]]:
        """Return the running and succeeded jobs of each archive that has some.

        Raises:
            CasfsError: the catalog cannot be read.
        """
        hashes = json.dumps([hash_of(vault, archive_id) for archive_id in archive_ids])
        found: defaultdict[str, list[KnownJob]] = defaultdict(list)
        for description, listed in self._database.rows(_JOBS, f"vaults/{vault}", hashes):
            job = self._parse(vault, description)
            if job.archive_id is not None:
                found[job.archive_id].append(KnownJob(job, retained=not listed))
        return dict(found)

    def in_ranges_or_unlisted(self, vault: str, archive_ids: Iterable[str]) -> list[str]:
        """Return those of some archives of which a job brought a range, or is no longer listed.

        What is cached of them may be under the keys of their jobs.

        Raises:
            CasfsError: the catalog cannot be read.
        """
        by_hash = {hash_of(vault, archive_id): archive_id for archive_id in archive_ids}
        rows = self._database.rows(
            _IN_RANGES_OR_UNLISTED, json.dumps(list(by_hash)), f"vaults/{vault}"
        )
        return [by_hash[hash_] for (hash_,) in rows]


def condition(
    archive: Archive,
    jobs: Sequence[KnownJob],
    now: datetime,
    expiring_within: float = EXPIRING_WITHIN,
) -> Condition:
    """Return the state of an archive.

    Args:
        archive: says whether it can be read.
        jobs: all of its jobs, as `JobsOfArchives` returns them.
        now: the time, UTC.
        expiring_within: seconds before its expiry from which on it is expiring.
    """
    if not archive.readable:
        running = [known.job for known in jobs if known.job.state is JobState.RUNNING]
        return _running(running) if running else Condition(ArchiveState.COLD)
    needed = _needed(archive, [one for one in jobs if one.job.state is JobState.SUCCEEDED])
    if not needed:
        return Condition(ArchiveState.RETAINED)
    times = [job.expires for job in needed if job.expires is not None]
    expires = min(times, default=None)
    soon = expires is not None and (expires - now).total_seconds() < expiring_within
    return Condition(ArchiveState.EXPIRING if soon else ArchiveState.READABLE, expires)


def _needed(archive: Archive, succeeded: Sequence[KnownJob]) -> Sequence[Job]:
    """Return the listed jobs without which an archive cannot be read, and that last longest."""
    listed = [known.job for known in succeeded if not known.retained]
    every = [known.job for known in succeeded]
    size, digest = size_of(archive, every), digest_of(archive.tree_hash)
    if size is None or not listed:
        return listed
    alone = lasting_jobs(listed, size, digest)
    if alone:
        return alone
    retained = {known.job.id for known in succeeded if known.retained}
    together = lasting_jobs(every, size, digest, retained)
    # Jobs that contradict each other cannot be joined: whoever compares them needs each.
    return [job for job in together or listed if job.id not in retained]


def size_of(archive: Archive, jobs: Iterable[Job]) -> int | None:
    """Return the size of an archive, as some of its jobs say it where the inventory does not."""
    if archive.size is not None:
        return archive.size
    return next((job.archive_size for job in jobs if job.archive_size), None)


def _running(jobs: list[Job]) -> Condition:
    # The job that was created first is likely to be done first.
    first = min(jobs, key=lambda job: job.created or _LAST)
    return Condition(ArchiveState.RUNNING, ready=first.ready)


_JOBS = """SELECT description,
    generation >= ifnull((SELECT generation FROM listings WHERE scope = ?), 0)
    FROM jobs WHERE hash IN (SELECT value FROM json_each(?)) ORDER BY vault, id"""
_IN_RANGES_OR_UNLISTED = f"""SELECT DISTINCT hash FROM jobs
    WHERE hash IN (SELECT value FROM json_each(?)) AND state IN ('succeeded', '{PARTLY_CACHED}')
    AND (NOT whole OR generation < (SELECT generation FROM listings WHERE scope = ?))"""  # noqa: S608 - a constant
