"""Archives that need no new job: found out for many at a time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from casfs.blocks.disk.store import DiskCache
from casfs.model import JobState, output_key
from casfs.tree.archive_index import ArchiveIndex
from casfs.tree.archive_jobs import ArchiveJobs
from casfs.tree.archives.selection import Selected
from casfs.tree.coverage import digest_of
from casfs.tree.metadata.snapshot import KnownJob


@dataclass(frozen=True, slots=True)
class Available:
    """What is cached of some archives, and what finished jobs cover together.

    Attributes:
        cached: ids of those whose bytes are all in the cache.
        joined: ids of others that listed jobs cover, and when the first of these jobs expires, UTC;
            None if that is unknown. One that a single job covers is among them only if other jobs
            have brought ranges of it.
    """

    cached: frozenset[str]
    joined: Mapping[str, datetime | None]


@dataclass(frozen=True)
class AvailableArchives:
    """The archives of an account that the cache holds, or that finished jobs cover together.

    Attributes:
        index: finds archives.
        jobs: which jobs cover each archive.
        disk: the cache.
        origin: see `Service`.
    """

    index: ArchiveIndex
    jobs: ArchiveJobs
    disk: DiskCache
    origin: tuple[str, ...]

    def among(self, vault: str, archives: Sequence[Selected]) -> Available:
        """Return what is cached of some archives, and which of them finished jobs cover together.

        The catalog is asked only for those of which the cache has something, jobs have brought
        ranges, or a job is no longer listed.

        Raises:
            CasfsError: the catalog cannot be read.
        """
        unsure: list[str] = []
        by_key: dict[str, str] = {}
        for one in archives:
            digest = digest_of(one.tree_hash)
            if one.size is None or digest is None:
                unsure.append(one.id)
            else:
                key = output_key(self.origin, vault, one.id, 0, digest, one.size)
                by_key[key] = one.id
        held = [by_key[key] for key in self.disk.held(by_key)]
        by_job = self.jobs.in_ranges_or_unlisted(vault, [one.id for one in archives])
        ids = list(dict.fromkeys([*unsure, *held, *by_job]))
        if not ids:
            return Available(frozenset(), {})
        known = [one for one in self.index.by_ids(vault, ids) if one.readable]
        jobs = self.jobs.of(vault, known)
        outputs = dict(self.jobs.outputs(vault, known, jobs))
        keys = {output.key for output in self.disk.held_everywhere(list(outputs.values()))}
        cached = frozenset(one for one, output in outputs.items() if output.key in keys)
        others = frozenset(one for one in by_job if _in_ranges(jobs.get(one, ()))) - cached
        joined = self.jobs.expiries([one for one in known if one.id in others], jobs)
        return Available(cached, dict(joined))


def _in_ranges(jobs: Sequence[KnownJob]) -> bool:
    """Return whether some jobs of an archive brought ranges of it: others need not be joined."""
    return any(known.job.state is JobState.SUCCEEDED and not known.job.whole for known in jobs)
