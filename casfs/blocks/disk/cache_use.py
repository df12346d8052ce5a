"""How much of its disk the cache takes, as status files say it."""

import logging
import os
import threading
import time
from collections.abc import Mapping

from casfs.blocks.disk.eviction import Evictor
from casfs.disks import existing
from casfs.errors import ThreadError
from casfs.reasons import reason
from casfs.threads import start_thread

log = logging.getLogger(__name__)

_FRESH_SECONDS = 5.0
_PATIENCE = 0.5
"""Seconds for which the first who asks waits for an answer."""


class CacheUse:
    """The bytes that a cache takes, and those that are free on its disk.

    A thread looks, at most every few seconds and only while somebody asks, so that nobody who asks
    hangs with the disk.

    Lock order: the one lock is innermost.

    Args:
        evictor: counts what is written, and may have looked through the cache.
    """

    def __init__(self, evictor: Evictor) -> None:
        self._evictor = evictor
        self._lock = threading.Lock()
        self._looked = threading.Event()
        self._due = 0.0
        self._measured: int | None = None
        self._facts: dict[str, object] = {"cache_used": None, "disk_free": None}

    def status_facts(self) -> Mapping[str, object]:
        """Return the bytes that the cache takes and that are free; None is not known yet."""
        now = time.monotonic()
        with self._lock:
            is_due, self._due = now >= self._due, max(self._due, now + _FRESH_SECONDS)
        if is_due:
            try:
                start_thread("cache-use", self._look)
            except ThreadError as error:
                log.info("cannot look at the cache: %s", error)
            self._looked.wait(_PATIENCE)
        with self._lock:
            return dict(self._facts)

    def _look(self) -> None:
        with self._lock:
            # The next look must not begin before this one has ended.
            self._due = float("inf")
        facts: dict[str, object] = {}
        try:
            disk = os.statvfs(existing(self._evictor.directory))
            facts["disk_free"] = disk.f_bavail * disk.f_frsize
            used = self._evictor.used()
            if used is None:
                if self._measured is None:
                    self._measured = self._evictor.measure()
                used = self._measured
            facts["cache_used"] = used
        except OSError as error:
            log.info("cannot look at the cache: %s", reason(error))
        with self._lock:
            self._facts |= facts
            self._due = time.monotonic() + _FRESH_SECONDS
        self._looked.set()
