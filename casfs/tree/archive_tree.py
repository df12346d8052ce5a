"""`archives/` of a vault: what can be read now, under the names that descriptions tell.

archives/<path>                 the newest of its name; older ones under their second names
archives/by-id/<archive id>     all of them
"""

import threading
from functools import partial

from cachetools import TTLCache

from casfs.errors import CasfsError, ExpiredError, NotFoundError
from casfs.service.base import Output, Vault
from casfs.tree.account import Account
from casfs.tree.archives.entries import Archive, Folder, Scope, join
from casfs.tree.archives.queries import Archives
from casfs.tree.archives.readable import Readable
from casfs.tree.descriptions.safe_path import BY_ID
from casfs.tree.inventory_feed import InventoryFeed
from casfs.tree.known import nanoseconds
from casfs.tree.names import from_file_name, to_file_name
from casfs.tree.node import Node
from casfs.tree.siblings import Row

ARCHIVES = "archives"
_FOLDERS = 64
"""Folders whose names are kept in memory, for those who walk through them."""


class ArchiveTree:
    """The archives of an account that can be read now, as files.

    Lock order: the one lock guards the names of folders and is innermost.

    Args:
        account: knows vaults and jobs.
        archives: the catalogue.
        readable: keeps what can be read in it.
        feed: takes inventories into it.
        fresh_seconds: for which the names in a folder are taken as they were.
    """

    def __init__(
        self,
        account: Account,
        archives: Archives,
        readable: Readable,
        feed: InventoryFeed,
        fresh_seconds: float,
    ) -> None:
        self._account = account
        self._archives = archives
        self._readable = readable
        self._feed = feed
        self._lock = threading.Lock()
        self._names: TTLCache[tuple[str, str], tuple[str, ...]] = TTLCache(_FOLDERS, fresh_seconds)

    def node(self, path: str, vault: Vault, names: list[str]) -> Node:
        """Return what stands at a path.

        Args:
            path: from the root of the mount.
            vault: the vault.
            names: the path below `archives`.

        Raises:
            NotFoundError: nothing.
            CasfsError: jobs are not known, and the service failed; or the catalogue did.
        """
        if not self._account.listed_jobs(vault.name):
            self._look(vault)
        match names:
            case [] | [by_id] if not names or by_id == BY_ID:
                return _folder(path, vault)
            case [by_id, name] if by_id == BY_ID:
                archive_id = from_file_name(name)
                archive = archive_id and self._archives.by_id(vault.name, archive_id)
                if archive and archive.readable:
                    return self._file(path, vault, archive)
            case _:
                entry = self._archives.entry(vault.name, "/".join(names), Scope.READABLE)
                if isinstance(entry, Folder):
                    return _folder(path, vault)
                if entry is not None:
                    return self._file(path, vault, entry)
        raise NotFoundError(f"there is no {path}, or it cannot be read now")

    def children(self, path: str, vault: Vault, names: list[str]) -> list[Node]:
        """Return the entries of a folder, each as `node` returns it.

        Raises:
            NotFoundError: there is no such folder.
            CasfsError: as `node`.
        """
        self._look(vault)
        if names == [BY_ID]:
            return [
                self._file(f"{path}/{to_file_name(archive.id)}", vault, archive)
                for archive in self._archives.readable(vault.name)
            ]
        entries = self._archives.entries(vault.name, "/".join(names), Scope.READABLE)
        nodes = [] if names else [_folder(f"{path}/{BY_ID}", vault)]
        for entry in entries:
            name = (entry.path or "").rpartition("/")[2]
            if isinstance(entry, Folder):
                nodes.append(_folder(f"{path}/{name}", vault))
            else:
                nodes.append(self._file(f"{path}/{name}", vault, entry))
        return nodes

    def output(self, vault: str, archive: Archive) -> Output:
        """Return what is to be read of an archive.

        Raises:
            ExpiredError: it cannot be read any more.
            CasfsError: jobs and catalogue contradict each other.
        """
        jobs = self._account.jobs_of_archive(vault, archive.id)
        if not jobs:
            raise ExpiredError(
                f"archive {archive.id} of vault {vault} cannot be read any more: its jobs are gone;"
                " a new job brings it back"
            )
        output = self._account.joined_output(jobs, archive.size, archive.tree_hash)
        if output is None:
            raise CasfsError(
                f"what the jobs say of archive {archive.id} of vault {vault} is not what its"
                " inventory says; read the outputs of the jobs instead, and compare"
            )
        return output

    def row(self, node: Node) -> tuple[Row, str]:
        """Return the archives beside one, in the order of a listing, and its name among them."""
        folder, _, name = node.path.rpartition("/")
        vault, archive = node.vault, node.archive
        parent = (archive.path or "").rpartition("/")[0] if archive else ""
        key = (vault, parent)
        with self._lock:
            names = self._names.get(key)
        if names is None:
            entries = self._archives.entries(vault, parent, Scope.READABLE)
            names = tuple(
                entry.path.rpartition("/")[2]
                for entry in entries
                if isinstance(entry, Archive) and entry.path
            )
            with self._lock:
                self._names[key] = names
        return Row(folder, names, partial(self._known_output, vault, parent)), name

    def _look(self, vault: Vault) -> None:
        """Take over what is new, now that somebody looks."""
        self._account.job_names(vault.name)
        self._readable.refresh()
        self._feed.catch_up(vault.name)

    def _file(self, path: str, vault: Vault, archive: Archive) -> Node:
        size = archive.size
        if size is None:
            size = self.output(vault.name, archive).layout.size
        return Node(path, archive.mtime, size, vault=vault.name, archive=archive)

    def _known_output(self, vault: str, folder: str, name: str) -> Output | None:
        entry = self._archives.entry(vault, join(folder, name), Scope.READABLE)
        return self.output(vault, entry) if isinstance(entry, Archive) else None


def _folder(path: str, vault: Vault) -> Node:
    # When a folder changed is known to nobody; a copy must find the same time again.
    return Node(path, nanoseconds(vault.created), folder=True)
