"""What is done with blocks that came, before anybody gets them."""

from casfs.blocks.disk.transfers import Transfer
from casfs.blocks.open_output import OpenOutput
from casfs.blocks.receive import Block
from casfs.blocks.verify import Trust
from casfs.metrics import Metrics


def settle(
    opened: OpenOutput, blocks: list[Block], metrics: Metrics, transfer: Transfer | None = None
) -> None:
    """Note blocks that came; check the whole output if they were the last ones.

    Args:
        opened: the output that they are of.
        blocks: the blocks.
        metrics: counts them.
        transfer: the transfer of the whole output that brought them, if one did.

    Raises:
        MismatchError, OutputMismatchError: see `OpenOutput.record`.
        OutputMismatchError: the whole does not match its tree hash.
    """
    metrics.blocks.labels("network").inc(len(blocks))
    unchecked = sum(block.trust is Trust.UNCHECKED for block in blocks)
    metrics.unchecked_blocks.inc(unchecked)
    opened.record(blocks, transfer)
    opened.require_whole()
