"""What a client is doing, as a file for programs."""

import os
import time
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

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


class StatusSource(Protocol):
    """A part of a client, or of what it serves, that has something to say about itself."""

    def status_facts(self) -> Mapping[str, object]:
        """Return facts for JSON by their names; without a call that can hang."""
        ...


class StatusFile:
    """`.casfs/status.json`: what a client is doing.

    Args:
        config: of the client.
        metrics: what it has counted.
    """

    def __init__(self, config: Config, metrics: "Metrics") -> None:
        self._config = config
        self._metrics = metrics
        self._started = time.monotonic()
        self._sources: list[StatusSource] = []

    def add(self, source: StatusSource) -> None:
        """Let somebody add facts of its own."""
        self._sources.append(source)

    def content(self) -> bytes:
        """Return the bytes of the file."""
        config, metrics = self._config, self._metrics
        facts: dict[str, object] = {
            "version": __version__,
            "pid": os.getpid(),
            "profile": config.profile,
            "dialect": config.dialect,
            "endpoint": config.endpoint,
            "account": config.account,
            "uptime_seconds": round(time.monotonic() - self._started, 1),
            "connections": config.connections,
            "cache_dir": str(config.cache_dir),
            "cache_size": config.cache_size,
            "last_answer": _iso(metrics.last_answer),
            "last_failure": _iso(metrics.last_failure),
        }
        for source in self._sources:
            facts |= source.status_facts()
        return padded(pretty(facts | {"counters": metrics.as_dict()}))


def _iso(moment: datetime | None) -> str | None:
    return moment.isoformat(timespec="milliseconds") if moment else None
