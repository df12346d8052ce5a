"""The one core behind every front end: an account as files, and the bytes of its outputs."""

import contextlib
import logging
from collections.abc import Iterator, Sequence
from functools import partial

from casfs import assembly
from casfs.blocks.check_cache import CacheChecker
from casfs.blocks.disk.contents import CacheContents
from casfs.blocks.disk.derived_files import DerivedFiles
from casfs.blocks.disk.store import DiskCache
from casfs.blocks.fill_cache import Filler
from casfs.blocks.verify import Verifier
from casfs.config import Config
from casfs.errors import CasfsError
from casfs.ledger.ledger_reader import LedgerReader
from casfs.metrics import Metrics
from casfs.model import Job, Vault
from casfs.service.route import make_paths_absolute
from casfs.status import StatusSource, padded
from casfs.tree.account_tree import AccountTree
from casfs.tree.archive_index import ArchiveIndex
from casfs.tree.archive_jobs import ArchiveJobs
from casfs.tree.archive_list import ArchiveList, Listed
from casfs.tree.archive_tree import ArchiveTree
from casfs.tree.archives.completeness import Completeness
from casfs.tree.archives.ingest import Ingest
from casfs.tree.archives.queries import Archives
from casfs.tree.archives.readable import Readable
from casfs.tree.archives.selection import Selected
from casfs.tree.archives.states import ArchiveState, Condition
from casfs.tree.available_archives import Available, AvailableArchives, Rest
from casfs.tree.cache_report import CachedOutput, CacheReport
from casfs.tree.current_names import CurrentNames
from casfs.tree.directory_times import DirectoryTimes
from casfs.tree.fetchable import FetchableOutput, FetchableOutputs, Unreadable
from casfs.tree.file_names import to_file_name
from casfs.tree.file_opener import FileOpener
from casfs.tree.ingest_worker import IngestWorker
from casfs.tree.inventory.text import to_bytes
from casfs.tree.inventory_files import InventoryFiles, InventoryForm
from casfs.tree.inventory_outputs import InventoryOutputs
from casfs.tree.job_list import JobEntry, JobList
from casfs.tree.metadata.account import Account
from casfs.tree.metadata.account_settings import AccountSettings
from casfs.tree.metadata.job_table import JobTable
from casfs.tree.metadata.same_account import SameAccount
from casfs.tree.node import ArchiveFile, Directory, InventoryFile, Node, SmallFile
from casfs.tree.open_files import File
from casfs.tree.paths import Name, job_file
from casfs.tree.requested import Requested
from casfs.tree.restorable import Restorable, RestorableFile
from casfs.tree.retrievals import Retrievals
from casfs.tree.sqlite.connection import DamagedError

__all__ = [
    "ArchiveFile",
    "ArchiveState",
    "Available",
    "CachedOutput",
    "Client",
    "Completeness",
    "Condition",
    "Directory",
    "FetchableOutput",
    "File",
    "JobEntry",
    "Listed",
    "Node",
    "Rest",
    "RestorableFile",
    "Selected",
    "SmallFile",
    "Unreadable",
    "make_paths_absolute",
    "to_bytes",
]

log = logging.getLogger(__name__)

_CHECKED = 256 << 20
"""Size in bytes up to which a mount checks the catalog when it starts."""


