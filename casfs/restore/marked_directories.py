"""Directories that a vault has a marker of: made without retrieving anything, empty ones, too."""

import os
from collections.abc import Iterator
from dataclasses import dataclass

from casfs.client import Client
from casfs.errors import CasfsError, DestinationError
from casfs.restore.destination.opened_tree import OpenedTree, split
from casfs.restore.destination.stored_times import set_time
from casfs.restore.wanted_paths import WantedPaths


@dataclass(frozen=True)
class MarkedDirectories:
    """The directories of a restore that a vault has a marker of.

    Attributes:
        client: the account.
        vault: name of the vault.
        path: what is restored of it, "" for all.
        wanted: which of them.
    """

    client: Client
    vault: str
    path: str
    wanted: WantedPaths

    def count(self) -> int:
        """Return how many there are.

        Raises:
            CasfsError: the catalog cannot be read.
        """
        return sum(1 for _ in self._each())

    def make(self, tree: OpenedTree) -> Iterator[CasfsError]:
        """Make those that are missing, and set the times of empty ones; yield what went wrong.

        Raises:
            CasfsError: the catalog cannot be read.
        """
        for path, mtime in self._each():
            try:
                self._make(tree, path, mtime)
            except DestinationError as error:
                yield error

    def _make(self, tree: OpenedTree, path: str, mtime: int) -> None:
        directory = tree.directory(split(path), make=True)
        if directory is None:
            raise DestinationError(f"the directory {path} is gone")
        try:
            if not os.listdir(directory.descriptor):
                set_time(directory.descriptor, mtime)
        except OSError as error:
            raise tree.error(path, error) from error

    def _each(self) -> Iterator[tuple[str, int]]:
        for path, mtime in self.client.restorable.directories(self.vault, self.path):
            if self.wanted.wants(path):
                yield path, mtime
