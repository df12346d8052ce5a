"""Which outputs of a vault can be fetched now, until when, and how much of each is missing."""

import shlex
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from casfs.blocks.fill_cache import Filler, Filling
from casfs.errors import CasfsError, ExpiredError, NotFoundError
from casfs.model import Job, JobKind, JobState, Output
from casfs.tree.archive_jobs import ArchiveJobs
from casfs.tree.archives.entries import Archive, Scope
from casfs.tree.archives.queries import Archives
from casfs.tree.archives.states import ArchiveState
from casfs.tree.descriptions.safe_path import BY_ID
from casfs.tree.file_names import to_file_name
from casfs.tree.metadata.account import Account
from casfs.tree.metadata.job_table import JobTable
from casfs.tree.retrievals import Retrievals


@dataclass(frozen=True, slots=True)
class FetchableOutput:
    """An output that can be fetched, or that the cache has already.

    Attributes:
        vault: name of its vault.
        name: what people call it: the path of an archive, or the job.
        archive: id of the archive that it is all of, None if it is not all of one.
        job: id of the job whose own output it is, None for an archive.
        expires: until when the service has it, UTC; None if that is unknown.
        size: bytes of all of it.
        missing: those that only the service can bring.
    """

    vault: str
    name: str
    archive: str | None
    job: str | None
    expires: datetime | None
    size: int
    missing: int


@dataclass(frozen=True, slots=True)
class Unreadable:
    """An archive or a job that was asked for, and that cannot be read now.

    Attributes:
        running: a job that brings it is running.
        reason: why it cannot be read, and what to do.
    """

    name: str
    archive: str | None
    job: str | None
    running: bool
    reason: str


