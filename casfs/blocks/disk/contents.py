"""What the disk cache holds, output by output, and how it is removed beside running mounts.

Who reads an output holds a shared lock on its directory. A block that is removed all the same is a
miss to its reader, who fetches it again if it is still at the service.
"""

import contextlib
import fcntl
import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from casfs.blocks.disk import derived_files
from casfs.blocks.disk.eviction import NUMBER, outputs
from casfs.blocks.disk.in_use import lock
from casfs.private import PrivateDirectory

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class CachedItem:
    """What the cache holds of an output, or of a file that was made of one.

    Attributes:
        key: names it.
        size: bytes of its blocks, or of the file.
        used: when it was last read or written (Unix time).
        is_file: it is a file that was made of an output, and is whole.
    """

    key: str
    size: int
    used: float
    is_file: bool


class CacheContents:
    """All that a cache holds.

    Args:
        directory: directory of all outputs.
        private: the cache directory that it is in.
    """

    def __init__(self, directory: Path, private: PrivateDirectory) -> None:
        self._directory = directory
        self._private = private

    def items(self) -> Iterator[CachedItem]:
        """Yield what is there, in no order.

        Raises:
            OSError: it cannot be looked at.
        """
        for output in outputs(self._directory, self._private):
            key = output.parent.name + output.name
            files = [*self._blocks(output), *self._named(output, derived_files.NAME)]
            total, used, is_file = 0, 0.0, False
            for file in files:
                with contextlib.suppress(FileNotFoundError):
                    status = file.stat(follow_symlinks=False)
                    total, used = total + status.st_size, max(used, status.st_mtime)
                    is_file |= file.name == derived_files.NAME
            if total:
                yield CachedItem(key, total, used, is_file)

    def remove(self, key: str, force: bool) -> bool:
        """Remove an output or a file; return False if somebody reads it.

        Args:
            key: names it.
            force: remove it though somebody reads it.

        Raises:
            ConfigError: a part of it is a link, or somebody else's.
            OSError: it cannot be removed.
        """
        output = self._directory / key[:2] / key[2:]
        if not (
            self._private.check_directory(output.parent) and self._private.check_directory(output)
        ):
            return True
        try:
            locked = lock(output, fcntl.LOCK_EX)
        except FileNotFoundError:
            # A running mount has evicted it since.
            return True
        if locked is None:
            return force and self._remove(output, force)
        try:
            return self._remove(output, force)
        finally:
            os.close(locked.descriptor)

    def _remove(self, output: Path, force: bool) -> bool:
        for file in self._named(output, derived_files.NAME):
            if not _remove_kept(file.path, self._private, force):
                return False
        for block in self._blocks(output):
            _unlink(block.path)
        # Last: blocks without leaves are of no use to anybody.
        for leaves in self._named(output, "leaves"):
            _unlink(leaves.path)
        for numbers in self._private.entries(output):
            if NUMBER.fullmatch(numbers.name):
                _remove_empty(numbers.path)
        _remove_empty(output)
        _remove_empty(output.parent)
        return True

    def _blocks(self, output: Path) -> Iterator[os.DirEntry[str]]:
        for numbers in self._private.entries(output):
            if NUMBER.fullmatch(numbers.name):
                for block in self._private.entries(numbers.path):
                    if NUMBER.fullmatch(block.name):
                        yield block

    def _named(self, output: Path, name: str) -> list[os.DirEntry[str]]:
        return [entry for entry in self._private.entries(output) if entry.name == name]


def _unlink(path: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)


def _remove_kept(path: str, private: PrivateDirectory, force: bool) -> bool:
    """Remove a derived file if it exists; return False if it is open, unless forced."""
    with contextlib.suppress(FileNotFoundError):
        if not force:
            return derived_files.remove_unused(path, private)
        os.unlink(path)
    return True


def _remove_empty(path: Path | str) -> None:
    # Who reads the output may have kept a block there again.
    with contextlib.suppress(OSError):
        os.rmdir(path)
