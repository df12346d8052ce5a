"""The one core behind every door: an account as files, and the bytes of its outputs."""

import contextlib
import logging
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial

from casfs.blocks.block_cache import Fetcher
from casfs.blocks.disk.contents import Stock
from casfs.blocks.disk.derived_files import KeptFiles
from casfs.blocks.disk.eviction import Evictor
from casfs.blocks.disk.store import DiskCache
from casfs.blocks.disk.write_behind import Saver
from casfs.blocks.open_output import OpenOutput
from casfs.blocks.reader import Reader
from casfs.config import Config
from casfs.credentials import KeySource, owner
from casfs.errors import CasfsError, NotFoundError
from casfs.metrics import Metrics
from casfs.model import Job, Output, Vault
from casfs.rotation import RotatingKeys
from casfs.service.registry import DIALECTS
from casfs.service.retries import Limits
from casfs.service.service import Service
from casfs.status import padded, status_file
from casfs.tree.account_tree import AccountTree
from casfs.tree.archive_jobs import ArchiveJobs
from casfs.tree.archive_list import ArchiveList
from casfs.tree.archive_tree import ArchiveTree
from casfs.tree.archives.ingest import Intake
from casfs.tree.archives.queries import Archives
from casfs.tree.archives.readable import Readable
from casfs.tree.cache_report import CacheList
from casfs.tree.directory_prefetch import Siblings
from casfs.tree.files import BytesFile, File, MeasuredFile
from casfs.tree.ingest_worker import InventoryFeed
from casfs.tree.inventory_files import Inventories
from casfs.tree.metadata.account import Account
from casfs.tree.metadata.job_table import Catalog, catalog_path
from casfs.tree.metadata.same_account import SameAccount
from casfs.tree.metadata.vaults import VaultSettings
from casfs.tree.node import ArchiveFile, InventoryFile, Node, OutputFile, SmallFile
from casfs.tree.paths import Name
from casfs.tree.sqlite.connection import DamagedError
from casfs.tree.sqlite.database import Database

log = logging.getLogger(__name__)

_CHECKED = 256 << 20
"""Bytes of a catalogue that a mount looks through as it starts."""


