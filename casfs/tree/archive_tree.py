"""`archives/` of a vault: what can be read now, under the names in its descriptions.

archives/<path>                 the newest of its name; older ones under their second names
archives/by-id/<archive id>     all of them; listed are those alone that have no other place, so
                                that a copy of `archives/` has each once
"""

import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial

from cachetools import LRUCache, TTLCache

from casfs.errors import NotFoundError
from casfs.model import Job, Output, Vault
from casfs.tree.archive_index import ArchiveIndex
from casfs.tree.archive_jobs import ArchiveJobs
from casfs.tree.archives.entries import Archive, Entry, Scope, Subdirectory
from casfs.tree.coverage import digest_of
from casfs.tree.descriptions.safe_path import BY_ID
from casfs.tree.directory_prefetch import Neighbors
from casfs.tree.directory_times import DirectoryTimes
from casfs.tree.file_names import to_file_name
from casfs.tree.ingest_worker import IngestWorker
from casfs.tree.metadata.account import Account
from casfs.tree.node import ArchiveFile, Directory, Node
from casfs.tree.paths import ArchivePlace, parse
from casfs.tree.tree_tuning import TUNING

_JOBS_TOLD = 16
"""The most jobs in an attribute: many file systems have 4 KiB for all of a file's attributes."""


