"""Descriptions of archives that a service tells with their bytes, as Amazon Glacier does."""

import threading
from collections.abc import Callable

import requests
from cachetools import LRUCache

from casfs.service.service_tuning import TUNING


class ReceivedDescriptions:
    """What was received lately, by vault and job.

    Lock order: its one lock is innermost.

    Args:
        header: which one of an output tells it, None if none does.

    Attributes:
        are_sent: there is such a header.
    """

    def __init__(self, header: str | None) -> None:
        self._header = header
        self.are_sent = header is not None
        self._lock = threading.Lock()
        self._known: LRUCache[tuple[str, str], str] = LRUCache(TUNING.remembered_descriptions)
        self.on_received: Callable[[str, str, str], None] = lambda *_: None
        """Is called with vault, job and text of each new one, by a thread that must not wait."""

    def of_job(self, vault: str, job_id: str) -> str | None:
        """Return the description of the archive that a job brings, None before it was received."""
        with self._lock:
            return self._known.get((vault, job_id))

    def note(self, vault: str, job_id: str, answer: requests.Response) -> None:
        """Note what an answer with bytes of an output tells."""
        value = answer.headers.get(self._header or "")
        if not value:
            return
        # Headers are read as Latin-1; what is in them may be UTF-8, or any other bytes, which
        # are the same text here as in an inventory.
        text = value.encode("latin-1").decode("utf-8", "surrogateescape")
        with self._lock:
            known = self._known.get((vault, job_id))
            self._known[vault, job_id] = text
        if known != text:
            self.on_received(vault, job_id, text)