class Client(contextlib.AbstractContextManager["Client"]):
    """An account of an archive service, as files. As a context manager, it is closed at the end.

    Threads start with the first request, so a process may fork after making a client.

    Raises:
        ConfigError: the cache folder cannot be used.
    """

    def __init__(self, config: Config) -> None:
        self.config = config
        self.metrics = Metrics()
        self._started = time.monotonic()
        self._same_account = SameAccount(self._service_with, self._known_vaults)
        check = self._same_account.check if config.account == "-" else None
        keys = RotatingKeys(config.credentials, config.find_key_again, check)
        self._service = self._service_with(keys, keys)
        self._disk = DiskCache(config.cache_dir, self._service.tree_hash, self.metrics)
        evictor = Evictor(self._disk.folder, config.cache_size, self.metrics, self._disk.private)
        saver = Saver(evictor, self.metrics)
        self._fetcher = Fetcher(
            self._service,
            self._disk,
            saver,
            config.memory_size,
            config.connections,
            config.deadline,
            self.metrics,
        )
        self._database = Database(
            catalog_path(self._disk.private.path, self._service.origin), self._disk.private
        )
        self._catalog = Catalog(self._database)
        self._account = Account(
            self._service,
            self._catalog,
            self._disk.holds_whole,
            self._read_some,
            config.listing_ttl,
            config.deadline,
            self.metrics,
            VaultSettings(config.vaults, own_account=config.account == "-"),
        )
        self._inventories = Inventories(
            self._account,
            self._fetcher,
            KeptFiles(self._disk.folder, self._disk.temporary, saver.kept, self.metrics),
            self._service.inventory_fields,
            config.deadline,
            self.metrics,
            self._inventory_made,
            config.skip_bad_records,
        )
        self._siblings = Siblings(self._fetcher)
        self._feed = InventoryFeed(
            self._service.dialect,
            self._account,
            Intake(self._database),
            self._inventories.read,
            config.rules,
        )
        self._service.descriptions.on_told = self._feed.describe
        archives = Archives(self._database)
        jobs = ArchiveJobs(self._service, self._database)
        readable = Readable(self._database, self._service.parse_job, jobs.joins)
        self.archives = ArchiveList(self._account, jobs, archives, readable, self._feed)
        self.cache = CacheList(
            Stock(self._disk.folder, self._disk.private),
            self._service,
            self._catalog,
            archives,
            self._fetcher,
            self._account.known_size,
        )
        self._tree = AccountTree(
            self._account,
            self._inventories,
            ArchiveTree(self._account, jobs, archives, readable, self._feed, config.listing_ttl),
            {Name.STATUS: self.status, Name.METRICS: self._counters},
        )

    def __exit__(self, *error: object) -> None:
        """Close the client."""
        self.close()

    def close(self) -> None:
        """End every wait with an error, write what is still to be written, and stop."""
        self._service.close()
        self._same_account.close()
        self._fetcher.close()
        self._feed.close()
        self._database.close()

    def check(self) -> None:
        """Ask the service for something, so that wrong settings show at once.

        Raises:
            DeniedError: the service refuses us.
            CasfsError: it does not answer, and nothing is known from earlier.
        """
        self.repair(_CHECKED)
        try:
            self._account.check()
        except DamagedError as error:
            log.info("asking again: %s", error)
            self._account.check()

    def repair(self, limit: int = 16 << 20) -> None:
        """Begin the catalogue anew if it is damaged.

        Args:
            limit: bytes of a catalogue that is looked through, which takes time.

        Raises:
            CasfsError: it cannot be read.
        """
        self._database.check(limit)

    def stat(self, path: str) -> Node:
        """Return what stands at a path.

        Raises:
            NotFoundError: nothing.
            CasfsError: it is not known, and the service failed.
        """
        return self._tree.node(path)

    def list(self, path: str) -> list[Node]:
        """Return the entries of a folder.

        Raises:
            NotFoundError: there is no such folder.
            CasfsError: they are not known, and the service failed.
        """
        return self._tree.children(path)

    def open(self, node: Node) -> File:
        """Open a file.

        Raises:
            CasfsError: it is a folder, or the service failed.
        """
        if isinstance(node, SmallFile):
            return BytesFile(node.content())
        if isinstance(node, InventoryFile):
            return self._inventories.open(node.job, node.name)
        if not isinstance(node, OutputFile | ArchiveFile):
            raise NotFoundError(f"{node.path} is a directory, not a file; name a file in it")
        output = self._tree.output(node)
        try:
            self._siblings.opened(*self._tree.row(node))
        except OSError as error:
            # What may be opened next is no part of what was asked for.
            log.info("nothing beside %s is fetched ahead: %s", node.path, error)
        # Last, and at once: what fails once there is a reader would leave it open, and a refusal of
        # the output before there is one would meet a program that has read nothing of it.
        reader = Reader(self._fetcher, self._fetcher.open(output), self.metrics)
        if isinstance(node, ArchiveFile) or output.tree_hash is None or not output.measured:
            return reader
        return MeasuredFile(reader, partial(self._account.has_other_size, node.job))

    def left_out(self, node: Node) -> int:
        """Return how many records are left out of an inventory file, as they cannot be read.

        Raises:
            CasfsError: as `open`.
        """
        if not isinstance(node, InventoryFile) or not self.config.skip_bad_records:
            return 0
        return self._inventories.left_out(node.job, node.name)

    def attributes(self, node: Node) -> dict[str, str]:
        """Return the extended attributes of a node, by their name behind `user.casfs.`."""
        if not isinstance(node, OutputFile | InventoryFile | ArchiveFile):
            return {}
        output = self._tree.output(node)
        opened = self._fetcher.open(output)
        found = {
            "tree-hash": output.tree_hash.hex() if output.tree_hash else None,
            **self._state(node, opened),
            **self._tree.facts(node, output),
        }
        return {name: value for name, value in found.items() if value}

    def _state(
        self, node: OutputFile | InventoryFile | ArchiveFile, opened: OpenOutput
    ) -> dict[str, str]:
        if isinstance(node, InventoryFile):
            return {"verified": self._inventories.verified(opened, node.name)}
        return {"verified": opened.verified(), "cached": str(opened.store.cached_bytes())}

    def vaults(self, anew: bool = False) -> Sequence[Vault]:
        """Return all vaults; of a key that may not list them, those that are known or named.

        Args:
            anew: ask the service, however young what is known may be.

        Raises:
            CasfsError: nothing is known, and the service failed.
        """
        return self._account.vaults(anew)

    def vaults_refusal(self) -> CasfsError | None:
        """Return why `vaults` did not return all vaults, None if it did."""
        return self._account.refusal()

    def jobs(self, vault: str) -> Iterator[Job]:
        """Yield every job of a vault, by its file name.

        Raises:
            NotFoundError: there is no such vault.
            CasfsError: nothing is known, and the service failed.
        """
        name = self._account.vault(vault).name
        for job_name in self._account.job_names(name):
            # A job may vanish between listing it and looking at it.
            with contextlib.suppress(NotFoundError):
                yield self._account.job(name, job_name).job

    def status(self) -> bytes:
        """Return the bytes of `.casfs/status.json`: what the client is doing."""
        return status_file(self.config, self.metrics, time.monotonic() - self._started)

    def _service_with(self, keys: KeySource, rotating: RotatingKeys | None = None) -> Service:
        config = self.config
        limits = Limits(config.connect_timeout, config.read_timeout, config.attempts)
        dialect = DIALECTS[config.dialect].dialect(config.account, keys, config.region)
        whose = owner(config.account, config.credentials)
        return Service(
            replace(dialect, keys=rotating), config.endpoint, whose, limits, self.metrics
        )

    def _known_vaults(self) -> Sequence[tuple[str, str, bool]]:
        return self._catalog.vaults()

    def _read_some(self, output: Output) -> None:
        reader = Reader(self._fetcher, self._fetcher.open(output), self.metrics)
        try:
            reader.pread(1, 0)
        finally:
            reader.close()

    def _inventory_made(self, job: Job) -> None:
        self._feed.catch_up(job.vault, job.id)

    def _counters(self) -> bytes:
        return padded(self.metrics.as_text())
