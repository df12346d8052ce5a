"""A job that an output is read from, and where else its blocks are cached.

An archive that several jobs bring together has blocks of its own on disk, and beside them those
that were cached when the output of one of the jobs was read by itself. The latter are still there
when that job has expired. So are those of jobs that are not asked, because others last longer.
"""

from casfs.blocks.disk.block_store import BlockStore
from casfs.blocks.disk.store import OutputStores
from casfs.blocks.whole_body.shared import SharedTransfer
from casfs.model import JobSlice, Output


class OpenSource:
    """A source of an output that is being read; blocks are numbered as in that output.

    Attributes:
        shared: the transfer of the job's whole output, where the server ignores ranges.
        run: the job's own blocks.
        elsewhere: where else its blocks are cached, best first.
    """

    def __init__(self, output: Output, source: JobSlice, disk: OutputStores) -> None:
        self.shared = SharedTransfer()
        self.run = source.own
        self.elsewhere = disk.elsewhere(output, source)

    def doubted(self, store: BlockStore) -> bool:
        """Return whether what a transfer brought was taken back, and has not come again."""
        return store.leaves.doubts.doubted(self.run)
