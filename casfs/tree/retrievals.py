"""What a restore needs to know, and to do, before there is anything to read: jobs and archives."""

import fnmatch
import glob
import logging
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from itertools import chain

from casfs.deadline import Deadline
from casfs.errors import DeniedError, NotFoundError
from casfs.job_requests import JobFeatures, JobRequest, Outcome, RetrievalPolicy
from casfs.ledger.request import account_key
from casfs.model import Job, Vault
from casfs.service.paging import MOST_LISTED
from casfs.service.service import Service
from casfs.tree.archive_index import ArchiveIndex
from casfs.tree.archives.entries import Archive, Scope
from casfs.tree.archives.selection import Selected, archives_by_id, every_archive, selected
from casfs.tree.available_archives import Available, AvailableArchives
from casfs.tree.file_names import to_file_name
from casfs.tree.metadata.account import Account
from casfs.tree.metadata.expired_jobs import ExpiredJobs
from casfs.tree.metadata.job_table import JobTable
from casfs.tree.sqlite.connection import DamagedError
from casfs.tree.sqlite.database import Database

log = logging.getLogger(__name__)

_SPECIAL = frozenset("*?[")


@dataclass(frozen=True, kw_only=True)
class Retrievals:
    """The jobs that an account can start, and the archives that they are for.

    Attributes:
        service: starts and lists jobs.
        account: knows vaults.
        table: stores jobs.
        database: stores archives.
        index: finds them.
        available: finds what is in the cache, and what jobs bring together.
        deadline: seconds for each request.
    """

    service: Service
    account: Account
    table: JobTable
    database: Database
    index: ArchiveIndex
    available: AvailableArchives
    deadline: float

    @cached_property
    def _expired(self) -> ExpiredJobs:
        return ExpiredJobs(self.service, self.database, self.available.disk.held)

    @property
    def features(self) -> JobFeatures:
        """Return what the service's jobs know."""
        return self.service.job_features

    @property
    def inventory_limit(self) -> int | None:
        """Return the most archives in one inventory, None where there is no such limit."""
        return self.service.dialect.inventory_limit

    @property
    def most_listed(self) -> int:
        """Return how many jobs of a vault a listing is sure to show."""
        return MOST_LISTED

    def vault(self, name: str) -> Vault:
        """Return a vault as the service describes it now.

        Raises:
            NotFoundError: there is none.
            CasfsError: it is not known, and the service failed.
        """
        vault = self.account.vault(to_file_name(name), refresh=True)
        try:
            self.account.describe_vault(vault.name)
        except DeniedError as error:
            # Who may start jobs need not be allowed to describe the vault.
            log.info("vault %s cannot be described: %s", vault.name, error)
        return self.account.vault(to_file_name(name))

    def now(self) -> datetime:
        """Return the time by the service's clock, UTC, as soon as an answer told it."""
        return self.service.clock.now() or datetime.now(UTC)

    def account_key(self, vault: Vault) -> str:
        """Return what identifies the account of a vault in the ledger."""
        return account_key(self.service.origin, vault)

    def policy(self) -> RetrievalPolicy | None:
        """Return the account's data retrieval policy, as `JobStarter.retrieval_policy`."""
        return self.service.retrieval_policy(Deadline(self.deadline))

    def start(self, request: JobRequest) -> Outcome:
        """Send a request for a job, once, as `JobStarter.start_job`."""
        return self.service.start_job(request, Deadline(self.deadline))

    def jobs(self, vault: str) -> Iterator[Job]:
        """Yield every job that the service lists now; a list that breaks off raises.

        Raises:
            CasfsError: the service failed; also during iteration.
        """
        return self.service.jobs(vault, Deadline(self.deadline))

    def catalog_jobs(self, vault: str, note: Callable[[Job], None]) -> None:
        """List jobs, as `jobs`, and bring catalog and archives up to date with them.

        Jobs that are not listed any more are forgotten as `ExpiredJobs.forget` does.

        Args:
            vault: name of the vault.
            note: is called with each job, and again with the same ones where that is repeated.

        Raises:
            CasfsError: the service or the catalog failed.
        """

        def noted() -> Iterator[Job]:
            for job in self.jobs(vault):
                note(job)
                yield job

        def cataloged() -> None:
            self.table.list_jobs(vault, noted(), time.time())
            self._expired.forget(vault)
            self.index.refresh()

        try:
            cataloged()
        except DamagedError as error:
            log.info("retrying: %s", error)
            cataloged()

    def job(self, vault: str, job_id: str) -> Job | None:
        """Return a job as the service describes it now, None if it is gone.

        Raises:
            CasfsError: the service failed.
        """
        try:
            return self.service.job(vault, job_id, Deadline(self.deadline))
        except NotFoundError:
            return None

    def every_archive(self, vault: str) -> Iterator[Selected]:
        """Yield every cataloged archive of a vault, as `every_archive`."""
        return every_archive(self.database, vault)

    def by_id(self, vault: str, ids: Iterable[str]) -> Iterator[Selected]:
        """Yield the archives with some ids, as `archives_by_id`."""
        return archives_by_id(self.database, vault, ids)

    def matching(self, vault: str, pattern: str) -> Iterator[Selected]:
        """Yield what a pattern selects.

        It is what is at a path of the catalog, all of it if that is a directory; else an archive's
        id; else a pattern of the shell, for the name alone if it has no slash.

        Raises:
            NotFoundError: nothing matches.
            CasfsError: the catalog cannot be read; also during iteration.
        """
        found = self._matching(vault, pattern.strip("/"))
        first = next(found, None)
        if first is None:
            raise NotFoundError(
                f"{pattern!r} matches nothing that is cataloged of vault {vault}; "
                f"see: casfs ls {vault}"
            )
        return chain([first], found)

    def available_of(self, vault: str, archive_id: str) -> Available:
        """Return what there is of one archive, as `AvailableArchives.among`."""
        return self.available.among(vault, list(self.by_id(vault, [archive_id])))

    def _matching(self, vault: str, pattern: str) -> Iterator[Selected]:
        names = pattern.split("/") if pattern else []
        entry = self.index.entry(vault, names, Scope.ALL)
        if isinstance(entry, Archive):
            yield selected(entry)
        elif entry is not None:
            prefix = f"{glob.escape(pattern)}/" if pattern else ""
            yield from map(selected, self.index.find(vault, f"{prefix}*"))
        elif not _SPECIAL & set(pattern) and (one := next(self.by_id(vault, [pattern]))).cataloged:
            yield one
        else:
            of_name = "/" not in pattern
            for archive in self.index.find(vault, f"*{pattern}" if of_name else pattern):
                name = (archive.path or "").rpartition("/")[2]
                if not of_name or fnmatch.fnmatchcase(name, pattern):
                    yield selected(archive)
