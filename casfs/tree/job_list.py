"""The jobs of a vault for people: what each retrieves, and how much of that is cached."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass

from casfs.blocks.block_cache import BlockCache
from casfs.errors import CasfsError, NotFoundError
from casfs.model import Job, Output
from casfs.tree.archives.queries import Archives
from casfs.tree.file_names import to_file_name
from casfs.tree.metadata.account import Account
from casfs.tree.metadata.job_table import JobTable
from casfs.tree.metadata.snapshot import KnownJob


@dataclass(frozen=True, slots=True)
class JobEntry:
    """A line of a list of jobs.

    Attributes:
        job: as the service describes it.
        path: of its archive, below `archives/`; None for an inventory, or if it has no name.
        size: bytes of its output, None if unknown.
        cached: bytes of its output that are in the cache.
        verified: `yes`, `partial` or `no`, as the attribute of its output; None without an output.
        retained: the service no longer lists it.
    """

    job: Job
    path: str | None = None
    size: int | None = None
    cached: int = 0
    verified: str | None = None
    retained: bool = False


@dataclass(frozen=True)
class JobList:
    """The jobs of an account.

    Attributes:
        account: knows the jobs.
        table: has those that are known.
        archives: knows the paths of archives.
        blocks: knows what is cached and verified.
        output: returns the output of a job and the number of its bytes.
    """

    account: Account
    table: JobTable
    archives: Archives
    blocks: BlockCache
    output: Callable[[Job, int], Output]

    def known(self, vault: str) -> Iterator[KnownJob]:
        """Yield every job of a vault, by the file names of the jobs.

        Raises:
            NotFoundError: there is no such vault.
            CasfsError: nothing is known, and the service failed; or the catalog did.
        """
        name = self.account.vault(to_file_name(vault)).name
        for job_name in self.account.job_names(name):
            # A job may vanish between listing it and looking at it.
            with suppress(NotFoundError):
                yield self.account.job(name, job_name)

    def entries(self, vault: str) -> Iterator[JobEntry]:
        """Yield what is known of every job of a vault, and of what is cached of it, as `known`."""
        return (self._entry(one.job, one.retained) for one in self.known(vault))

    def is_known(self, vault: str, job_id: str) -> bool:
        """Return whether a vault is known to have a job, without asking the service."""
        return self.table.job(vault, job_id) is not None

    def job(self, vault: str, job_id: str) -> Job:
        """Return a job, as `Account.job`.

        Raises:
            NotFoundError: no such vault or job.
            CasfsError: it is not known, and the service failed.
        """
        name = self.account.vault(to_file_name(vault)).name
        return self.account.job(name, to_file_name(job_id)).job

    def _entry(self, job: Job, retained: bool) -> JobEntry:
        path = None
        if job.archive_id is not None:
            archive = self.archives.by_id(job.vault, job.archive_id)
            path = archive.path if archive is not None else None
        size = self.account.known_size(job) if job.readable else job.size
        if not job.readable or size is None:
            return JobEntry(job, path, size, retained=retained)
        try:
            opened = self.blocks.open(self.output(job, size))
        except CasfsError:
            # What cannot be used of the cache directory is reported where it is read.
            return JobEntry(job, path, size, retained=retained)
        cached = opened.store.cached_bytes()
        return JobEntry(job, path, size, cached, opened.verified(), retained)
