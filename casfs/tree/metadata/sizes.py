"""The sizes of outputs: as their jobs state them, or as they were measured.

A service may state no size of an output: then it is measured. It may state a wrong size of an
inventory, which no hash would reveal: that size counts once the first block has arrived in an
answer that agrees. Both are stored, and measured again when the bytes contradict them. That an
output is empty is never stored: no byte of it could ever contradict that.

Lock order: the one lock guards what is remembered and is innermost.
"""

import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError

from cachetools import TTLCache

from casfs.blocks.verify import Verifier
from casfs.deadline import Deadline
from casfs.errors import CasfsError, WrongAnswerError
from casfs.model import Job, Output
from casfs.service.service import Service
from casfs.threads import result_within, start_thread
from casfs.tree.metadata.account_settings import AccountSettings
from casfs.tree.metadata.job_table import JobTable
from casfs.tree.metadata.snapshot import Snapshot
from casfs.tree.tree_tuning import TUNING

log = logging.getLogger(__name__)


class Sizes:
    """The sizes of the outputs of one account.

    Args:
        service: the account's service.
        table: keeps what was measured.
        snapshot: what is known without asking.
        read_some: reads the first block of an output.
        settings: how long a call may take, and how long a size that is not kept holds.
    """

    def __init__(
        self,
        service: Service,
        table: JobTable,
        snapshot: Snapshot,
        read_some: Callable[[Output], None],
        settings: AccountSettings,
    ) -> None:
        self._service = service
        self._table = table
        self._snapshot = snapshot
        self._read_some = read_some
        self._deadline = settings.deadline
        self._lock = threading.Lock()
        seconds = max(settings.listing_ttl, TUNING.least_size_ttl)
        self._taken: TTLCache[tuple[str, str], int] = TTLCache(TUNING.remembered, seconds)
        self._again: TTLCache[tuple[str, str], int] = TTLCache(TUNING.remembered, seconds)

    def sure(self, job: Job) -> int | None:
        """Return the size of an output in bytes if it is certain without asking."""
        taken = self._taken_size(job)
        return self._snapshot.size(job) if taken is None else taken

    def known(self, job: Job) -> int | None:
        """Return the size of an output as it is known, without asking; None if it is not."""
        taken = self._taken_size(job)
        return self._snapshot.expected_size(job) if taken is None else taken

    def of(self, job: Job) -> int:
        """Return the size of an output in bytes; confirms it if need be.

        Raises:
            CasfsError: it is unknown, and the service failed.
        """
        size = self.sure(job)
        if size is None and job.size is None:
            size = self._measured(job)
        elif size is None:
            size = self._confirmed(job, job.size or 0)
        return size

    def is_other(self, job: Job) -> bool:
        """Measure an output whose bytes contradict its size; return whether it has another one.

        That is done once in the time to live, and not if the job states the size.
        """
        before, key = self.known(job), (job.vault, job.id)
        with self._lock:
            asked = before is not None and self._again.get(key) == before
        if asked or not job.measured:
            return False
        try:
            size = self._measured(job)
        except CasfsError as error:
            log.info(
                "cannot measure the output of job %s in vault %s again: %s",
                job.id,
                job.vault,
                error,
            )
            return False
        with self._lock:
            self._again[key] = size
        return size != before

    def note(self, vault: str, job_id: str, size: int) -> None:
        """Note that an output has another size than was measured before."""
        log.warning(
            "the output of job %s in vault %s has %d bytes, not the size that its job says or that "
            "was measured before; only its tree hash, if it has one, can verify it",
            *(job_id, vault, size),
        )
        try:
            self._keep(vault, job_id, size)
        except CasfsError as error:
            log.warning("cannot store the size of job %s in vault %s: %s", job_id, vault, error)

    def _measured(self, job: Job) -> int:
        size = self._service.measure(job, Deadline(self._deadline))
        if size == 0 and not Verifier(self._service.tree_hash).may_be_empty(job.tree_hash):
            raise WrongAnswerError(
                f"the output of job {job.id} in vault {job.vault} arrived empty, but its tree "
                "hash says that it is not; try again"
            )
        self._keep(job.vault, job.id, size)
        return size

    def _confirmed(self, job: Job, stated: int) -> int:
        """Return the size of an inventory: what its job states, if its first block agrees."""
        done: Future[None] = Future()
        output = self._service.output(job, stated)
        try:
            start_thread("size", self._confirm, output, done)
            result_within(done, min(TUNING.size_patience, self._deadline))
        except (FutureTimeoutError, CasfsError) as error:
            size = self.sure(job)
            if size is not None:
                return size
            log.info(
                "assuming that the inventory of job %s in vault %s has %d bytes, as its job says; "
                "cannot verify it (%s)",
                *(job.id, job.vault, stated, error),
            )
            self._take(job.vault, job.id, stated)
        else:
            self._keep(job.vault, job.id, stated)
        return stated

    def _confirm(self, output: Output, done: "Future[None]") -> None:
        try:
            self._read_some(output)
        except BaseException as error:
            done.set_exception(error)
            if not isinstance(error, CasfsError):
                raise
        else:
            done.set_result(None)

    def _keep(self, vault: str, job_id: str, size: int) -> None:
        self._table.put_size(vault, job_id, size or None)
        if size:
            with self._lock:
                self._taken.pop((vault, job_id), None)
        else:
            self._take(vault, job_id, size)

    def _taken_size(self, job: Job) -> int | None:
        with self._lock:
            return self._taken.get((job.vault, job.id))

    def _take(self, vault: str, job_id: str, size: int) -> None:
        with self._lock:
            self._taken[vault, job_id] = size
