"""The blocks of one output on disk: a file each, found good or not found; see store.py."""

import contextlib
import logging
import os
from collections.abc import Callable
from pathlib import Path

from casfs.blocks.buffers import Buffers
from casfs.blocks.disk.block_store import BlockStore, Stored
from casfs.blocks.disk.direct_io import read_file, write_file
from casfs.blocks.disk.held import Held
from casfs.blocks.disk.in_use import Use
from casfs.blocks.disk.leaf_index import LeafIndex
from casfs.blocks.disk.staging import Temporary
from casfs.blocks.verify import Digest, Trust, Verifier
from casfs.disks import is_disk_failure, is_there
from casfs.errors import CasfsError
from casfs.metrics import Metrics
from casfs.ranges import Layout
from casfs.reasons import reason

log = logging.getLogger(__name__)

_DIRECTORY_BLOCKS = 1024


class OutputStore(BlockStore):
    """The blocks of one output on disk.

    Args:
        directory: of the output; the one above it was checked, if it is there.
        temporary: directory of the files that are being written.
        layout: places and sizes of the blocks.
        verifier: hashes and compares blocks.
        memory: buffers for what is read.
        metrics: counts what was found rotten.

    Attributes:
        staging: directory of the files that `stage` makes.
        leaves: what is known of them.
        use: is notified who reads them.
    """

    def __init__(
        self,
        directory: Path,
        temporary: Temporary,
        layout: Layout,
        verifier: Verifier,
        memory: Buffers,
        metrics: Metrics,
    ) -> None:
        self._directory = directory
        self._temporary = temporary
        self._private = temporary.private
        self._layout = layout
        self._verifier = verifier
        self._memory = memory
        self._metrics = metrics
        self._checked: set[Path] = set()
        self.staging = temporary.directory
        self._new = not self._private.check_directory(directory)
        """There was nothing, so nobody else has put anything there."""
        self.use: Use = Use(directory, self._private)
        self.leaves = LeafIndex(directory / "leaves", layout, verifier, self._private)

    def path(self, block: int) -> Path:
        """Return the file of a block."""
        return Path(f"{self._directory}/{block // _DIRECTORY_BLOCKS}/{block}")

    def holds(self, block: int) -> bool:
        """Return whether a block seems to be there, without reading it."""
        try:
            return self.has(block)
        except OSError:
            return False

    def has(self, block: int) -> bool:
        """Return what `holds` does, if that can be found out.

        Raises:
            OSError: it cannot.
        """
        if self.leaves.trust(block) is Trust.UNKNOWN:
            return False
        try:
            return os.lstat(self.path(block)).st_size == self._layout.length(block)
        except (FileNotFoundError, NotADirectoryError):
            return False

    def may_hold(self, run: range) -> bool:
        """Return whether there may be something of a run; far fewer looks than at each block.

        Raises:
            OSError: that cannot be found out.
        """
        directories = range(run.start // _DIRECTORY_BLOCKS, -(-run.stop // _DIRECTORY_BLOCKS))
        return any(is_there(f"{self._directory}/{number}") for number in directories)

    def load(self, block: int, rotten: Callable[[int], None] | None = None) -> Stored | None:
        """Return a block whose bytes hash to its leaf, and what is known of it, else None.

        Args:
            block: number of the block.
            rotten: is called with it if its bytes are wrong, and not only gone.

        Raises:
            ConfigError: what is in its place is a link, or belongs to somebody else.
        """
        leaf = self.leaves.leaf(block)
        if leaf is None:
            return None
        path = self.path(block)
        try:
            self._check(path.parent)
            data = read_file(path, self._layout.length(block), self._memory, self._private)
        except FileNotFoundError:
            return None
        except CasfsError:
            raise
        except OSError as error:
            log.warning("cannot read block %s, fetching it again: %s", path, reason(error))
            return None
        if data is not None and self._verifier.is_block(data, leaf):
            trust = self.leaves.confirm(block, leaf)
            return Stored(data, leaf, trust) if trust else None
        self._metrics.rotten_blocks.inc()
        if rotten is not None:
            rotten(block)
        log.warning("block %s is corrupt, fetching it again", path)
        self.remove(block)
        return None

    def hashed(self, block: int) -> Digest | None:
        """Return what the file of a block hashes to, None if it has another length.

        Raises:
            CasfsError: what is in its place is a link, or belongs to somebody else.
            OSError: it cannot be read.
        """
        path = self.path(block)
        self._check(path.parent)
        data = read_file(path, self._layout.length(block), self._memory, self._private)
        return None if data is None else self._verifier.leaf(data)

    def write(self, block: int, data: memoryview, generation: int | None = None) -> None:
        """Put a block's file in its place.

        Args:
            block: number of the block.
            data: its bytes.
            generation: in which they came, if nothing is to be done once it has ended.

        Raises:
            OSError: no room, no permission, or a failing disk; nothing is left behind then.
        """
        staged = self.stage(data)
        # One that ends just now costs fetching the block again: its bytes do not hash to its leaf.
        if generation in (None, self.leaves.generation):
            self.place(block, staged)
        else:
            staged.unlink(missing_ok=True)

    def stage(self, data: memoryview) -> Path:
        """Write a block's bytes to a file of their own, and return its path.

        Raises:
            OSError: as `write`.
        """

        def write(path: Path) -> Path:
            write_file(path, data)
            return path

        return self._temporary.create(write)

    def stage_somewhere(self, data: memoryview) -> Path | Held:
        """Stage a block; in memory, where the disk is full or fails.

        Raises:
            OSError: as `write`, or too many are in memory.
        """
        try:
            return self.stage(data)
        except OSError as error:
            if isinstance(error, CasfsError) or not is_disk_failure(error):
                raise
        return self._temporary.holding.hold(data)

    def read_staged(self, block: int, staged: Path | Held) -> memoryview | None:
        """Return the bytes of a staged block, None if they are not as many as the block's.

        Raises:
            OSError: it is not there, or cannot be read.
        """
        if isinstance(staged, Held):
            return staged.data
        return read_file(staged, self._layout.length(block), self._memory, self._private)

    def place(self, block: int, staged: Path) -> None:
        """Move a staged file to the block's place.

        Raises:
            OSError: as `write`.
        """
        path = self.path(block)
        try:
            first = self._make_first(path.parent)
            self._check(path.parent)
            made = self._temporary.place(staged, path, checked=True)
        except OSError:
            staged.unlink(missing_ok=True)
            raise
        if made or first:
            other = self.use.renew()
            # Who emptied the cache removed more than the directory.
            if (made or other) and not os.path.lexists(f"{self._directory}/leaves"):
                self.leaves.write_again()

    def share(self, block: int, data: memoryview, path: Path) -> None:
        """Put the file of the same block in another store in the block's place, too.

        Raises:
            OSError: there are no hard links on this disk, the file is gone, or as `write`.
        """
        del data  # A second file would take room for what the cache has.

        def link(staged: Path) -> Path:
            os.link(path, staged)
            return staged

        staged = self._temporary.create(link)
        self.place(block, staged)
        # Renaming leaves it where it is if its place has the same file already.
        staged.unlink(missing_ok=True)

    def remove(self, block: int) -> None:
        """Remove a block's file, if it is there and can be removed."""
        path = self.path(block)
        try:
            self._check(path.parent)
            path.unlink(missing_ok=True)
        except OSError as error:
            # What cannot be removed is found bad again, and a new file takes its place.
            log.warning("cannot remove block %s: %s", path, reason(error))

    def cached_bytes(self) -> int:
        """Return the bytes of the blocks that are there."""
        total = 0
        for directory in self._private.entries(self._directory):
            if directory.is_dir(follow_symlinks=False):
                for block in self._private.entries(directory.path):
                    with contextlib.suppress(FileNotFoundError):
                        total += block.stat(follow_symlinks=False).st_size
        return total

    def _make_first(self, directory: Path) -> bool:
        """Make a directory of blocks of a new output; return whether it was made."""
        if not self._new or directory in self._checked:
            return False
        self._checked.add(directory)
        # Where the output's own directory is missing by now, `Temporary.place` makes both again.
        with contextlib.suppress(FileNotFoundError, FileExistsError):
            directory.mkdir(0o700)
            return True
        return False

    def _check(self, directory: Path) -> None:
        """Check a directory of blocks, once: nobody else can change it after that."""
        if self._new or directory in self._checked:
            return
        if self._private.check_directory(directory):
            self._checked.add(directory)