class Client(contextlib.AbstractContextManager["Client"]):
    """An account of an archive service, as files. A context manager, which closes it at the end.

    Threads start with the first request, so a process may fork after making a client.

    Attributes:
        service: its calls; those that start jobs are used by `casfs.restore` alone.

    Raises:
        ConfigError: the cache directory cannot be used.
    """

    def __init__(self, config: Config) -> None:
        self.config = config
        self.metrics = Metrics()
        own = config.account == "-"
        unchecked = partial(assembly.service_of, config, self.metrics)
        self._same_account = SameAccount(unchecked, lambda: self._table.vaults())
        keys = assembly.keys_of(config, self._same_account.check if own else None)
        self.service = service = assembly.service_of(config, self.metrics, keys)
        self._disk = disk = DiskCache(config.cache_dir, Verifier(service.tree_hash), self.metrics)
        write_behind = assembly.write_behind_of(config, disk, self.metrics)
        self._blocks = assembly.block_cache_of(config, service, disk, write_behind, self.metrics)
        self._status = assembly.status_of(config, self.metrics, write_behind, self._blocks)
        self._database = database = assembly.database_of(disk, service)
        self._table = table = JobTable(database)
        settings = AccountSettings(config.listing_ttl, config.deadline, config.vaults, own)
        first_read = assembly.first_read_of(self._blocks, self.metrics)
        account = Account(service, table, disk, first_read, settings, self.metrics)
        self._account = account
        outputs = InventoryOutputs(account, self._blocks, self.metrics)
        self._ingest = ingest = IngestWorker(
            service.dialect, account, Ingest(database), outputs.read, config.rules
        )
        service.descriptions.on_received = ingest.describe
        derived = DerivedFiles(disk.directory, disk.temporary, write_behind.added, self.metrics)
        form = InventoryForm(service.inventory_fields, config.skip_bad_records)
        self._inventories = InventoryFiles(account, outputs, derived, form, config.deadline, ingest)
        archives = Archives(database)
        jobs = ArchiveJobs(service, database, config.expiring_within)
        readable = Readable(database, service.parse_job, jobs.joins)
        self._names = names = CurrentNames(database, config.rules, config.deadline)
        index = ArchiveIndex(account, archives, readable, names)
        ledger = LedgerReader(config.state_dir, service.origin)
        requested = Requested(ledger, account, service.job_features)
        self.archives = ArchiveList(account, jobs, index, ingest, requested)
        self.retrievals = Retrievals(
            service=service,
            account=account,
            table=self._table,
            database=database,
            index=index,
            available=AvailableArchives(index, jobs, disk, service.origin),
            deadline=config.deadline,
        )
        filler = Filler(self._blocks, write_behind, self.metrics, config.deadline)
        self.fetchable = FetchableOutputs(account, table, jobs, archives, self.retrievals, filler)
        self.expiry_watch = assembly.expiry_watch_of(account, self.fetchable, service, self.metrics)
        self.report(self.expiry_watch)
        self.rate_sampler = assembly.sampler_of(config, self.retrievals, self._blocks, self.metrics)
        output_files = partial(
            assembly.output_files_of, config, service, disk, write_behind, self.metrics
        )
        self.restorable = Restorable(index, jobs, service, output_files)
        stock = CacheContents(disk.directory, disk.private)
        self.cache = CacheReport(stock, service, table, archives, self._blocks, account.known_size)
        self.checker = CacheChecker(disk, derived)
        times = DirectoryTimes(account, self._table, archives)
        tree = ArchiveTree(account, jobs, index, ingest, times, config.listing_ttl)
        self.job_list = JobList(account, self._table, archives, self._blocks, service.output)
        control = {Name.STATUS: self.status, Name.METRICS: lambda: padded(self.metrics.as_text())}
        self._tree = AccountTree(account, self._inventories, tree, requested, times, control)
        self._opener = FileOpener(
            self._tree, account, self._inventories, self._blocks, self.metrics
        )

    def __exit__(self, *error: object) -> None:
        """Close the client."""
        self.close()

    def close(self) -> None:
        """End every wait with an error, write what is queued, and stop."""
        self.expiry_watch.close()
        self.rate_sampler.close()
        self.service.close()
        self._same_account.close()
        self._blocks.close()
        self._ingest.close()
        self._names.close()
        self._database.close()

    def check(self) -> None:
        """Send a request to the service, so that wrong settings show at once.

        Raises:
            DeniedError: the service refuses us.
            CasfsError: it does not answer, and nothing is known from before.
        """
        self.repair(_CHECKED)
        try:
            self._account.check()
        except DamagedError as error:
            log.info("retrying: %s", error)
            self._account.check()

    def repair(self, limit: int = 16 << 20) -> None:
        """Rebuild the catalog if it is corrupt.

        Args:
            limit: size in bytes up to which a catalog is checked, as that takes time.

        Raises:
            CasfsError: it cannot be read.
        """
        self._database.check(limit)

    def stat(self, path: str) -> Node:
        """Return what is at a path.

        Raises:
            NotFoundError: nothing.
            CasfsError: it is not known, and the service failed.
        """
        return self._tree.node(path)

    def list(self, path: str) -> list[Node]:
        """Return the entries of a directory.

        Raises:
            NotFoundError: there is no such directory.
            CasfsError: it is unknown, and the service failed.
        """
        return self._tree.children(path)

    def open(self, node: Node) -> File:
        """Open a file.

        Raises:
            CasfsError: it is a directory, or the service failed.
        """
        return self._opener.open(node)

    def totals(self) -> tuple[int, int]:
        """Return how many archives the known vaults have, and how many bytes, without asking."""
        vaults = self._account.known_vaults()
        return sum(one.archives or 0 for one in vaults), sum(one.size or 0 for one in vaults)

    def left_out(self, node: Node) -> int:
        """Return how many records are left out of an inventory file because they cannot be read.

        Raises:
            CasfsError: as `open`.
        """
        if not isinstance(node, InventoryFile) or not self.config.skip_bad_records:
            return 0
        return self._inventories.left_out(node.job, node.name)

    def attributes(self, node: Node) -> dict[str, str]:
        """Return the extended attributes of a node, by their names without `user.casfs.`."""
        return self._opener.attributes(node)

    def content_attributes(self, node: Node) -> dict[str, str]:
        """Return those of `attributes` that belong to the content, and so to any copy of it."""
        return self._opener.content_attributes(node)

    def vaults(self, refresh: bool = False) -> Sequence[Vault]:
        """Return all vaults; for a key that may not list them, those that are known or named.

        Args:
            refresh: ask the service, however fresh the known list is.

        Raises:
            CasfsError: nothing is known, and the service failed.
        """
        return self._account.vaults(refresh)

    def ask(self, vault: str | None = None) -> float | None:
        """Ask the service for the vaults, or the jobs of one, however fresh the known list is.

        Returns:
            how many seconds ago the known list was current if the service failed, else None.

        Raises:
            NotFoundError: there is no such vault.
            DeniedError: the service refuses us.
            CasfsError: nothing is known, and the service failed.
        """
        if vault is not None:
            vault = self._account.vault(to_file_name(vault)).name
        return self._account.ask(vault)

    def vaults_refusal(self) -> CasfsError | None:
        """Return why `vaults` did not return all vaults, None if it did."""
        return self._account.refusal()

    def job_file(self, vault: str, job_id: str, name: str) -> Node:
        """Return a file of a job, by the service's names of vault and job, as `stat`."""
        return self.stat(job_file(vault, job_id, name))

    def jobs(self, vault: str) -> Iterator[Job]:
        """Yield every job of a vault, by the file names of the jobs.

        Raises:
            NotFoundError: there is no such vault.
            CasfsError: nothing is known, and the service failed.
        """
        return (known.job for known in self.job_list.known(vault))

    def status(self) -> bytes:
        """Return the bytes of `.casfs/status.json`: what the client is doing."""
        return self._status.content()

    def report(self, source: StatusSource) -> None:
        """Let somebody add facts of its own to `status`."""
        self._status.add(source)
