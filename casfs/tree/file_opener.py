"""Opens the files of an account, and says what is known of their bytes."""

import logging
from functools import partial

from casfs.blocks.block_cache import BlockCache
from casfs.blocks.open_output import OpenOutput
from casfs.blocks.reader import Reader
from casfs.errors import NotFoundError
from casfs.metrics import Metrics
from casfs.reasons import reason
from casfs.tree.account_tree import AccountTree
from casfs.tree.directory_prefetch import DirectoryPrefetch
from casfs.tree.inventory_files import InventoryFiles
from casfs.tree.metadata.account import Account
from casfs.tree.node import ArchiveFile, InventoryFile, Node, OutputFile, SmallFile
from casfs.tree.open_files import BytesFile, File, MeasuredFile

log = logging.getLogger(__name__)


class FileOpener:
    """Opens files by their nodes.

    Args:
        tree: knows which output a node has.
        account: measures outputs again whose bytes contradict their size.
        inventories: opens inventory files.
        blocks: the cache of the blocks of all others.
        metrics: counts what is read.
    """

    def __init__(
        self,
        tree: AccountTree,
        account: Account,
        inventories: InventoryFiles,
        blocks: BlockCache,
        metrics: Metrics,
    ) -> None:
        self._tree = tree
        self._account = account
        self._inventories = inventories
        self._blocks = blocks
        self._prefetch = DirectoryPrefetch(blocks)
        self._metrics = metrics

    def open(self, node: Node) -> File:
        """Open a file.

        Raises:
            CasfsError: it is a directory, or the service failed.
        """
        if isinstance(node, SmallFile):
            return BytesFile(node.content())
        if isinstance(node, InventoryFile):
            return self._inventories.open(node.job, node.name)
        if not isinstance(node, OutputFile | ArchiveFile):
            raise NotFoundError(f"{node.path} is a directory, not a file; name a file in it")
        output = self._tree.output(node)
        try:
            self._prefetch.opened(*self._tree.neighbors(node))
        except OSError as error:
            # Prefetching is not part of what was asked for.
            log.info("cannot prefetch the neighbors of %s: %s", node.path, reason(error))
        # Last, and at once: what fails once there is a reader would leave it open, and a refusal of
        # the output before there is one would meet a program that has read nothing of it.
        reader = Reader(self._blocks, self._blocks.open(output), self._metrics)
        if isinstance(node, ArchiveFile) or output.tree_hash is None or not output.measured:
            return reader
        return MeasuredFile(reader, partial(self._account.has_other_size, node.job))

    def attributes(self, node: Node) -> dict[str, str]:
        """Return the extended attributes of a node, by their names without `user.casfs.`."""
        if not isinstance(node, OutputFile | InventoryFile | ArchiveFile):
            return {}
        output = self._tree.output(node)
        found = {
            "tree-hash": output.tree_hash.hex() if output.tree_hash else None,
            **self._state(node, self._blocks.open(output)),
            **self._tree.content_facts(node),
            **self._tree.facts(node, output),
        }
        return {name: value for name, value in found.items() if value}

    def content_attributes(self, node: Node) -> dict[str, str]:
        """Return those of `attributes` that belong to the content, and so to any copy of it."""
        if not isinstance(node, OutputFile | InventoryFile | ArchiveFile):
            return {}
        found = self._tree.content_facts(node)
        return {name: value for name, value in found.items() if value}

    def _state(
        self, node: OutputFile | InventoryFile | ArchiveFile, opened: OpenOutput
    ) -> dict[str, str]:
        if isinstance(node, InventoryFile):
            return {"verified": self._inventories.verified(opened, node.name)}
        return {"verified": opened.verified(), "cached": str(opened.store.cached_bytes())}
