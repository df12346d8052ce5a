"""A snapshot of vaults and jobs, from database and cache, without asking the service."""

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from casfs.errors import CacheError
from casfs.model import Job, Output
from casfs.service.service import Service
from casfs.tree.archive_outputs import archive_part
from casfs.tree.coverage import digest_of
from casfs.tree.file_names import from_file_name, is_cut, to_file_name
from casfs.tree.metadata.job_keys import job_keys
from casfs.tree.metadata.job_table import JobTable
from casfs.tree.times import mtime

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class KnownJob:
    """A job, and whether it is retained: no longer listed by the service, but fully cached.

    While it cannot be found out what is cached, one that may be retained is.
    """

    job: Job
    retained: bool


class Cache(Protocol):
    """What of outputs is cached; see `DiskCache`."""

    def holds_whole(self, output: Output) -> bool:
        """Return whether every block of an output seems to be there.

        Raises:
            CacheError: that cannot be found out.
        """

    def holds_everywhere(self, output: Output) -> bool:
        """Return whether every block of its sources seems to be in one of its places.

        Raises:
            CacheError: that cannot be found out.
        """

    def held(self, keys: Iterable[str]) -> Iterable[str]:
        """Yield those of some keys of outputs of which there may be something.

        Raises:
            CacheError: that cannot be found out.
        """


class Snapshot:
    """What the database knows, without what the service dropped and the cache lacks.

    Args:
        service: understands its own descriptions.
        table: has them.
        cache: knows what of outputs is cached.
    """

    def __init__(self, service: Service, table: JobTable, cache: Cache) -> None:
        self._service = service
        self._table = table
        self._cache = cache

    def vaults(self, forget: bool) -> dict[str, tuple[str, str]]:
        """Return name and description of each vault by its file name.

        Args:
            forget: whether to forget those that are gone.
        """
        found = {}
        for name, description, listed in self._table.vaults():
            if listed or self.jobs(name):
                found[to_file_name(name)] = name, description
            elif forget:
                self._table.remove_vault(name)
        return found

    def jobs(self, vault: str) -> dict[str, int]:
        """Return the mtime of each job of a vault by its file name; forgets those that are gone."""
        names: dict[str, int] = {}
        gone: list[Job] = []
        for row in self._table.job_times(vault):
            time = row.mtime
            if time is None or not row.listed:
                job = self._service.parse_job(vault, row.description or "{}")
                if not (row.listed or self.is_retained(job)):
                    gone.append(job)
                    continue
                time = mtime(job)
            names[to_file_name(row.id)] = time
        if not self._forget(vault, gone):
            names.update((to_file_name(job.id), mtime(job)) for job in gone)
        self._table.put_newest_job(vault, max(names.values(), default=None))
        return names

    def job_id(self, vault: str, file_name: str) -> str | None:
        """Return the job with this file name, None if there can be none."""
        if is_cut(file_name):
            ids = (row.id for row in self._table.job_times(vault))
            return next((job_id for job_id in ids if to_file_name(job_id) == file_name), None)
        return from_file_name(file_name)

    def job(self, vault: str, job_id: str) -> KnownJob | None:
        """Return a job, None if it is not known."""
        row = self._table.job(vault, job_id)
        if row is None:
            return None
        job = self._service.parse_job(vault, row.description)
        if not row.listed and not self.is_retained(job):
            return None
        return KnownJob(job, retained=not row.listed)

    def forget_job(self, vault: str, job_id: str) -> None:
        """Forget a job that is gone, unless something of it may be cached."""
        row = self._table.job(vault, job_id)
        if row is not None:
            self._forget(vault, [self._service.parse_job(vault, row.description)])

    def inventory_jobs(self, vault: str) -> list[Job]:
        """Return the inventory jobs of a vault that have an output."""
        jobs = (
            self._service.parse_job(vault, description)
            for description in self._table.inventory_jobs(vault)
        )
        return [job for job in jobs if job.readable]

    def size(self, job: Job) -> int | None:
        """Return the size of a job's output, None if that must be measured.

        The measured size of an inventory takes precedence over what its job states.
        """
        if not job.measured:
            return job.size
        row = self._table.job(job.vault, job.id)
        return row.size if row else None

    def expected_size(self, job: Job) -> int | None:
        """Return the size of an output as measured, else as its job states it; None if neither."""
        size = self.size(job)
        return job.size if size is None else size

    def output(self, vault: str, file_name: str) -> Output | None:
        """Return the output of a job, None if it has none or something about it is unknown."""
        job_id = self.job_id(vault, file_name)
        known = self.job(vault, job_id) if job_id is not None else None
        if known is None or not known.job.readable:
            return None
        size = self.size(known.job)
        return None if size is None else self._service.output(known.job, size)

    def is_retained(self, job: Job) -> bool:
        """Return whether the output of a job is fully cached, or may be."""
        try:
            return self._holds_whole(job)
        except CacheError as error:
            log.info("job %s of vault %s is kept: %s", job.id, job.vault, error)
            return True

    def is_cached(self, job: Job) -> bool:
        """Return whether the output of a job is fully cached, as far as that can be found out."""
        try:
            return self._holds_whole(job)
        except CacheError as error:
            log.info("job %s of vault %s is not read: %s", job.id, job.vault, error)
            return False

    def _holds_whole(self, job: Job) -> bool:
        if not job.readable:
            return False
        size = self.expected_size(job)
        # An empty output has nothing to retain.
        if size is None or size == 0:
            return False
        return self._cache.holds_whole(self._service.output(job, size))

    def _forget(self, vault: str, jobs: Sequence[Job]) -> bool:
        """Forget jobs of which nothing is cached; return False if that cannot be found out.

        By others, a restore finds what they have left of an archive. A part of an inventory is of
        no use.
        """
        if not jobs:
            return True
        keys = {job.id: self._keys(job) for job in jobs}
        try:
            held = frozenset(self._cache.held({key for some in keys.values() for key in some}))
        except CacheError as error:
            log.warning("jobs that are no longer listed are kept: %s", error)
            return False
        some = [job for job in jobs if job.archive_id is not None and keys[job.id] & held]
        gone = {job.id for job in jobs}.difference(job.id for job in some)
        self._table.settle_jobs(vault, gone, [job.id for job in some if not self._has_part(job)])
        return True

    def _keys(self, job: Job) -> frozenset[str]:
        stated = self._table.archive_hash(job.vault, job.archive_id) if job.archive_id else None
        return job_keys(self._service, job, self.expected_size(job), stated)

    def _has_part(self, job: Job) -> bool:
        """Return whether all that a job brought of its archive is cached, or may be.

        It may be so under the keys of the archive and of the job together. If that is true of all
        jobs of an archive, it can be read without them.
        """
        if job.archive_id is None or job.archive_size is None:
            return False
        stated = self._table.archive_hash(job.vault, job.archive_id)
        of_archive = digest_of(stated) or job.archive_tree_hash
        part = archive_part(job, job.archive_size, of_archive, self._service.origin)
        try:
            return part is not None and self._cache.holds_everywhere(part)
        except CacheError as error:
            log.info("job %s of vault %s is kept: %s", job.id, job.vault, error)
            return True