class ArchiveTree:
    """The archives of an account that can be read now, as files.

    Lock order: the one lock guards what is remembered of directories and vaults, and is innermost.

    Args:
        account: knows the jobs.
        jobs: which jobs cover each archive.
        index: finds archives.
        ingest: ingests inventories.
        times: of directories.
        fresh_seconds: how long the names in a directory count as fresh.
    """

    def __init__(
        self,
        account: Account,
        jobs: ArchiveJobs,
        index: ArchiveIndex,
        ingest: IngestWorker,
        times: DirectoryTimes,
        fresh_seconds: float,
    ) -> None:
        self._account = account
        self._jobs = jobs
        self._index = index
        self._ingest = ingest
        self._times = times
        self._lock = threading.Lock()
        self._prefixes: LRUCache[tuple[str, ...], str] = LRUCache(TUNING.shared_prefixes)
        self._looked: TTLCache[str, bool] = TTLCache(TUNING.remembered_directories, fresh_seconds)
        self._names: TTLCache[tuple[str, ...], tuple[str, ...]] = TTLCache(
            TUNING.remembered_directories, fresh_seconds
        )

    def node(self, path: str, vault: Vault, names: tuple[str, ...]) -> Node:
        """Return what is at a path.

        Args:
            path: from the root of the mount.
            vault: the vault.
            names: the path below `archives`.

        Raises:
            NotFoundError: nothing.
            CasfsError: jobs are not known, and the service failed; or the catalog did.
        """
        if names == ():
            return Directory(path, self._times.archives(vault))
        if names == (BY_ID,):
            return Directory(path, self._times.nameless(vault))
        entry = self._entry(vault.name, names)
        if entry is None:
            self._look_again(vault)
            entry = self._entry(vault.name, names)
        if entry is None:
            raise NotFoundError(f"there is no {path}, or it cannot be read now")
        if isinstance(entry, Subdirectory):
            return self._directory(path, vault, entry)
        size = entry.size
        if size is None:
            size = self.output(vault.name, entry).layout.size
        return _file(path, vault, entry, size, self._shared(vault.name, names[:-1]))

    def children(self, path: str, vault: Vault, names: tuple[str, ...]) -> list[Node]:
        """Return the entries of a directory, each as `node` returns it.

        Only the size of an archive is None if the catalog does not have it: what its jobs say, or
        that they disagree, is reported when it is opened, not when it is listed.

        Raises:
            NotFoundError: there is no such directory.
            CasfsError: as `node`.
        """
        self._look(vault)
        nodes: list[Node] = []
        shared = self._shared(vault.name, names)
        if not names and any(True for _ in self._entries(vault.name, (BY_ID,))):
            nodes.append(Directory(f"{path}/{BY_ID}", self._times.nameless(vault)))
        for name, entry in self._entries(vault.name, names):
            place = f"{path}/{name}"
            if isinstance(entry, Subdirectory):
                nodes.append(self._directory(place, vault, entry))
            else:
                nodes.append(_file(place, vault, entry, entry.size, shared))
        return nodes

    def output(self, vault: str, archive: Archive) -> Output:
        """Return the output to read for an archive.

        Raises:
            CasfsError: as `ArchiveJobs.output`.
        """
        return self._jobs.output(vault, archive)

    def job(self, vault: str, archive: Archive) -> Job | None:
        """Return the latest job that brings an archive, or a range of it, None if all are gone."""
        return self._jobs.latest(vault, archive)

    def facts(self, vault: str, archive: Archive, output: Output) -> dict[str, str | None]:
        """Return what is known of an archive and may change, as extended attributes."""
        until = self._jobs.condition(vault, archive, datetime.now(UTC)).expires
        original = archive.original_size
        return {
            "job-id": _jobs(output),
            "expires": until.isoformat() if until else None,
            "rule": archive.rule,
            "compressed": "yes" if archive.compressed else None,
            "encrypted": "yes" if archive.encrypted else None,
            "original-size": None if original is None else str(original),
        }

    def content_facts(self, vault: str, archive: Archive) -> dict[str, str | None]:
        """Return what belongs to the content of an archive, as extended attributes.

        Raises:
            CasfsError: as `output`, unless the catalog has the hash.
        """
        digest = digest_of(archive.tree_hash) or self.output(vault, archive).tree_hash
        return {
            "archive-id": archive.id,
            "created": archive.created.isoformat() if archive.created else None,
            "description": archive.description,
            "tree-hash": digest.hex() if digest else None,
        }

    def neighbors(self, node: ArchiveFile) -> tuple[Neighbors, str]:
        """Return the archives beside one, in the order of a listing, and its name among them."""
        directory, name = _below(node.path)
        key = (node.vault, *directory)
        with self._lock:
            names = self._names.get(key)
        if names is None:
            entries = self._entries(node.vault, directory)
            names = tuple(name for name, entry in entries if isinstance(entry, Archive))
            with self._lock:
                self._names[key] = names
        known = partial(self._known_output, node.vault, directory)
        return Neighbors("/".join(key), names, known), name

    def _directory(self, path: str, vault: Vault, entry: Subdirectory) -> Node:
        time = self._times.archives(vault) if entry.newest is None else entry.newest
        return Directory(path, time)

    def _shared(self, vault: str, names: tuple[str, ...]) -> str:
        """Return what the names in a directory begin with, the same while it is remembered.

        Inodes depend on it, and cp refuses a file whose inode changes.
        """
        if names == (BY_ID,):
            return ""
        key = (vault, *names)
        with self._lock:
            shared = self._prefixes.get(key)
        if shared is None:
            shared = self._index.shared_prefix(vault, names)
            with self._lock:
                self._prefixes[key] = shared
        return shared

    def _entry(self, vault: str, names: tuple[str, ...]) -> Entry | None:
        """Return what is below `archives`, None if nothing is there that can be read."""
        return self._index.entry(vault, names, Scope.READABLE)

    def _entries(self, vault: str, names: tuple[str, ...]) -> Iterator[tuple[str, Entry]]:
        """Yield name and entry of all that is in a directory below `archives`."""
        if names == (BY_ID,):
            for archive in self._index.nameless(vault, Scope.READABLE):
                yield to_file_name(archive.id), archive
            return
        for entry in self._index.entries(vault, names, Scope.READABLE):
            yield (entry.path or "").rpartition("/")[2], entry

    def _look(self, vault: Vault) -> None:
        """Bring the archives up to date, now that somebody looks."""
        self._index.look(vault.name)
        self._ingest.catch_up(vault.name)

    def _look_again(self, vault: Vault) -> None:
        """Bring the archives up to date once more, before reporting that something does not exist.

        The service is asked, and inventories ingested, at most once in a listing's time to live.
        """
        with self._lock:
            looked = self._looked.get(vault.name, False)
            self._looked[vault.name] = True
        self._account.look_again(vault.name)
        self._index.refresh()
        if not looked:
            self._ingest.catch_up(vault.name)
            self._ingest.wait(TUNING.ingest_patience)

    def _known_output(self, vault: str, directory: tuple[str, ...], name: str) -> Output | None:
        entry = self._entry(vault, (*directory, name))
        return self.output(vault, entry) if isinstance(entry, Archive) else None


def _below(path: str) -> tuple[tuple[str, ...], str]:
    """Return the names of an archive's directory below `archives`, and its own."""
    match parse(path):
        case ArchivePlace(_, (*directory, name)):
            return tuple(directory), name
    raise ValueError(f"{path} is not the path of an archive")


def _jobs(output: Output) -> str:
    """Return the jobs of an output; only the first of many, as an attribute must be short."""
    ids = list(dict.fromkeys(source.job_id for source in output.sources if source.job_id))
    more = len(ids) - _JOBS_TOLD
    return " ".join(ids[:_JOBS_TOLD]) + (f" and {more} more" if more > 0 else "")


def _file(path: str, vault: Vault, archive: Archive, size: int | None, shared: str) -> Node:
    return ArchiveFile(path, archive.mtime, size, vault.name, archive, shared)