class FetchableOutputs:
    """The outputs that an account's jobs bring.

    Args:
        account: knows jobs.
        table: has them.
        jobs: which jobs cover each archive.
        archives: the catalog.
        retrievals: finds archives.
        filler: fetches outputs.
    """

    def __init__(
        self,
        account: Account,
        table: JobTable,
        jobs: ArchiveJobs,
        archives: Archives,
        retrievals: Retrievals,
        filler: Filler,
    ) -> None:
        self._account = account
        self._table = table
        self._jobs = jobs
        self._archives = archives
        self._retrievals = retrievals
        self._filler = filler

    @property
    def is_listing(self) -> bool:
        """Return whether jobs are being listed now."""
        return self._table.is_listing

    def selected(self, vault: str, wanted: Sequence[str]) -> Iterator[FetchableOutput | Unreadable]:
        """Yield the outputs of jobs and archives, each once.

        Args:
            vault: name of the vault, whose jobs were listed just now.
            wanted: ids of jobs; paths, ids and patterns of archives, as `Retrievals.matching`.

        Raises:
            NotFoundError: one is neither a job nor a cataloged archive.
            CasfsError: the catalog cannot be read, or the service failed; also during iteration.
        """
        self._retrievals.index.refresh()
        seen: set[str] = set()
        for text in wanted:
            for found in self._matching(vault, text):
                key = found.archive or f"job {found.job}"
                if key not in seen:
                    seen.add(key)
                    yield found

    def all(
        self, vault: str, ask: bool = True, step: Callable[[], None] = lambda: None
    ) -> Iterator[FetchableOutput]:
        """Yield every output of a vault that can be read now.

        Archives that several jobs bring together come as one; so do inventories, and what single
        jobs bring of archives that cannot be read as a whole.

        Args:
            vault: name of the vault.
            ask: ask the service for sizes that are not known; else leave such outputs out.
            step: is called from time to time before the first output; see `TimeShare`.

        Raises:
            CasfsError: as `selected`.
        """
        self._retrievals.index.refresh(step)
        whole: set[str] = set()
        for archive in self._readable(vault):
            found = self._archive_output(vault, archive, archive.path or "")
            if isinstance(found, FetchableOutput):
                whole.add(archive.id)
                yield found
        now = self._retrievals.now()
        for _, description, listed in self._table.jobs(vault):
            if not listed:
                continue
            job = self._retrievals.service.parse_job(vault, description)
            gone = job.expires is not None and job.expires <= now
            if job.readable and not gone and job.archive_id not in whole:
                output = self._account.output_as_known(job)
                if output is not None or ask:
                    yield self._of_job(job, output)

    def _readable(self, vault: str) -> Iterator[Archive]:
        yield from self._retrievals.index.nameless(vault, Scope.READABLE)
        yield from self._archives.find(vault, "*", Scope.READABLE)

    @property
    def filler(self) -> Filler:
        """Return what knows the cache."""
        return self._filler

    def filling(self, one: FetchableOutput) -> Filling:
        """Return what brings an output into the cache.

        Raises:
            ExpiredError: it can no longer be read.
            CasfsError: its size is not known, and the service failed.
        """
        return self._filler.of(self._output(one))

    def _output(self, one: FetchableOutput) -> Output:
        if one.job is not None:
            return self._account.output(self._account.job(one.vault, to_file_name(one.job)).job)
        archive = self._archives.by_id(one.vault, one.archive or "")
        if archive is None:
            raise ExpiredError(f"archive {one.archive} of vault {one.vault} is no longer known")
        return self._jobs.output(one.vault, archive)

    def _matching(self, vault: str, text: str) -> Iterator[FetchableOutput | Unreadable]:
        if self._table.job(vault, text) is not None:
            yield self._job(vault, text)
            return
        try:
            for one in self._retrievals.matching(vault, text):
                yield self._archive(vault, one.id, one.name)
        except NotFoundError as error:
            try:
                yield self._job(vault, text)
            except NotFoundError:
                raise NotFoundError(f"{error}; nor is it a job") from None

    def _job(self, vault: str, job_id: str) -> FetchableOutput | Unreadable:
        job = self._account.job(vault, to_file_name(job_id)).job
        if job.readable:
            return self._of_job(job)
        running = job.state is JobState.RUNNING
        if running:
            reason = _reason("its job is still running; run:", "wait", vault, job.id)
        elif job.state is JobState.FAILED:
            reason = "its job failed"
        else:
            reason = "the job has no output"
        return Unreadable(f"job {job.id}", None, job.id, running, reason)

    def _of_job(self, job: Job, known: Output | None = None) -> FetchableOutput:
        output = known or self._account.output_as_known(job) or self._account.output(job)
        what = "inventory" if job.kind is JobKind.INVENTORY else "output"
        return FetchableOutput(
            vault=job.vault,
            name=f"{what} of job {job.id}",
            archive=None,
            job=job.id,
            expires=job.expires,
            size=output.layout.size,
            missing=self._filler.of(output).missing(),
        )

    def _archive(self, vault: str, archive_id: str, name: str) -> FetchableOutput | Unreadable:
        archive = self._archives.by_id(vault, archive_id)
        if archive is None or not archive.readable:
            return self._unreadable(vault, archive, archive_id, _named(archive_id, name))
        return self._archive_output(vault, archive, name)

    def _archive_output(
        self, vault: str, archive: Archive, name: str
    ) -> FetchableOutput | Unreadable:
        name = _named(archive.id, name)
        try:
            output, expires = self._jobs.output_until(vault, archive)
        except CasfsError as error:
            # It has expired, or jobs and inventory contradict each other: trouble of this archive.
            return Unreadable(name, archive.id, None, False, str(error))
        missing = self._filler.of(output).missing()
        size = output.layout.size
        return FetchableOutput(vault, name, archive.id, None, expires, size, missing)

    def _unreadable(
        self, vault: str, archive: Archive | None, archive_id: str, name: str
    ) -> Unreadable:
        running = False
        if archive is not None:
            state = self._jobs.condition(vault, archive, self._retrievals.now()).state
            running = state is ArchiveState.RUNNING
        # By its id: another archive may have the same name.
        if running:
            reason = _reason("its job is still running; run:", "wait", vault, archive_id)
        else:
            reason = _reason("no job has it; start one with", "request", vault, archive_id)
        return Unreadable(name, archive_id, None, running, reason)


def _reason(why: str, *command: str) -> str:
    return f"{why} {shlex.join(['casfs', *command])}"


def _named(archive_id: str, name: str) -> str:
    """Return what people call an archive: one without a name goes by its id."""
    return name or f"{BY_ID}/{to_file_name(archive_id)}"
