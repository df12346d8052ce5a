"""Prefetches the outputs that a program which walks through a directory will open next.

A program such as tar or rsync opens the outputs of a vault one after the other. Each alone costs a
round trip to the service, so the next ones are fetched while it is busy with this one. `Walks` is
pure policy, fed with what was opened.

Lock order: the one lock guards walks and orders, and is innermost.
"""

import logging
import threading
from collections.abc import Callable, Collection
from dataclasses import dataclass

from cachetools import LRUCache

from casfs.blocks.block_cache import BlockCache
from casfs.model import Output
from casfs.reasons import reason
from casfs.tree.tree_tuning import TUNING

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Neighbors:
    """The outputs of a directory, in the order in which a program walks through them.

    Attributes:
        directory: names the directory.
        names: its entries in their order; another object as soon as they change.
        output: returns the output of an entry if everything about it is known, without asking the
            service.
    """

    directory: str
    names: Collection[str]
    output: Callable[[str], Output | None]


class _Walk:
    """One program's walk: the last entry opened, how many so far, and up to which are fetched."""

    __slots__ = ("ahead", "last", "steps")

    def __init__(self, index: int) -> None:
        self.last = index
        self.steps = 0
        self.ahead = index + 1


class Walks:
    """The walks of a few programs through one directory, whose entries have an order."""

    def __init__(self) -> None:
        self._walks: list[_Walk] = []

    def opened(self, index: int, count: int) -> range:
        """Return which entries to fetch, now that one is opened.

        Args:
            index: place of the entry in the directory's order.
            count: number of entries.
        """
        walk = self._find(index)
        walk.steps += 1
        walk.last = index
        if walk.steps < 2:
            return range(0)
        # The window doubles with each step, so that it opens quickly.
        start = max(walk.ahead, index + 1)
        stop = min(index + 1 + min(2**walk.steps, TUNING.walk_window), count)
        walk.ahead = max(start, stop)
        return range(start, walk.ahead)

    def _find(self, index: int) -> _Walk:
        near = [walk for walk in self._walks if abs(index - walk.last) <= TUNING.walk_gap]
        walk = min(near, key=lambda one: abs(index - one.last), default=_Walk(index))
        self._walks = [walk, *(other for other in self._walks if other is not walk)][: TUNING.walks]
        return walk


class _WalkedDirectory:
    """What is remembered of a directory: its entries by position and by name, and its walks."""

    def __init__(self, names: Collection[str]) -> None:
        self.known = names
        self.names = list(names)
        self.places = {name: place for place, name in enumerate(self.names)}
        self.walks = Walks()


class DirectoryPrefetch:
    """Prefetches the outputs beside the one that is opened.

    Args:
        blocks: fetches them.
    """

    def __init__(self, blocks: BlockCache) -> None:
        self._blocks = blocks
        self._lock = threading.Lock()
        self._directories: LRUCache[str, _WalkedDirectory] = LRUCache(TUNING.walked_directories)

    def opened(self, neighbors: Neighbors, name: str) -> None:
        """Note that an output is opened, and fetch what is likely to be opened next."""
        directory = self._directory(neighbors)
        place = directory.places.get(name)
        if place is None:
            return
        with self._lock:
            run = directory.walks.opened(place, len(directory.names))
        room = self._blocks.window()
        for index in run:
            if room <= 0:
                return
            try:
                output = neighbors.output(directory.names[index])
                if output is not None:
                    room -= self._blocks.prefetch(output, self._blocks.largest_get())
            except OSError as error:
                # Whoever opens it gets the error.
                left = directory.names[index]
                log.info("%s in %s is not prefetched: %s", left, neighbors.directory, reason(error))

    def _directory(self, neighbors: Neighbors) -> _WalkedDirectory:
        with self._lock:
            known = self._directories.get(neighbors.directory)
        if known is not None and known.known is neighbors.names:
            return known
        made = _WalkedDirectory(neighbors.names)
        if known is not None:
            made.walks = known.walks
        with self._lock:
            self._directories[neighbors.directory] = made
        return made
