"""What was requested from this machine, as lists and extended attributes show it."""

import json
from collections.abc import Sequence
from datetime import datetime

from casfs.errors import CasfsError
from casfs.job_requests import JobFeatures
from casfs.ledger.ledger_reader import LedgerReader
from casfs.ledger.request import Request, RequestState
from casfs.model import Job, Vault, later
from casfs.tree.file_names import to_file_name
from casfs.tree.metadata.account import Account


class Requested:
    """Reads the record of requests; never writes it.

    Args:
        ledger: reads it.
        account: knows the vaults.
        features: what the service's jobs know.
    """

    def __init__(self, ledger: LedgerReader, account: Account, features: JobFeatures) -> None:
        self._ledger = ledger
        self._account = account
        self._features = features

    def of_archives(self, vault: str, archives: Sequence[str]) -> dict[str, Request]:
        """Return the latest request for each archive that has one that was not refused."""
        known = self._vault(vault)
        if known is None:
            return {}
        found = self._ledger.of_archives(known, archives)
        accepted = {
            archive: [one for one in requests if one.state is not RequestState.REFUSED]
            for archive, requests in found.items()
        }
        return {archive: requests[-1] for archive, requests in accepted.items() if requests}

    def by_job(self, vault: str) -> dict[str, Request]:
        """Return the requests that started jobs of a vault, by the jobs' ids."""
        known = self._vault(vault)
        found = () if known is None else self._ledger.of_vault(known)
        return {request.job: request for request in found if request.job is not None}

    def ready(self, request: Request | None) -> datetime | None:
        """Return by when a started job is done that no list shows, if it takes as long as usual."""
        if request is None or request.state is not RequestState.STARTED or not request.answered:
            return None
        return later(request.answered, self._features.latest(request.tier))

    def has(self, vault: str) -> bool:
        """Return whether there is a request for something in a vault."""
        known = self._vault(vault)
        return known is not None and next(self._ledger.of_vault(known), None) is not None

    def attributes(self, job: Job | None) -> dict[str, str | None]:
        """Return when a job was requested (by the service's clock), and in which tier."""
        if job is None:
            return {}
        known = self._vault(job.vault)
        request = self._ledger.of_job(known, job.id) if known is not None else None
        tier = json.loads(job.raw).get("Tier") or (request.tier if request else None)
        created = job.created or (request.intended if request else None)
        return {
            "requested": created.isoformat() if created else None,
            "tier": str(tier).lower() if tier else None,
        }

    def _vault(self, name: str) -> Vault | None:
        try:
            return self._account.vault(to_file_name(name))
        except CasfsError:
            return None
