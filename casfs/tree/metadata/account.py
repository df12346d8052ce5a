"""The vaults and jobs of an account: from the service while it answers, else as last known.

Finished jobs do not change, so what the catalog knows of one is enough. A job that the service no
longer lists disappears, unless its output is fully cached: then it is retained.

Lock order: the account's one lock guards the table of listings and is innermost.
"""

import logging
import math
import threading
import time
from collections.abc import Callable
from functools import partial

from cachetools import TTLCache

from casfs.deadline import Deadline
from casfs.errors import CasfsError, ForbiddenError, NotFoundError
from casfs.metrics import Metrics
from casfs.model import Job, JobState, Output, Vault
from casfs.service.service import Service
from casfs.tree.metadata.account_settings import AccountSettings
from casfs.tree.metadata.cached_listing import CachedListing, age_of
from casfs.tree.metadata.job_table import JobTable
from casfs.tree.metadata.losses import warn_of_lost_jobs
from casfs.tree.metadata.sizes import Sizes
from casfs.tree.metadata.snapshot import Cache, KnownJob, Snapshot
from casfs.tree.metadata.vaults import Vaults
from casfs.tree.times import mtime
from casfs.tree.tree_tuning import TUNING

log = logging.getLogger(__name__)


class Account:
    """What is known of one account.

    Args:
        service: the account's service.
        table: keeps what it said.
        cache: knows what of outputs is cached.
        read_some: reads the first block of an output.
        settings: what the configuration says about it.
        metrics: counts stale answers.
    """

    def __init__(
        self,
        service: Service,
        table: JobTable,
        cache: Cache,
        read_some: Callable[[Output], None],
        settings: AccountSettings,
        metrics: Metrics,
    ) -> None:
        self._service = service
        self._table = table
        self._snapshot = Snapshot(service, table, cache)
        self._ttl = settings.listing_ttl
        self._deadline = settings.deadline
        self._metrics = metrics
        self._vaults = Vaults(service, table, self._snapshot, settings, self._note_stale)
        self.known_vaults, self.shown_vaults = self._vaults.known, self._vaults.shown
        self._sizes = Sizes(service, table, self._snapshot, read_some, settings)
        service.measuring.on_resized = self._sizes.note
        self._lock = threading.Lock()
        self._incarnation = table.incarnation
        self._jobs: dict[str, CachedListing[dict[str, int]]] = {}
        # A job that changes, because it is running or about to vanish, is asked for again in time.
        self._recent: TTLCache[tuple[str, str], KnownJob] = TTLCache(TUNING.remembered, self._ttl)
        self._absent: TTLCache[tuple[str, str], bool] = TTLCache(TUNING.remembered, self._ttl)

    def check(self) -> None:
        """Ask the service for the vaults, as `Vaults.check`."""
        self._vaults.check()

    def vaults(self, refresh: bool = False) -> list[Vault]:
        """Return all vaults, as `Vaults.all`."""
        return self._vaults.all(refresh)

    def refusal(self) -> ForbiddenError | None:
        """Return why these are not all vaults, as `Vaults.refusal`."""
        return self._vaults.refusal()

    def vault(self, file_name: str, refresh: bool = False) -> Vault:
        """Return a vault, as `Vaults.vault`."""
        return self._vaults.vault(file_name, refresh)

    def describe_vault(self, name: str) -> None:
        """Ask the service to describe a vault, as `Vaults.describe`."""
        self._vaults.describe(name)

    def job_names(self, vault: str) -> dict[str, int]:
        """Return file name and mtime (nanoseconds since 1970) of every job of a vault.

        Raises:
            CasfsError: nothing is known, and the service failed.
        """
        return self._job_listing(vault).get(Deadline(self._deadline))

    def ask(self, vault: str | None) -> float | None:
        """Ask the service for the vaults, or the jobs of one, however fresh the list is.

        Returns:
            how many seconds ago the known list was current if the service failed, else None.

        Raises:
            NotFoundError: there is no such vault.
            DeniedError: the service refuses us.
            CasfsError: nothing is known, and the service failed.
        """
        if vault is None:
            self._vaults.all(refresh=True)
            return self._vaults.stale_since()
        listing = self._job_listing(vault)
        listing.get(Deadline(self._deadline), refresh=True)
        return listing.stale_since()

    def refresh_jobs(self, vault: str) -> None:
        """Ask the service for the jobs of a vault, however fresh the list is.

        Raises:
            NotFoundError: there is no such vault.
            CasfsError: the service failed; what is known stays unchanged.
        """
        self._job_listing(vault).get(Deadline(self._deadline), refresh=True, stale=False)

    def look_again(self, vault: str) -> None:
        """Ask for the jobs of a vault again, as something is missing: `CachedListing.look_again`.

        Raises:
            CasfsError: nothing is known, and the service failed.
        """
        self._job_listing(vault).look_again(Deadline(self._deadline))

    def job(self, vault: str, file_name: str) -> KnownJob:
        """Return a job; asks the service for it only if it is unknown or running.

        An unknown one is asked for once in a listing's time to live, even if a fresh listing lacks
        it: it may have been created since.

        Raises:
            NotFoundError: there is none with that name.
            CasfsError: it is not known, and the service failed.
        """
        key = (vault, file_name)
        listing = self._job_listing(vault)
        with self._lock:
            recent = self._recent.get(key)
            absent = self._absent.get(key, False)
        if recent is not None and recent.job.state is not JobState.RUNNING:
            return recent
        job_id = self._snapshot.job_id(vault, file_name)
        if job_id is None:
            raise NotFoundError(f"there is no job {file_name} in vault {vault}")
        # Another process may have listed it since this one asked.
        known = self._snapshot.job(vault, job_id)
        finished = known is not None and known.job.state is not JobState.RUNNING
        fresh = listing.is_fresh()
        served = known is not None and (fresh or listing.is_left_alone())
        if not (finished or recent or absent or served):
            try:
                known = self._describe_job(vault, job_id, known, fresh)
            except CasfsError as error:
                if not (fresh or isinstance(error, NotFoundError)):
                    raise
                with self._lock:
                    self._absent[key] = True
        if known is None:
            raise NotFoundError(f"there is no job {job_id} in vault {vault}")
        if recent is None or recent.job.state is not known.job.state:
            with self._lock:
                self._recent[key] = known
        return known

    def job_time(self, vault: str, file_name: str) -> int:
        """Return the mtime of a job, as `job_names` does; does not look at a job that is listed.

        Raises:
            NotFoundError, CasfsError: as `job`.
        """
        listed = self._job_listing(vault).known() or {}
        time_ = listed.get(file_name)
        return mtime(self.job(vault, file_name).job) if time_ is None else time_

    def listed_jobs(self, vault: str) -> dict[str, int]:
        """Return what `job_names` last returned, without asking; nothing if it never did."""
        return self._job_listing(vault).known() or {}

    def known_output(self, vault: str, file_name: str) -> Output | None:
        """Return the output of a job if everything about it is known, without asking."""
        return self._snapshot.output(vault, file_name)

    def archive_description(self, job: Job) -> str | None:
        """Return the description that the service sent along with the bytes of a job's archive."""
        return self._service.descriptions.of_job(job.vault, job.id)

    def archive_of(self, vault: str, job_id: str) -> str | None:
        """Return the archive that a job retrieves, without asking; None if that is unknown."""
        known = self._snapshot.job(vault, job_id)
        return known.job.archive_id if known is not None else None

    def inventory_jobs(self, vault: str) -> list[Job]:
        """Return the inventory jobs of a vault that have an output, without asking."""
        return self._snapshot.inventory_jobs(vault)

    def is_cached(self, job: Job) -> bool:
        """Return whether the output of a job is fully cached, without asking."""
        return self._snapshot.is_cached(job)

    def output(self, job: Job) -> Output:
        """Return the output of a job; asks the service if its size is uncertain.

        Raises:
            CasfsError: the size is not known, and the service failed.
        """
        return self._service.output(job, self._sizes.of(job))

    def output_as_known(self, job: Job) -> Output | None:
        """Return the output of a job without asking, with its measured or its stated size.

        An inventory may have another size than stated: readers must expect a `SizeError`.
        """
        size = self.known_size(job)
        return None if size is None else self._service.output(job, size)

    def sure_size(self, job: Job) -> int | None:
        """Return the size of an output if it is certain without asking, as `Sizes.sure`."""
        return self._sizes.sure(job)

    def known_size(self, job: Job) -> int | None:
        """Return the size of an output as measured or stated, as `Sizes.known`."""
        return self._sizes.known(job)

    def has_other_size(self, job: Job) -> bool:
        """Measure an output whose bytes contradict its size, as `Sizes.is_other`."""
        return self._sizes.is_other(job)

    def _describe_job(
        self, vault: str, job_id: str, known: KnownJob | None, brief: bool
    ) -> KnownJob:
        brief = brief or known is not None
        seconds = min(TUNING.listing_patience, self._deadline) if brief else self._deadline
        try:
            job = self._service.job(vault, job_id, Deadline(seconds))
        except NotFoundError:
            if known is not None and self._snapshot.is_retained(known.job):
                return KnownJob(known.job, retained=True)
            self._snapshot.forget_job(vault, job_id)
            raise
        except CasfsError as error:
            if known is None:
                raise
            self._note_stale()
            log.warning("job %s of vault %s is stale: %s", job_id, vault, error)
            return known
        self._table.put_job(job)
        return KnownJob(job, retained=False)

    def _job_listing(self, vault: str) -> CachedListing[dict[str, int]]:
        incarnation = self._table.incarnation
        with self._lock:
            if incarnation != self._incarnation:
                # What was learned from a corrupt catalog, which was rebuilt since, is void.
                self._incarnation = incarnation
                self._jobs.clear()
                self._recent.clear()
                self._absent.clear()
            if vault in self._jobs:
                return self._jobs[vault]
        age = age_of(self._table.jobs_listed_at(vault))
        value = None if age is None else self._snapshot.jobs(vault)
        what, load = f"the list of jobs of vault {vault}", partial(self._load_jobs, vault)
        age = math.inf if age is None else age
        made = CachedListing(what, load, self._ttl, self._note_stale, value, age)
        with self._lock:
            return self._jobs.setdefault(vault, made)

    def _load_jobs(self, vault: str, deadline: Deadline) -> dict[str, int]:
        try:
            jobs = self._service.jobs(vault, deadline)
            change = self._table.list_jobs(vault, jobs, time.time())
            lost = (self._service.parse_job(vault, description) for description in change.lost)
            warn_of_lost_jobs(vault, change, lost)
        except NotFoundError:
            # The vault is gone. Its retained jobs stay.
            self._vaults.forget(vault)
            if not self._snapshot.jobs(vault):
                raise
        with self._lock:
            # What is remembered of single jobs must not contradict the list.
            for remembered in (self._recent, self._absent):
                for key in [key for key in remembered if key[0] == vault]:
                    remembered.pop(key, None)
        return self._snapshot.jobs(vault)

    def _note_stale(self) -> None:
        self._metrics.stale_listings.inc()
