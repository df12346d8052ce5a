"""Makes the parts of a client that the configuration describes: service, block caches."""

import logging
from collections.abc import Callable
from dataclasses import replace

from casfs.bandwidth import parse_bandwidth
from casfs.blocks.block_cache import BlockCache
from casfs.blocks.disk.cache_use import CacheUse
from casfs.blocks.disk.eviction import Evictor
from casfs.blocks.disk.store import DiskCache, OutputStores
from casfs.blocks.disk.write_behind import BlockWriter, WriteBehind
from casfs.blocks.gets.slots import Slots
from casfs.blocks.output_files import OutputFiles, PartStores
from casfs.blocks.read_limits import ReadLimits
from casfs.blocks.reader import Reader
from casfs.blocks.small_outputs import SmallOutputs
from casfs.blocks.write_through import WriteThrough
from casfs.config import Config
from casfs.credentials import KeySource, owner
from casfs.errors import CasfsError
from casfs.ledger.measured_rate import record_rate
from casfs.metrics import Metrics
from casfs.model import Output
from casfs.rotation import CheckKey, RotatingKeys
from casfs.service.registry import DIALECTS
from casfs.service.retries import Limits
from casfs.service.service import Service
from casfs.settings import text
from casfs.status import StatusFile
from casfs.tree.expiry_watch import ExpiryWatch
from casfs.tree.fetchable import FetchableOutputs
from casfs.tree.metadata.account import Account
from casfs.tree.metadata.job_table import catalog_path
from casfs.tree.rate_sampler import LineLoad, RateSampler
from casfs.tree.retrievals import Retrievals
from casfs.tree.sqlite.database import Database

log = logging.getLogger(__name__)


def keys_of(config: Config, check: CheckKey | None) -> KeySource:
    """Return the key of a configuration; one that may be replaced after a refusal if it can change.

    Args:
        config: says where the key was found.
        check: see `RotatingKeys`.
    """
    if config.find_key_again is None:
        return config.credentials
    return RotatingKeys(config.credentials, config.find_key_again, check)


def service_of(config: Config, metrics: Metrics, keys: KeySource) -> Service:
    """Return the service of a configuration.

    Args:
        config: says which one, and how to reach it.
        metrics: counts what is sent.
        keys: sign requests.
    """
    limits = Limits(config.connect_timeout, config.read_timeout, config.attempts)
    dialect = DIALECTS[config.dialect].dialect(config.account, keys, config.region)
    whose = owner(config.account, config.credentials)
    ca_file = ("ca_bundle of the AWS configuration", config.ca_bundle)
    rotating = keys if isinstance(keys, RotatingKeys) else None
    dialect = replace(dialect, keys=rotating, ca_file=ca_file if config.ca_bundle else None)
    service = Service(dialect, config.endpoint, whose, limits, metrics)
    service.throttle.set_limit(config.bwlimit)
    return service


def write_behind_of(config: Config, disk: DiskCache, metrics: Metrics) -> WriteBehind:
    """Return what writes blocks to a disk, and keeps the cache at its size."""
    evictor = Evictor(disk.directory, config.cache_size, metrics, disk.private)
    return WriteBehind(evictor, metrics)


def expiry_watch_of(
    account: Account, fetchable: FetchableOutputs, service: Service, metrics: Metrics
) -> ExpiryWatch:
    """Return what watches the outputs of an account; nothing starts it yet."""

    def names() -> list[str]:
        return [vault.name for vault in account.known_vaults()]

    return ExpiryWatch(names, fetchable, service.clock.now, metrics)


def sampler_of(
    config: Config, retrievals: Retrievals, blocks: BlockCache, metrics: Metrics
) -> RateSampler:
    """Return what measures the rate at which outputs come; nothing starts it yet."""

    def record(size: int, seconds: float) -> None:
        # The vaults of an account share its record.
        for vault in retrievals.account.known_vaults()[:1]:
            record_rate(config.state_dir, retrievals.account_key(vault), size, seconds)

    return RateSampler(
        LineLoad(metrics.received, blocks.busy, config.connections, blocks.useful), record
    )


def status_of(
    config: Config, metrics: Metrics, write_behind: WriteBehind, blocks: BlockCache
) -> StatusFile:
    """Return the status file of a client, with what its cache says."""
    status = StatusFile(config, metrics)
    status.add(CacheUse(write_behind.evictor))
    status.add(blocks)
    return status


def block_cache_of(
    config: Config,
    service: Service,
    disk: OutputStores,
    write_behind: BlockWriter,
    metrics: Metrics,
) -> BlockCache:
    """Return the block cache of a configuration, over a service and a disk."""
    limits = ReadLimits(config.memory_size, config.connections, config.deadline)
    return BlockCache(service, disk, write_behind, limits, metrics)


def read_limit_again(config: Config, service: Service) -> None:
    """Set the bandwidth limit that the settings have now; it stays as it is if they are malformed.

    A flag or the environment take precedence over the file, as ever.
    """
    if config.settings_again is None:
        return
    try:
        written = text(config.settings_again(), "bwlimit")
        limit = parse_bandwidth(written, "bwlimit") if written else None
    except CasfsError as error:
        log.warning("the bandwidth limit stays as it was: %s", error)
        return
    service.throttle.set_limit(limit)
    log.info("the bandwidth limit is %s", limit.text if limit else "off")


def output_files_of(
    config: Config,
    service: Service,
    disk: DiskCache,
    write_behind: WriteBehind,
    metrics: Metrics,
    keep_in_cache: bool = False,
) -> OutputFiles:
    """Return what fetches outputs into files; what the cache has is not fetched.

    Args:
        config: says how much memory and how many connections that may take.
        service: where blocks come from.
        disk: the cache.
        write_behind: counts what is written there.
        metrics: counts what is fetched.
        keep_in_cache: what is fetched is kept in the cache as well.
    """
    parts = PartStores(disk, metrics)
    writer = WriteThrough(write_behind if keep_in_cache else None)
    cache = block_cache_of(config, service, parts, writer, metrics)
    if keep_in_cache:
        return OutputFiles(cache, parts, metrics)
    slots = Slots.of(config.connections)
    most = slots.requests + slots.reserve
    small = SmallOutputs(service, disk, metrics, most, config.deadline)
    return OutputFiles(cache, parts, metrics, small)


def first_read_of(blocks: BlockCache, metrics: Metrics) -> Callable[[Output], None]:
    """Return what reads the beginning of an output, whose answer tells its size."""

    def read(output: Output) -> None:
        reader = Reader(blocks, blocks.open(output), metrics)
        try:
            reader.pread(1, 0)
        finally:
            reader.close()

    return read


def database_of(disk: DiskCache, service: Service) -> Database:
    """Return the catalog of an account, which is in the cache directory."""
    return Database(catalog_path(disk.private.path, service.origin), disk.private)
