"""The archives of an account as both the mount and the commands find them: by path, or by id.

<path>                the newest of its name; older ones under their second names
by-id/<archive id>    any archive, by the file name of its id
"""

from collections.abc import Callable, Iterator, Sequence

from casfs.tree.archives.completeness import Completeness
from casfs.tree.archives.entries import Archive, Entry, Scope
from casfs.tree.archives.queries import Archives
from casfs.tree.archives.readable import Readable
from casfs.tree.current_names import CurrentNames
from casfs.tree.descriptions.safe_path import BY_ID
from casfs.tree.file_names import from_file_name, is_cut, to_file_name
from casfs.tree.metadata.account import Account


class ArchiveIndex:
    """Finds what is at a place below `archives/`.

    Args:
        account: knows the jobs.
        archives: the catalog.
        readable: keeps track of what can be read in it.
        names: keeps the names in it current.
    """

    def __init__(
        self, account: Account, archives: Archives, readable: Readable, names: CurrentNames
    ) -> None:
        self._account = account
        self._archives = archives
        self._readable = readable
        self._names = names

    def look(self, vault: str) -> None:
        """Bring the archives up to date with the jobs of a vault, now that somebody looks.

        Raises:
            CasfsError: jobs are not known, and the service failed; or the catalog did.
        """
        self._account.job_names(vault)
        self._readable.refresh()

    def refresh(self, step: Callable[[], None] = lambda: None) -> None:
        """Bring the archives up to date with the jobs that are known; see `Readable.refresh`.

        Raises:
            CasfsError: the catalog cannot be written.
        """
        self._readable.refresh(step)

    def entry(self, vault: str, names: Sequence[str], scope: Scope) -> Entry | None:
        """Return what is at a place, None if nothing is that the scope includes.

        Args:
            vault: name of the vault.
            names: the path below `archives`.
            scope: which archives count.
        """
        self._names.update(vault)
        if not names or names[0] != BY_ID:
            return self._archives.entry(vault, "/".join(names), scope)
        if len(names) != 2:
            return None
        if is_cut(names[1]):
            # Only those that are listed: who opens another one knows its name.
            listed = self.nameless(vault, scope)
            return next((one for one in listed if to_file_name(one.id) == names[1]), None)
        archive_id = from_file_name(names[1])
        archive = None if archive_id is None else self._archives.by_id(vault, archive_id)
        wanted = archive is not None and (archive.readable or scope is Scope.ALL)
        return archive if wanted else None

    def by_ids(self, vault: str, archive_ids: Sequence[str]) -> Iterator[Archive]:
        """Yield those of some archives that are known, as `Archives.by_ids`."""
        self._names.update(vault)
        return self._archives.by_ids(vault, archive_ids)

    def entries(self, vault: str, names: Sequence[str], scope: Scope) -> Iterator[Entry]:
        """Yield all entries of a directory that is not `by-id`, as `Archives.entries`."""
        self._names.update(vault)
        return self._archives.entries(vault, "/".join(names), scope)

    def shared_prefix(self, vault: str, names: Sequence[str]) -> str:
        """Return what the names of archives in a directory begin with, as `Archives`."""
        return self._archives.shared_prefix(vault, "/".join(names))

    def nameless(self, vault: str, scope: Scope) -> Iterator[Archive]:
        """Yield the archives that are reached by id alone."""
        self._names.update(vault)
        if scope is Scope.READABLE:
            return self._archives.readable_nameless(vault)
        return self._archives.nameless(vault)

    def marked_directories(self, vault: str) -> Iterator[tuple[str, int]]:
        """Yield the directories that archives mark, as `Archives.marked_directories`."""
        self._names.update(vault)
        return self._archives.marked_directories(vault)

    def find(self, vault: str, pattern: str) -> Iterator[Archive]:
        """Yield all archives whose path matches a pattern, as `Archives.find`."""
        self._names.update(vault)
        return self._archives.find(vault, pattern, Scope.ALL)

    def completeness(self, vault: str, archives: int | None, waiting: int) -> Completeness:
        """Return how much of a vault is cataloged, as `Archives.completeness`."""
        return self._archives.completeness(vault, archives, waiting)
