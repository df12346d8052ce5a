"""Checks what the disk cache holds: every block against its leaf, whole outputs against their hash.

A block that is wrong is removed, as when it is read: then it is fetched again, while the service
has it. So is one whose leaf was lost: nothing can tell whether it is right. But where all blocks
are there, and the hash of the whole output vouches for them, the leaves are what is damaged; they
are made again.
"""

import contextlib
import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import Enum, auto
from pathlib import Path

from casfs.blocks.block import Block
from casfs.blocks.disk.derived_files import DerivedFiles
from casfs.blocks.disk.output_store import OutputStore
from casfs.blocks.disk.store import DiskCache
from casfs.blocks.verify import Trust, matches
from casfs.errors import CasfsError
from casfs.model import Output
from casfs.ranges import Layout
from casfs.threads import processors

_AT_ONCE = 256
"""Blocks that are handed to the threads at a time."""
_MOST_THREADS = 8
_IN_FLIGHT = 60.0
"""Seconds for which a block may be there before its leaf is."""


class BlockState(Enum):
    """What became of a block."""

    MISSING = auto()
    GOOD = auto()
    UNCHECKED = auto()
    """As it came, but no hash of the service ever vouched for it."""
    WRONG = auto()
    BARE = auto()
    """It is there, and what it has to hash to is not known."""
    UNREADABLE = auto()


@dataclass(frozen=True, slots=True)
class CheckedOutput:
    """What was found of an output in the cache.

    Attributes:
        size: bytes that were read and are right, or unverified.
        wrong: blocks that were wrong, and are removed.
        unreadable: blocks that could not be read.
        bare: blocks for which there was no leaf to compare them with, and that are removed.
        unchecked: blocks for which no hash of the service vouches.
        whole: all of it is there, and has the hash that the catalog states; False if it has
            another one, None if not all of it is there, or the catalog states none.
    """

    size: int
    wrong: tuple[int, ...]
    unreadable: tuple[int, ...]
    unchecked: int
    whole: bool | None
    bare: tuple[int, ...] = ()


class CacheChecker:
    """Checks outputs in the cache, with as many threads as there are processors.

    Args:
        disk: the cache.
        derived: the files in it that were made of outputs.
    """

    def __init__(self, disk: DiskCache, derived: DerivedFiles) -> None:
        self._disk = disk
        self._derived = derived

    def output(self, output: Output, note: Callable[[int], None]) -> CheckedOutput:
        """Check an output.

        Args:
            output: as the catalog has it.
            note: is called with the bytes of each block that was looked at.

        Raises:
            ConfigError: a part of it is a link, or belongs to somebody else.
        """
        store, layout = self._disk.store(output), output.layout
        found: dict[BlockState, list[int]] = {state: [] for state in BlockState}
        threads = min(processors(), _MOST_THREADS, layout.blocks or 1)
        with ThreadPoolExecutor(threads, "checking") as pool:
            for first in range(0, layout.blocks, _AT_ONCE):
                numbers = range(first, min(first + _AT_ONCE, layout.blocks))
                states = pool.map(lambda number: _check(store, number), numbers)
                for number, state in zip(numbers, states, strict=True):
                    found[state].append(number)
                    if state is not BlockState.MISSING:
                        note(layout.length(number))
        doubtful = found[BlockState.BARE] + found[BlockState.WRONG]
        lacking = found[BlockState.MISSING] or found[BlockState.UNREADABLE]
        if doubtful and not lacking and self._recover(output, store, doubtful):
            found[BlockState.GOOD] += doubtful
            found[BlockState.BARE], found[BlockState.WRONG] = [], []
        for number in found[BlockState.BARE]:
            store.remove(number)
        for number in found[BlockState.WRONG]:
            # This removes it, and counts it.
            store.load(number)
        good = found[BlockState.GOOD] + found[BlockState.UNCHECKED]
        whole = None
        if len(good) == layout.blocks and output.tree_hash is not None:
            whole = matches(store.leaves.root(), output.tree_hash)
        return CheckedOutput(
            sum(map(layout.length, good)),
            tuple(found[BlockState.WRONG]),
            tuple(found[BlockState.UNREADABLE]),
            0 if whole else len(found[BlockState.UNCHECKED]),
            whole,
            tuple(found[BlockState.BARE]),
        )

    def _recover(self, output: Output, store: OutputStore, doubtful: list[int]) -> bool:
        """Record the leaves of blocks anew, if the hash of the whole output vouches for these."""
        leaves = {number: store.hashed(number) for number in doubtful}
        every = [
            leaves[number] if number in leaves else store.leaves.leaf(number)
            for number in range(output.layout.blocks)
        ]
        known = [leaf for leaf in every if leaf is not None]
        if len(known) < len(every):
            return False
        if not matches(self._disk.verifier.root(known), output.tree_hash):
            return False
        nothing = memoryview(b"")
        store.leaves.put(Block(n, nothing, known[n], Trust.CHECKED) for n in doubtful)
        store.leaves.flush()
        return True

    def derived(self, key: str, note: Callable[[int], None]) -> CheckedOutput:
        """Check a file that was made of an output, against the leaves that it was written with.

        Raises:
            ConfigError: it is a link, or belongs to somebody else.
        """
        path = self._derived.path(key)
        try:
            used = os.lstat(path)
        except OSError:
            # It was evicted meanwhile.
            return CheckedOutput(0, (), (), 0, None)
        rotten: list[str] = []
        file = self._derived.find(key, rotten.append)
        if file is None:
            is_unreadable = not rotten and os.path.lexists(path)
            return CheckedOutput(0, (0,) if rotten else (), (0,) if is_unreadable else (), 0, None)
        with contextlib.closing(file):
            layout = Layout(file.size)
            wrong = []
            for number in range(layout.blocks):
                if file.read(number) is None:
                    wrong.append(number)
                note(layout.length(number))
            if wrong:
                self._derived.remove_rotten(key, file)
        _restore_times(path, used)
        good = file.size - sum(map(layout.length, wrong))
        return CheckedOutput(good, tuple(wrong), (), 0, not wrong)


def _check(store: OutputStore, number: int) -> BlockState:
    path = store.path(number)
    try:
        used = os.lstat(path)
    except OSError:
        return BlockState.MISSING
    leaf = store.leaves.leaf(number)
    if leaf is None:
        # It may have come just now, for a mount that has not written its leaf yet.
        is_new = time.time() - used.st_mtime < _IN_FLIGHT
        return BlockState.MISSING if is_new else BlockState.BARE
    try:
        hashed = store.hashed(number)
    except CasfsError:
        raise
    except OSError:
        # Another process may have evicted it meanwhile.
        return BlockState.UNREADABLE if os.path.lexists(path) else BlockState.MISSING
    _restore_times(path, used)
    if hashed != leaf:
        return BlockState.WRONG
    trust = store.leaves.confirm(number, leaf)
    return BlockState.UNCHECKED if trust < Trust.CHECKED else BlockState.GOOD


def _restore_times(path: Path, used: os.stat_result) -> None:
    """Set a file's times to what they were: eviction goes by its last use, which this is not."""
    with contextlib.suppress(OSError):
        os.utime(path, ns=(used.st_atime_ns, used.st_mtime_ns))
