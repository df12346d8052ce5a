"""Where blocks that came from the service go."""

from dataclasses import dataclass

from casfs.blocks.block import Block
from casfs.blocks.buffers import Memory
from casfs.blocks.disk.transfers import Transfer
from casfs.blocks.disk.write_behind import Saver
from casfs.blocks.memory_cache import Flights
from casfs.blocks.open_output import OpenOutput
from casfs.blocks.verify import Trust, Verifier
from casfs.metrics import Metrics


@dataclass(frozen=True)
class Delivery:
    """Receives blocks, and takes them to the caches and to whoever waits.

    Attributes:
        memory: buffers that blocks are received in.
        verifier: hashes and compares them.
        flights: hands them to whoever waits, and keeps them in memory.
        saver: writes them to disk.
        metrics: counts them.
    """

    memory: Memory
    verifier: Verifier
    flights: Flights
    saver: Saver
    metrics: Metrics

    def record(
        self, opened: OpenOutput, blocks: list[Block], transfer: Transfer | None = None
    ) -> None:
        """Record blocks that came; check the whole output if they were the last ones.

        Args:
            opened: the output that they are of.
            blocks: the blocks.
            transfer: the transfer of the whole output that brought them, if one did.

        Raises:
            MismatchError, OutputMismatchError: see `OpenOutput.record`.
            OutputMismatchError: the whole does not match its tree hash.
        """
        self.metrics.blocks.labels("network").inc(len(blocks))
        unchecked = sum(block.trust is Trust.UNCHECKED for block in blocks)
        self.metrics.unchecked_blocks.inc(unchecked)
        opened.record(blocks, transfer)
        opened.require_whole()

    def deliver(self, opened: OpenOutput, blocks: list[Block]) -> None:
        """Hand recorded blocks to the disk, to memory, and to whoever waits for them."""
        pairs = [(block.number, block.data) for block in blocks]
        # First: a block must be found somewhere at every moment.
        self.saver.save(opened, opened.key, pairs)
        self.flights.land(opened.key, pairs)
