"""The catalog of archives for people: what a vault holds, and the state of each archive."""

import fnmatch
import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice

from casfs.errors import CasfsError, DeniedError, NotFoundError
from casfs.ledger.request import Request
from casfs.tree.archive_index import ArchiveIndex
from casfs.tree.archive_jobs import ArchiveJobs
from casfs.tree.archives.completeness import Completeness
from casfs.tree.archives.entries import Archive, Entry, Scope, Subdirectory
from casfs.tree.archives.states import ArchiveState, Condition
from casfs.tree.descriptions.safe_path import BY_ID
from casfs.tree.file_names import to_file_name
from casfs.tree.ingest_report import Report
from casfs.tree.ingest_worker import IngestWorker
from casfs.tree.metadata.account import Account
from casfs.tree.paths import archive_file
from casfs.tree.requested import Requested

log = logging.getLogger(__name__)

_AT_ONCE = 500
"""Entries of a listing whose requests are looked up at once."""


@dataclass(frozen=True, slots=True)
class Listed:
    """A line of a listing: a directory, or an archive with its state.

    Attributes:
        path: below `archives/`; "" for an archive without a name.
        request: the latest request for it from this machine that was not refused.
        ready: by when the job that brings it is done, if it takes as long as usual.
    """

    path: str
    archive: Archive | None = None
    condition: Condition | None = None
    request: Request | None = None
    ready: datetime | None = None

    @property
    def place(self) -> str:
        """Return where it is below `archives/`: by its path, or by its id if it has none."""
        if self.path or self.archive is None:
            return self.path
        return f"{BY_ID}/{to_file_name(self.archive.id)}"

    def path_in_mount(self, vault: str) -> str:
        """Return the path of its file, from the root of a mount."""
        return archive_file(vault, self.place)


class ArchiveList:
    """All cataloged archives of an account.

    Args:
        account: knows vaults and jobs.
        jobs: which jobs cover each archive.
        index: finds archives.
        ingest: ingests inventories.
        requested: what was requested from this machine.
    """

    def __init__(
        self,
        account: Account,
        jobs: ArchiveJobs,
        index: ArchiveIndex,
        ingest: IngestWorker,
        requested: Requested,
    ) -> None:
        self._account = account
        self._jobs = jobs
        self._index = index
        self._ingest = ingest
        self._requested = requested

    def entries(self, vault: str, path: str, everything: bool) -> Iterator[Listed]:
        """Yield what is at a path: the entries of a directory, or an archive.

        Args:
            vault: name of the vault.
            path: below `archives/`, "" for the top, `by-id/<id>` for any archive.
            everything: whether archives are wanted, too, that a newer one of their name hides, and
                at the top those without a name.

        Raises:
            NotFoundError: no such vault, or nothing is there.
            CasfsError: nothing is known, and the service failed; or the catalog did.
        """
        self._look(vault)
        if path == BY_ID:
            yield from self._nameless(vault)
            return
        names = path.split("/") if path else []
        entry = self._index.entry(vault, names, Scope.ALL)
        if isinstance(entry, Archive):
            yield from self._listed(vault, [entry])
            return
        if entry is None:
            raise NotFoundError(f"{path} is not a cataloged archive or directory of vault {vault}")
        wanted = (
            one
            for one in self._index.entries(vault, names, Scope.ALL)
            if isinstance(one, Subdirectory) or everything or one.newest
        )
        yield from self._listed(vault, wanted)
        if everything and not path:
            yield from self._nameless(vault)

    def one(self, vault: str, text: str, by_path: bool) -> Listed | None:
        """Return the archive with an id, else what is at a path; None if there is neither.

        Args:
            vault: name of the vault.
            text: the id or the path.
            by_path: it is a path, and no id.

        Raises:
            CasfsError: as `entries`.
        """
        known = self._account.vault(to_file_name(vault)).name
        path = [name for name in text.split("/") if name not in ("", ".")]
        ways = [path] if by_path else [[BY_ID, to_file_name(text)], path]
        if all(self._index.entry(known, names, Scope.ALL) is None for names in ways):
            return None
        self._look(vault)
        entries = (self._index.entry(known, names, Scope.ALL) for names in ways)
        return next(self._listed(known, (one for one in entries if one is not None)), None)

    def find(self, vault: str, pattern: str) -> Iterator[Listed]:
        """Yield the archives whose path, or whose name if it has no slash, matches a pattern.

        Raises:
            CasfsError: as `entries`.
        """
        self._look(vault)
        of_name = "/" not in pattern
        found = self._index.find(vault, f"*{pattern}" if of_name else pattern)
        if of_name:
            found = (archive for archive in found if _has_name(archive, pattern))
        yield from self._listed(vault, found)

    def refresh(self, vault: str, report: Report) -> int:
        """Ingest every finished inventory, as `IngestWorker.refresh`, and what changed with jobs.

        The service is asked, however fresh the known lists are.

        Raises:
            CasfsError: as `IngestWorker.refresh`; or the service failed, and only what was known
                before was ingested.
        """
        name = self._account.vault(to_file_name(vault), refresh=True).name
        failure = None
        try:
            self._account.refresh_jobs(name)
            self._describe(name)
        except (NotFoundError, DeniedError):
            raise
        except CasfsError as error:
            failure = error
        taken = self._ingest.refresh(name, report)
        self._index.refresh()
        if failure is not None:
            raise failure
        return taken

    def _describe(self, vault: str) -> None:
        # Inventories are compared with its count of archives.
        try:
            self._account.describe_vault(vault)
        except CasfsError as error:
            log.info("the archive count of vault %s is stale: %s", vault, error)

    def requests(self, vault: str) -> dict[str, Request]:
        """Return the requests from this machine that started jobs of a vault, by the jobs' ids."""
        return self._requested.by_job(vault)

    def is_requested(self, vault: str) -> bool:
        """Return whether anything in a vault was ever requested from this machine."""
        return self._requested.has(vault)

    def completeness(self, vault: str) -> Completeness:
        """Return how much of a vault its cataloged inventories cover, without asking for jobs.

        Raises:
            CasfsError: the vault is not known, and the service failed; or the catalog did.
        """
        known = self._account.vault(to_file_name(vault))
        waiting = self._ingest.waiting(known.name)
        return self._index.completeness(known.name, known.archives, waiting)

    def _look(self, vault: str) -> None:
        self._index.look(self._account.vault(to_file_name(vault)).name)

    def _nameless(self, vault: str) -> Iterator[Listed]:
        yield from self._listed(vault, self._index.nameless(vault, Scope.ALL))

    def _listed(self, vault: str, entries: Iterable[Entry]) -> Iterator[Listed]:
        rest = iter(entries)
        while some := list(islice(rest, _AT_ONCE)):
            ids = [one.id for one in some if isinstance(one, Archive)]
            requests = self._requested.of_archives(vault, ids) if ids else {}
            now = datetime.now(UTC)
            for one in some:
                if isinstance(one, Subdirectory):
                    yield Listed(one.path)
                    continue
                condition = self._jobs.condition(vault, one, now)
                request = requests.get(one.id)
                ready = condition.ready
                if condition.state is ArchiveState.COLD:
                    ready = self._requested.ready(request)
                yield Listed(one.path or "", one, condition, request, ready)


def _has_name(archive: Archive, pattern: str) -> bool:
    return fnmatch.fnmatchcase((archive.path or "").rpartition("/")[2], pattern)
