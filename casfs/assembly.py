"""Makes the parts of a client that the configuration describes: the service, the block cache."""

from dataclasses import replace

from casfs.blocks.block_cache import BlockCache, ReadLimits
from casfs.blocks.disk.store import DiskCache
from casfs.blocks.disk.write_behind import WriteBehind
from casfs.config import Config
from casfs.credentials import KeySource, owner
from casfs.metrics import Metrics
from casfs.rotation import RotatingKeys
from casfs.service.registry import DIALECTS
from casfs.service.retries import Limits
from casfs.service.service import Service


def service_of(
    config: Config, metrics: Metrics, keys: KeySource, rotating: RotatingKeys | None = None
) -> Service:
    """Return the service of a configuration.

    Args:
        config: says which one, and how to reach it.
        metrics: counts what is sent.
        keys: sign requests.
        rotating: the same if they may be replaced after a refusal.
    """
    limits = Limits(config.connect_timeout, config.read_timeout, config.attempts)
    dialect = DIALECTS[config.dialect].dialect(config.account, keys, config.region)
    whose = owner(config.account, config.credentials)
    ca_file = ("ca_bundle of the AWS configuration", config.ca_bundle)
    dialect = replace(dialect, keys=rotating, ca_file=ca_file if config.ca_bundle else None)
    return Service(dialect, config.endpoint, whose, limits, metrics)


def block_cache_of(
    config: Config, service: Service, disk: DiskCache, write_behind: WriteBehind, metrics: Metrics
) -> BlockCache:
    """Return the block cache of a configuration, over a service and a disk."""
    limits = ReadLimits(config.memory_size, config.connections, config.deadline)
    return BlockCache(service, disk, write_behind, limits, metrics)
