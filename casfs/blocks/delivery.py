"""Where blocks that come from the service are received, and where they go."""

from dataclasses import dataclass

from casfs.blocks.block import Block
from casfs.blocks.buffers import Buffers
from casfs.blocks.disk.provisional import Transfer
from casfs.blocks.disk.write_behind import BlockWriter
from casfs.blocks.memory_cache import MemoryCache
from casfs.blocks.open_output import OpenOutput
from casfs.blocks.verify import Trust, Verifier
from casfs.metrics import Metrics


@dataclass(frozen=True)
class Delivery:
    """What all who bring blocks share; records what they bring.

    Attributes:
        buffers: what blocks are received in.
        verifier: hashes and compares them.
        memory: hands them to whoever waits, and keeps them in memory.
        write_behind: writes them to disk.
        metrics: counts them.
    """

    buffers: Buffers
    verifier: Verifier
    memory: MemoryCache
    write_behind: BlockWriter
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
        """
        self.metrics.blocks.labels("network").inc(len(blocks))
        unchecked = sum(block.trust is Trust.UNCHECKED for block in blocks)
        self.metrics.unchecked_blocks.inc(unchecked)
        opened.record(blocks, transfer)
