"""What a client is doing, as a file for programs."""

import os
from typing import TYPE_CHECKING

from casfs import __version__
from casfs.config import Config
from casfs.sanitize import pretty
from casfs.tree.paths import Name

if TYPE_CHECKING:
    # Loading it takes longer than a command takes that only asks a mount.
    from casfs.metrics import Metrics

_PADDED_TO = 4096
"""Bytes to whose multiple the files of `.casfs` are padded with blanks: their text changes all
the time, and a program such as tar wants the size that it saw before."""


def status_path(mountpoint: str) -> str:
    """Return the path at which a mount says what it is doing."""
    return f"{mountpoint}/{Name.CONTROL}/{Name.STATUS}"


def padded(text: bytes) -> bytes:
    """Return the bytes of a file of `.casfs`, of a size that seldom changes."""
    return text + b" " * (-(len(text) + 1) % _PADDED_TO) + b"\n"


def status_file(config: Config, metrics: "Metrics", uptime: float) -> bytes:
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
