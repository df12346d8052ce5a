"""The bytes of an archive, from the jobs that retrieved it."""

import contextlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime

from casfs.errors import CasfsError, ExpiredError
from casfs.model import Job, JobState, Output
from casfs.service.service import Service
from casfs.settings import EXPIRING_WITHIN
from casfs.tree.archive_outputs import with_others
from casfs.tree.archives.entries import Archive
from casfs.tree.archives.states import Condition, JobsOfArchives, condition, size_of
from casfs.tree.coverage import (
    completed_output,
    digest_of,
    joined_output,
    lasting_output,
    lasting_parts,
)
from casfs.tree.metadata.snapshot import KnownJob
from casfs.tree.sqlite.database import Database

KnownJobs = Mapping[str, Sequence[KnownJob]]
"""Jobs by the ids of their archives."""

_FIRST = datetime.min.replace(tzinfo=UTC)


class ArchiveJobs:
    """The archives of an account as its jobs cover them.

    Args:
        service: understands jobs.
        database: stores them.
        expiring_within: seconds before its expiry from which on an archive is expiring.
    """

    def __init__(
        self,
        service: Service,
        database: Database,
        expiring_within: float = EXPIRING_WITHIN,
    ) -> None:
        self._expiring_within = expiring_within
        self._origin = service.origin
        self._jobs = JobsOfArchives(database, service.parse_job)

    def output(self, vault: str, archive: Archive) -> Output:
        """Return the output to read for an archive, from jobs that are still listed if possible.

        Of these, it is from those that have all of it for the longest time; see `expiries`. What
        they lack is to be in the cache, where jobs have put it that are no longer listed.

        Raises:
            ExpiredError: it cannot be read, or no longer.
            CasfsError: jobs and inventory contradict each other.
        """
        return self._output(vault, archive, self._of(vault, archive))

    def of(self, vault: str, archives: Sequence[Archive]) -> KnownJobs:
        """Return the running and succeeded jobs of archives, for `outputs` and `expiries`.

        Raises:
            CasfsError: the catalog cannot be read.
        """
        return self._jobs.of(vault, [archive.id for archive in archives])

    def outputs(
        self, vault: str, archives: Sequence[Archive], jobs: KnownJobs
    ) -> Iterator[tuple[str, Output]]:
        """Yield id and output of archives, as `output`; those that it refuses are left out.

        Args:
            vault: name of the vault.
            archives: of it.
            jobs: what `of` returned for them.
        """
        for archive in archives:
            with contextlib.suppress(CasfsError):
                yield archive.id, self._output(vault, archive, jobs.get(archive.id, []))

    def output_until(self, vault: str, archive: Archive) -> tuple[Output, datetime | None]:
        """Return what `output` does, and until when the service has all that it has of it.

        The time is None if that is unknown, or if the service has nothing of it any more.

        Raises:
            CasfsError: as `output`.
        """
        jobs = self._of(vault, archive)
        output = self._output(vault, archive, jobs)
        listed = {known.job.id: known.job.expires for known in jobs if not known.retained}
        times = [listed.get(source.job_id) for source in output.sources]
        return output, min((time for time in times if time is not None), default=None)

    def _output(self, vault: str, archive: Archive, jobs: Sequence[KnownJob]) -> Output:
        succeeded = [known for known in jobs if known.job.state is JobState.SUCCEEDED]
        if not succeeded:
            raise ExpiredError(
                f"archive {archive.id} of vault {vault} can no longer be read: its jobs are "
                "gone; start a new retrieval job"
            )
        listed = [known.job for known in succeeded if not known.retained]
        unlisted = [known.job for known in succeeded if known.retained]
        output = self._join(archive, listed, unlisted)
        if output is None:
            raise CasfsError(
                f"the jobs of archive {archive.id} in vault {vault} contradict its "
                "inventory; read the outputs of the jobs, and compare them"
            )
        # A plan asks for the outputs of a million archives, most of which have a single job.
        return with_others(output, [*listed, *unlisted], self._origin) if jobs[1:] else output

    def condition(self, vault: str, archive: Archive, now: datetime) -> Condition:
        """Return whether an archive can be read at a time, and for how long."""
        return condition(archive, self._of(vault, archive), now, self._expiring_within)

    def expiries(
        self, archives: Sequence[Archive], jobs: KnownJobs
    ) -> Iterator[tuple[str, datetime | None]]:
        """Yield the ids of archives that the service has something of, and until when all of that.

        That is when the first expires of the jobs that `outputs` reads; None if it is unknown.

        Args:
            archives: of one vault.
            jobs: what `of` returned for them.
        """
        for archive in archives:
            listed = [one.job for one in jobs.get(archive.id, []) if not one.retained]
            size = size_of(archive, listed)
            if size is None:
                continue
            lasting = lasting_parts(listed, size, digest_of(archive.tree_hash))
            if lasting:
                times = [job.expires for job in lasting if job.expires is not None]
                yield archive.id, min(times, default=None)

    def latest(self, vault: str, archive: Archive) -> Job | None:
        """Return the succeeded job of an archive that was created last, None if there is none."""
        jobs = [known.job for known in self._of(vault, archive)]
        done = [job for job in jobs if job.state is JobState.SUCCEEDED]
        return max(done, key=lambda job: job.created or _FIRST, default=None)

    def in_ranges_or_unlisted(self, vault: str, archive_ids: Iterable[str]) -> list[str]:
        """Return those of some archives of which a job brought a range, or is no longer listed.

        Raises:
            CasfsError: the catalog cannot be read.
        """
        return self._jobs.in_ranges_or_unlisted(vault, archive_ids)

    def joins(self, jobs: Sequence[Job]) -> bool:
        """Return whether jobs, all for one archive, cover all of it together, by what they say."""
        size = next((job.archive_size for job in jobs if job.archive_size), None)
        return size is not None and joined_output(jobs, size, None, self._origin) is not None

    def _of(self, vault: str, archive: Archive) -> list[KnownJob]:
        return self._jobs.of(vault, [archive.id]).get(archive.id, [])

    def _join(
        self, archive: Archive, listed: Sequence[Job], unlisted: Sequence[Job]
    ) -> Output | None:
        digest, origin, every = digest_of(archive.tree_hash), self._origin, [*listed, *unlisted]
        size = size_of(archive, listed)
        output = None if size is None else lasting_output(listed, size, digest, origin)
        size = size_of(archive, every)
        if output is not None or size is None:
            return output
        completed = completed_output(listed, unlisted, size, digest, origin)
        return completed or joined_output(every, size, digest, origin)
