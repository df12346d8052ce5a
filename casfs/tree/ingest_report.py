"""The progress of an ingest, reported as the inventory is read."""

import threading
from collections.abc import Callable, Iterator
from typing import Any

from casfs.errors import CasfsError
from casfs.model import Job
from casfs.tree.inventory.entry import ArchiveEntry
from casfs.tree.inventory.reading import InventoryReader

Report = Callable[[Job, int], None]
"""Is called from time to time with the number of archives of an inventory ingested so far."""


class ReportingReader:
    """Reads an inventory, reports its progress, and stops when casfs closes."""

    def __init__(
        self, reader: InventoryReader, job: Job, report: Report, closed: threading.Event
    ) -> None:
        self._reader = reader
        self._job = job
        self._report = report
        self._closed = closed

    @property
    def facts(self) -> dict[str, Any]:
        """What is beside the list of archives."""
        return self._reader.facts

    def batches(self) -> Iterator[list[ArchiveEntry]]:
        """Yield the archives in batches."""
        count = 0
        for batch in self._reader.batches():
            if self._closed.is_set():
                raise CasfsError(
                    f"stopped reading the inventory of job {self._job.id}: casfs is closing"
                )
            yield batch
            count += len(batch)
            self._report(self._job, count)
