"""What a restore has no answer for: settled by lists of jobs, while the restore is carried out."""

from collections import deque
from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta

from casfs.client import Available, Client
from casfs.ledger.request import Request, RequestState
from casfs.restore.clock import now
from casfs.restore.items import Item
from casfs.restore.ledger import Ledger
from casfs.restore.listed_jobs import Fetching, ListedJobs
from casfs.restore.preparing import Prepared
from casfs.restore.reconciling import reconcile
from casfs.restore.settling import Settling
from casfs.restore.spool import Spool


class Settlement:
    """Settles the requests that a restore depends on, its own and those of others.

    Args:
        client: of the account.
        ledger: of the vault.
        spool: what was agreed to.
        prepared: the plan.

    Attributes:
        room: jobs that can be started, and all be listed again.
        lost: jobs that failed since the plan was made, and why.
        expired: how many requests of others, which would have brought what is wanted, expired.
        jobs: ids of the jobs of requests that were settled.
        refused: items that were agreed to and turn out to have no job; to be taken from here, as
            the ledger tells it only once.
    """

    def __init__(self, client: Client, ledger: Ledger, spool: Spool, prepared: Prepared) -> None:
        self._retrievals = client.retrievals
        self._config = client.config
        self._ledger = ledger
        self._spool = spool
        self._prepared = prepared
        self.room = prepared.room
        self.lost: list[tuple[Request, str]] = []
        self.expired = 0
        self.jobs: set[str] = set()
        self.refused: deque[Item] = deque()
        self._available: tuple[str, Available] | None = None

    @property
    def fetching(self) -> Fetching:
        """Return how fast outputs can be fetched from now on."""
        return Fetching(self._prepared.rate, self._retrievals.now())

    def open(self) -> list[Request]:
        """Return the requests without an answer that the restore depends on.

        Raises:
            LedgerError: the ledger fails.
        """
        open_ = (one for one in self._ledger.open_requests() if one.job is None)
        return [one for one in open_ if self.concerns(one)]

    def concerns(self, request: Request) -> bool:
        """Return whether the restore depends on a request."""
        own = request.run == self._prepared.run
        return own or bool(self._spool.waiting_for(request.number))

    def available(self, archive: str) -> Available:
        """Return what there is of an archive, by the last list of jobs.

        The items of an archive that is split follow each other: of a thousand, which a thousand
        jobs may bring, only the first has it looked up.

        Raises:
            CatalogError: the catalog, or what is cached, cannot be read.
        """
        if self._available is None or self._available[0] != archive:
            found = self._retrievals.available_of(self._prepared.vault.name, archive)
            self._available = archive, found
        return self._available[1]

    def list_again(self) -> ListedJobs:
        """List the jobs, and settle by them what has no answer.

        Returns:
            the jobs.

        Raises:
            LedgerError: the ledger fails.
            CasfsError: the jobs cannot be listed, or not be cataloged.
        """
        self._available = None
        before = [one.number for one in self.open()]
        begun, vault = now(), self._prepared.vault.name
        listed = ListedJobs()
        # The catalog knows which jobs bring an archive together.
        self._retrievals.catalog_jobs(vault, listed.add)
        self.room = self._retrievals.most_listed - len(listed)
        settling = Settling(
            listed,
            self.fetching,
            timedelta(seconds=self._config.settle_seconds),
            timedelta(seconds=self._config.deadline),
        )
        found = reconcile(
            self._ledger, settling, begun, lambda job: self._retrievals.job(vault, job)
        )
        for request, settled in found.lost:
            if settled.state is RequestState.FAILED:
                self.lost.append((replace(request, job=settled.job), settled.reason or ""))
            elif self._spool.waiting_for(request.number):
                self.expired += 1
        for number in before:
            settled_job = self._ledger.request(number).job
            if settled_job is not None:
                self.jobs.add(settled_job)
        self.refused.extend(self._to_send_again(found.refused))
        return listed

    def _to_send_again(self, refused: Iterable[Request]) -> list[Item]:
        found: dict[Item, None] = {}
        for request in refused:
            found.update(dict.fromkeys(self._spool.waiting_for(request.number)))
            if request.run == self._prepared.run:
                item = self._spool.find(request.archive, request.first, request.last)
                found.update(dict.fromkeys([item] if item is not None else []))
        return list(found)
