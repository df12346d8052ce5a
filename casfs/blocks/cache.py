"""The disk cache: one file a block, found good or not found.

    <cache>/CACHEDIR.TAG
    <cache>/blocks-1/temporary/             files being written, see temporary.py
    <cache>/blocks-1/<2 hex>/<62 hex>/      one output, by its key
        leaves                              see leaves.py
        kept                                see kept.py
        <block // 1024>/<block>             the bytes of a block, nothing else

A file appears by renaming, so several processes may share a cache. Nothing is synced: after a
crash a file may be torn, and any file may rot. A block therefore counts only if its bytes hash to
its leaf; one that does not is removed and fetched again.
"""

import contextlib
import logging
import os
import threading
import weakref
from pathlib import Path

from casfs.blocks.files import read_file, write_file
from casfs.blocks.leaves import Leaves, Trust
from casfs.blocks.memory import Memory
from casfs.blocks.temporary import Temporary
from casfs.errors import ConfigError
from casfs.metrics import Metrics
from casfs.ranges import Layout
from casfs.service.base import Output
from casfs.treehash import TreeHash

log = logging.getLogger(__name__)

_FORMAT = "blocks-1"
_TAG = (
    "Signature: 8a477f597d28d172789f06886806bc55\n"
    "# This folder is a cache made by casfs; see https://bford.info/cachedir/\n"
)
_FOLDER_BLOCKS = 1024


class OutputStore:
    """The blocks of one output on disk.

    Attributes:
        staging: folder of the files that `stage` makes.
        leaves: what is known of them.
        mismatch: what was last found to be wrong with bytes that were handed on.
    """

    def __init__(
        self,
        folder: Path,
        temporary: Temporary,
        layout: Layout,
        tree: TreeHash,
        memory: Memory,
        metrics: Metrics,
    ) -> None:
        self._folder = folder
        self._temporary = temporary
        self._layout = layout
        self._tree_hash = tree
        self._memory = memory
        self._metrics = metrics
        self.mismatch: str | None = None
        self.staging = temporary.folder
        self.leaves = Leaves(folder / "leaves", layout, tree)

    def path(self, block: int) -> Path:
        """Return the file of a block."""
        return self._folder / str(block // _FOLDER_BLOCKS) / str(block)

    def holds(self, block: int) -> bool:
        """Tell whether a block seems to be there, without reading it."""
        if self.leaves.trust(block) is Trust.UNKNOWN:
            return False
        try:
            return os.stat(self.path(block)).st_size == self._layout.length(block)
        except OSError:
            return False

    def read(self, block: int) -> memoryview | None:
        """Return a block whose bytes hash to its leaf, else None."""
        leaf = self.leaves.leaf(block)
        if leaf is None:
            return None
        path = self.path(block)
        try:
            data = read_file(path, self._layout.length(block), self._memory)
        except FileNotFoundError:
            return None
        except OSError as error:
            log.warning("block %s cannot be read, fetching it again: %s", path, error)
            return None
        if data is not None and self._tree_hash.leaf(data) == leaf:
            return data if self.leaves.confirm(block, leaf) else None
        self._metrics.rotten_blocks.inc()
        log.warning("block %s is not what was written, fetching it again", path)
        self.remove(block)
        return None

    def write(self, block: int, data: memoryview) -> None:
        """Put a block's file in its place.

        Raises:
            OSError: no room, no permission, or a failing disk; nothing is left behind then.
        """
        self.place(block, self.stage(data))

    def stage(self, data: memoryview) -> Path:
        """Write a block's bytes to a file of their own, and return its path.

        Raises:
            OSError: as `write`.
        """
        path = self._temporary.new()
        write_file(path, data)
        return path

    def place(self, block: int, staged: Path) -> None:
        """Move a staged file to the block's place.

        Raises:
            OSError: as `write`.
        """
        path = self.path(block)
        try:
            try:
                os.rename(staged, path)
            except FileNotFoundError:
                path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
                os.rename(staged, path)
        except OSError:
            staged.unlink(missing_ok=True)
            raise

    def remove(self, block: int) -> None:
        """Remove a block's file, if it is there and can be removed."""
        try:
            self.path(block).unlink(missing_ok=True)
        except OSError as error:
            # What cannot be removed is found bad again, and a new file takes its place.
            log.warning("block %s cannot be removed: %s", self.path(block), error)

    def cached_bytes(self) -> int:
        """Return the bytes of the blocks that are there."""
        total = 0
        for entry in _folders(self._folder):
            with contextlib.suppress(FileNotFoundError), os.scandir(entry) as blocks:
                total += sum(block.stat().st_size for block in blocks)
        return total


class DiskCache:
    """The folder of all outputs.

    Args:
        root: folder of the cache; made if need be.
        tree_hash: how leaves are hashed.
        metrics: counts what was found rotten.
    """

    def __init__(self, root: Path, tree_hash: TreeHash, metrics: Metrics) -> None:
        self.folder = root / _FORMAT
        self.memory = Memory()
        self.temporary = Temporary(self.folder / "temporary")
        self._tree_hash = tree_hash
        self._metrics = metrics
        self._lock = threading.Lock()
        self._stores: weakref.WeakValueDictionary[str, OutputStore] = weakref.WeakValueDictionary()
        try:
            self.temporary.make()
            (root / "CACHEDIR.TAG").write_text(_TAG)
        except OSError as error:
            raise ConfigError(
                f"the cache folder {root} cannot be used ({error.strerror}); "
                "give another --cache-dir"
            ) from error

    def store(self, output: Output) -> OutputStore:
        """Return the store of an output, one for all who ask."""
        with self._lock:
            store = self._stores.get(output.key)
        if store is not None:
            return store
        folder = self.folder / output.key[:2] / output.key[2:]
        made = OutputStore(
            folder, self.temporary, output.layout, self._tree_hash, self.memory, self._metrics
        )
        with self._lock:
            return self._stores.setdefault(output.key, made)

    def holds_whole(self, output: Output) -> bool:
        """Tell whether every block of an output seems to be there."""
        return self.store(output).cached_bytes() == output.layout.size


def _folders(folder: Path) -> list[str]:
    try:
        with os.scandir(folder) as entries:
            return [entry.path for entry in entries if entry.is_dir()]
    except FileNotFoundError:
        return []
