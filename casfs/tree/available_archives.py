"""Archives that need no new job: found out for many at a time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from casfs.blocks.disk.store import DiskCache
from casfs.model import Output, output_key
from casfs.tree.archive_index import ArchiveIndex
from casfs.tree.archive_jobs import ArchiveJobs
from casfs.tree.archives.selection import Selected
from casfs.tree.coverage import digest_of
from casfs.tree.metadata.snapshot import KnownJob


@dataclass(frozen=True, slots=True)
class Rest:
    """What finished jobs must still bring of an archive, so that all of it is there.

    Attributes:
        bytes: that are not in the cache.
        expires: when the first of these jobs expires, UTC; None if that is unknown.
    """

    bytes: int
    expires: datetime | None


@dataclass(frozen=True, slots=True)
class Available:
    """What is cached of some archives, and what finished jobs cover of the rest.

    Attributes:
        cached: ids of those whose bytes are all in the cache.
        joined: ids of others of which listed jobs cover all that the cache lacks, and what that is.
            One that a single job covers alone need not be among them.
    """

    cached: frozenset[str]
    joined: Mapping[str, Rest]


@dataclass(frozen=True)
class AvailableArchives:
    """The archives of an account that the cache and finished jobs have together.

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

    def among(self, vault: str, archives: Sequence[Selected], shown: bool = True) -> Available:
        """Return what is cached of some archives, and of which of them jobs cover the rest.

        The catalog is asked only for those of which the cache has something, jobs have brought
        ranges, or a job is no longer listed.

        Args:
            vault: name of the vault.
            archives: of it.
            shown: leave out what a mount does not show as a file, though a restore can write it:
                that of which an expired job has left only a part in the cache.

        Raises:
            CatalogError: the catalog, or what is cached, cannot be read.
            CasfsError: what is cached is not ours.
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
        known = [one for one in self.index.by_ids(vault, ids) if one.readable or not shown]
        jobs = self.jobs.of(vault, known)
        outputs = dict(self.jobs.outputs(vault, known, jobs))
        lacking = self.disk.lacking(list(outputs.values()))
        found: dict[str, Rest] = {}
        for (archive, output), sizes in zip(outputs.items(), lacking, strict=True):
            rest = self._rest(output, sizes, jobs[archive], shown)
            if rest is not None:
                found[archive] = rest
        joined = {archive: rest for archive, rest in found.items() if rest.bytes}
        return Available(frozenset(found.keys() - joined.keys()), joined)

    def _rest(
        self, output: Output, lacking: list[int], jobs: Sequence[KnownJob], shown: bool
    ) -> Rest | None:
        """Return what listed jobs must bring of an archive; None if they do not have all of that.

        Args:
            output: the archive.
            lacking: bytes of each of its sources that the cache lacks.
            jobs: for the archive.
            shown: as in `among`.
        """
        listed = {known.job.id: known.job for known in jobs if not known.retained}
        times: list[datetime] = []
        for source, size in zip(output.sources, lacking, strict=True):
            job = listed.get(source.job_id)
            if job is None:
                part = replace(output, sources=(replace(source, run=source.own),), others=())
                if size or (shown and not self.disk.holds_everywhere(part)):
                    return None
            elif size and job.expires is not None:
                times.append(job.expires)
        return Rest(sum(lacking), min(times, default=None))
