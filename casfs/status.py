"""What a client is doing, as a file for programs."""

import os

from casfs import __version__
from casfs.config import Config
from casfs.metrics import Metrics
from casfs.sanitize import pretty
from casfs.tree.node import padded


def status_file(config: Config, metrics: Metrics, uptime: float) -> bytes:
    """Return the bytes of `.casfs/status.json`.

    Args:
        config: of the client.
        metrics: what it has counted.
        uptime: seconds since it was made.
    """
    return padded(
        pretty(
            {
                "version": __version__,
                "pid": os.getpid(),
                "profile": config.profile,
                "dialect": config.dialect,
                "endpoint": config.endpoint,
                "account": config.account,
                "uptime_seconds": round(uptime, 1),
                "connections": config.connections,
                "cache_dir": str(config.cache_dir),
                "cache_size": config.cache_size,
                "counters": metrics.as_dict(),
            }
        )
    )
