"""Waits for jobs of a vault with a client: which ones, and how often to ask."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from casfs.client import Client
from casfs.deadline import Deadline
from casfs.endpoints import is_this_machine
from casfs.errors import ForbiddenError, NotFoundError
from casfs.ledger.ledger_reader import LedgerReader
from casfs.ledger.request import RequestState, account_key
from casfs.model import JobState, Vault
from casfs.restore.job_waiting import Progress, Supply, Waiting, WaitLimits
from casfs.restore.sweeps import ListedJob, Sweeps

_EMULATOR_INTERVAL = 1.0
"""Seconds between two lists of an emulator on this machine, whose jobs may take seconds."""


@dataclass
class SelectedJobs:
    """Jobs to wait for.

    Attributes:
        listed: the list that they were selected from.
        jobs: their ids.
        paths: paths of archives that were selected, by id.
        without_job: what was selected, and has no job.
    """

    listed: list[ListedJob]
    jobs: set[str] = field(default_factory=set)
    paths: dict[str, str] = field(default_factory=dict)
    without_job: list[str] = field(default_factory=list)


class WaitRun:
    """Waits for jobs of one vault.

    Args:
        client: the account.
        vault: name of the vault.

    Raises:
        NotFoundError: there is no such vault.
        CasfsError: the service failed.
    """

    def __init__(self, client: Client, vault: str) -> None:
        config, service = client.config, client.service
        self._client = client
        self._vault = known = self._described(vault)
        self._ledger = LedgerReader(config.state_dir, service.origin)
        self._sweeps = Sweeps(
            config.state_dir,
            account_key(service.origin, known),
            known.name,
            lambda deadline: list(service.jobs(known.name, deadline)),
            config.deadline,
        )

    @property
    def interval(self) -> float | None:
        """Return the seconds between two lists, None for what suits the tiers."""
        return _EMULATOR_INTERVAL if is_this_machine(self._client.config.endpoint) else None

    def select(self, wanted: Sequence[str]) -> SelectedJobs:
        """Return the jobs to wait for.

        Args:
            wanted: ids of jobs, and patterns of archives; none stands for all jobs that are running
                or were requested from here.

        Raises:
            NotFoundError: one is neither a job nor a cataloged archive.
            CasfsError: the service failed.
        """
        selected = SelectedJobs(self._sweeps.jobs(0.0))
        if not wanted:
            running = (job.id for job in selected.listed if job.state is JobState.RUNNING)
            selected.jobs.update(running, self._unlisted(selected))
        known = {job.id for job in selected.listed}
        for text in wanted:
            if text in known:
                selected.jobs.add(text)
            elif not self._add_archives(text, selected):
                self._describe(text)
                selected.jobs.add(text)
        return selected

    def select_jobs(self, jobs: Iterable[str]) -> SelectedJobs:
        """Return jobs that are known by their ids, whether a list shows them yet or not.

        Raises:
            CasfsError: the service failed.
        """
        return SelectedJobs(self._sweeps.jobs(0.0), set(jobs))

    def wait(
        self, selected: SelectedJobs, limits: WaitLimits, supply: Supply | None = None
    ) -> Iterator[Progress]:
        """Yield what each list brings, as `Waiting.until_ended`."""
        waiting = Waiting(
            self._sweeps, self._describe, self._client.service.clock.now, supply=supply
        )
        yield from waiting.until_ended(selected.listed, selected.jobs, limits)

    def _described(self, vault: str) -> Vault:
        service = self._client.service
        try:
            return service.vault(vault, Deadline(self._client.config.deadline))
        except ForbiddenError:
            return service.undescribed_vault(vault)

    def _describe(self, job_id: str) -> ListedJob:
        deadline = Deadline(self._client.config.deadline)
        try:
            return ListedJob.of(self._client.service.job(self._vault.name, job_id, deadline))
        except NotFoundError:
            raise NotFoundError(
                f"{job_id} is neither a job of vault {self._vault.name} nor the name of one of its "
                "cataloged archives; see: casfs jobs, casfs find"
            ) from None

    def _unlisted(self, selected: SelectedJobs) -> Iterator[str]:
        """Yield jobs that were started from here, and that no list shows yet."""
        known = {job.id for job in selected.listed}
        for request in self._ledger.of_vault(self._vault):
            started = request.state is RequestState.STARTED
            if started and request.job is not None and request.job not in known:
                yield request.job

    def _add_archives(self, pattern: str, selected: SelectedJobs) -> bool:
        """Add the jobs of the archives that a pattern finds; return whether it finds any."""
        paths = {
            one.archive.id: one.place
            for one in self._client.archives.find(self._vault.name, pattern)
            if one.archive is not None
        }
        selected.paths |= paths
        jobs: dict[str, list[ListedJob]] = {}
        for job in selected.listed:
            if job.archive_id in paths:
                jobs.setdefault(job.archive_id, []).append(job)
        for archive, of_archive in jobs.items():
            selected.jobs.update(job.id for job in _current(of_archive))
            del paths[archive]
        selected.without_job += paths.values()
        return bool(jobs or paths)


def _current(jobs: list[ListedJob]) -> list[ListedJob]:
    """Return those of an archive's jobs that matter: those that run, else the best one."""
    running = [job for job in jobs if job.state is JobState.RUNNING]
    readable = [job for job in jobs if job.state is JobState.SUCCEEDED]
    return running or (readable or jobs)[:1]
