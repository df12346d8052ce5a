"""Which inventories are ingested into the catalog, and when.

An inventory that is fully cached is ingested when somebody looks at the archives of its vault, in
a thread of its own: it may take minutes. Any other is downloaded by `refresh` alone, which people
ask for: a mount downloads no inventory by itself.

Lock order: the worker's one lock guards what waits to be ingested, and is innermost.
"""

import json
import logging
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

from casfs.errors import (
    CasfsError,
    InventoryError,
    OutputMismatchError,
    SizeError,
    ThreadError,
)
from casfs.model import Job
from casfs.service import fields
from casfs.service.dialect import Dialect
from casfs.threads import start_thread
from casfs.tree.archives.ingest import Ingest, Inventory
from casfs.tree.descriptions.rules import RuleSet
from casfs.tree.file_names import to_file_name
from casfs.tree.ingest_report import Report, ReportingReader
from casfs.tree.inventory.bad_records import BadRecords, records_text
from casfs.tree.inventory.reading import open_inventory
from casfs.tree.inventory.text import ByteSource
from casfs.tree.metadata.account import Account
from casfs.tree.tree_tuning import TUNING

log = logging.getLogger(__name__)


class IngestWorker:
    """Ingests the inventories of an account into its catalog.

    Args:
        dialect: says how many archives an inventory may list.
        account: knows the jobs.
        ingest: writes the catalog.
        open_output: opens the output of a job, to be read from its begin to its end.
        rules: returns the rules for descriptions by the name of a vault.
    """

    def __init__(
        self,
        dialect: Dialect,
        account: Account,
        ingest: Ingest,
        open_output: Callable[[Job], AbstractContextManager[ByteSource]],
        rules: Callable[[str], RuleSet],
    ) -> None:
        self._dialect = dialect
        self._account = account
        self._ingest = ingest
        self._open_output = open_output
        self._rules = rules
        self._lock = threading.Lock()
        self._waiting: dict[str, None] = {}
        self._described: dict[tuple[str, str], str] = {}
        self._working = False
        self._closed = threading.Event()
        self._thread: threading.Thread | None = None
        # Reading one of millions of archives again on each look would keep a processor busy.
        self._malformed: set[tuple[str, int | None]] = set()
        self._read: set[str] = set()

    def close(self) -> None:
        """Stop; what is half ingested is ingested by the next call."""
        self._closed.set()
        with self._lock:
            thread = self._thread
        if thread is not None:
            thread.join(TUNING.ingest_close_seconds)

    def refresh(self, vault: str, report: Report) -> int:
        """Ingest every finished inventory of a vault, downloading it if need be.

        Args:
            vault: name of the vault.
            report: is called with the progress.

        Returns:
            how many inventories were ingested.

        Raises:
            InventoryError: one is malformed or truncated; all others were ingested.
            CasfsError: one cannot be fetched, or the catalog not be written.
        """
        self._ingest.use_rules(vault, self._rules(vault))
        taken, malformed = 0, None
        for job in self._missing(vault):
            try:
                taken += self._take(job, report)
            except InventoryError as error:
                malformed = error
        if malformed is not None:
            raise malformed
        return taken

    def waiting(self, vault: str) -> int:
        """Return how many inventories of finished jobs are not cataloged yet, without asking."""
        return len(self._missing(vault))

    def catch_up(self, vault: str, read: str | None = None) -> None:
        """Start to ingest what is fully cached, and to apply changed rules; do not wait.

        Args:
            vault: name of the vault.
            read: an inventory job whose output was just read: without a disk cache it is in memory,
                or downloaded once more.
        """
        with self._lock:
            self._waiting[vault] = None
            self._read |= {read} if read else set()
        self._begin()

    def wait(self, seconds: float) -> None:
        """Wait until the ingest that was started is done, at most that long."""
        with self._lock:
            thread = self._thread
        if thread is not None:
            thread.join(seconds)

    def describe(self, vault: str, job_id: str, text: str) -> None:
        """Start to note an archive's description, which came with its bytes; do not wait."""
        with self._lock:
            self._described[vault, job_id] = text
        self._begin()

    def _missing(self, vault: str) -> list[Job]:
        """Return the inventory jobs of a vault that are not ingested yet, oldest first."""
        jobs = [
            job
            for job in self._account.inventory_jobs(vault)
            if not self._ingest.has_taken(vault, job.id)
        ]
        return sorted(jobs, key=lambda job: (job.completed is not None, job.completed, job.id))

    def _begin(self) -> None:
        try:
            with self._lock:
                if not self._working and not self._closed.is_set():
                    self._thread = start_thread("catalog", self._run)
                    self._working = True
        except ThreadError as error:
            log.warning("cannot catalog archives now; retrying with the next inventory: %s", error)

    def _run(self) -> None:
        while True:
            with self._lock:
                described, self._described = self._described, {}
                vault = next(iter(self._waiting), None)
                if (vault is None and not described) or self._closed.is_set():
                    self._working = False
                    return
                if vault is not None:
                    del self._waiting[vault]
            try:
                self._put(described)
                if vault is not None:
                    self._catch_up(vault)
            except CasfsError as error:
                # While casfs is closing, nobody waits for the catalog.
                level = logging.INFO if self._closed.is_set() else logging.WARNING
                log.log(level, "cannot catalog all archives: %s", error)
            except Exception:
                # Keep the thread running: without it, archives would get no names.
                log.critical(
                    "casfs hit a bug while cataloging archives; please report it", exc_info=True
                )

    def _put(self, described: dict[tuple[str, str], str]) -> None:
        for (vault, job_id), text in described.items():
            archive_id = self._account.archive_of(vault, job_id)
            if archive_id is not None:
                self._ingest.put_description(vault, archive_id, text, self._rules(vault))

    def _catch_up(self, vault: str) -> None:
        self._ingest.use_rules(vault, self._rules(vault))
        for job in self._missing(vault):
            key = job.id, self._account.sure_size(job)
            if key in self._malformed:
                continue
            if job.id not in self._read and not self._account.is_cached(job):
                continue
            try:
                self._take(job, lambda *_: None)
            except InventoryError as error:
                self._malformed.add(key)
                log.warning("%s", error)

    def _take(self, job: Job, report: Report) -> bool:
        try:
            return self._take_once(job, report)
        except SizeError:
            pass
        except (InventoryError, OutputMismatchError):
            # It may only seem truncated because its size was measured wrongly.
            if not self._account.has_other_size(job):
                raise
        return self._take_once(job, report)

    def _take_once(self, job: Job, report: Report) -> bool:
        bad = BadRecords()
        try:
            with self._open_output(job) as file:
                reader = ReportingReader(open_inventory(file, bad.note), job, report, self._closed)
                rules = self._rules(job.vault)
                taken = self._ingest.take(self._inventory(job), reader, rules, bad)
        except InventoryError as error:
            raise InventoryError(
                f"cannot catalog the inventory of job {job.id} in vault {job.vault}: {error}"
            ) from error
        if bad.count:
            log.info(
                "%s of the inventory of job %s in vault %s could not be read, so it removes "
                "no archives: %s",
                *(records_text(bad.count), job.id, job.vault, bad.first),
            )
        return taken

    def _inventory(self, job: Job) -> Inventory:
        parameters = _parameters(job)
        archives = self._account.vault(to_file_name(job.vault)).archives
        by_date = any(fields.text(parameters.get(name)) for name in ("StartDate", "EndDate"))
        marker = fields.text(parameters.get("Marker"))
        return Inventory(
            job.vault,
            job.id,
            job.completed,
            full=not (by_date or marker) and self._is_full(job, archives),
            started=job.created,
            joins=not by_date,
            marker=marker,
            archives=archives,
        )

    def _is_full(self, job: Job, archives: int | None) -> bool:
        """Return whether an inventory without dates and marker lists all archives of its vault.

        It does without a limit. One that another inventory's marker began does not say so (Tencent
        CAS and Amazon Glacier show the marker of the next one alone), so no inventory of the vault
        may have a next one, and where inventories are limited, the vault must be small enough for
        one.
        """
        if fields.integer(_parameters(job).get("Limit")) != 0:
            return False
        others = self._account.inventory_jobs(job.vault)
        if any(fields.text(_parameters(other).get("Marker")) for other in others):
            return False
        limit = self._dialect.inventory_limit
        return limit is None or (archives is not None and archives <= limit)


def _parameters(job: Job) -> dict[str, Any]:
    """Return the parameters of an inventory job, and the marker at which it stopped."""
    parameters = json.loads(job.raw).get("InventoryRetrievalParameters")
    found = parameters if isinstance(parameters, dict) else {}
    # No limit is null, "", or 0.
    return found | {"Limit": found.get("Limit") or 0}
