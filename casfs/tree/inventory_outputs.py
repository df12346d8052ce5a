"""The outputs of inventory jobs, read as files from their beginning to their end."""

import contextlib
from collections.abc import Iterator

from casfs.blocks.block_cache import BlockCache
from casfs.blocks.open_output import OpenOutput
from casfs.blocks.reader import Reader
from casfs.metrics import Metrics
from casfs.model import Job
from casfs.tree.inventory.text import ByteSource
from casfs.tree.metadata.account import Account
from casfs.tree.single_flight import WorkProgress


class OutputSource:
    """An output as a file that is read from its beginning."""

    def __init__(self, reader: Reader, progress: WorkProgress) -> None:
        self._reader = reader
        self._progress = progress
        self._at = 0

    def read(self, size: int) -> bytes:
        """Return the next bytes, none at the end."""
        data = bytes(self._reader.pread(size, self._at))
        self._at += len(data)
        self._progress.steps += 1
        return data


class InventoryOutputs:
    """The outputs of an account's inventory jobs.

    Args:
        account: knows jobs and outputs.
        blocks: the block cache.
        metrics: counts what is read.
    """

    def __init__(self, account: Account, blocks: BlockCache, metrics: Metrics) -> None:
        self._account = account
        self._blocks = blocks
        self._metrics = metrics

    def open(self, job: Job) -> OpenOutput:
        """Return the output of a job, of the size that is known, or that its job states.

        Raises:
            CasfsError: its size is not known, and the service failed.
        """
        # All of it will be read, which shows whether the size is right.
        output = self._account.output_as_known(job) or self._account.output(job)
        return self._blocks.open(output)

    def known(self, job: Job) -> OpenOutput | None:
        """Return the output of a job without asking for its size; None if that is not known."""
        output = self._account.output_as_known(job)
        return None if output is None else self._blocks.open(output)

    def reader(self, opened: OpenOutput) -> Reader:
        """Return a reader of an output."""
        return Reader(self._blocks, opened, self._metrics)

    @contextlib.contextmanager
    def read(self, job: Job) -> Iterator[ByteSource]:
        """Open the output of a job, to be read from its beginning to its end.

        Raises:
            CasfsError: it cannot be read; also while it is.
        """
        reader = self.reader(self.open(job))
        try:
            yield OutputSource(reader, WorkProgress())
        finally:
            reader.close()
