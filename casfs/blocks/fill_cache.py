"""Brings an output into the disk cache, whole; what is there already is not fetched."""

from collections.abc import Callable, Iterable, Iterator
from itertools import chain

from casfs.blocks.block_cache import BlockCache
from casfs.blocks.disk.cache_room import Room
from casfs.blocks.disk.write_behind import WriteBehind
from casfs.blocks.reader import Reader
from casfs.errors import NotKeptError
from casfs.metrics import Metrics
from casfs.model import Output
from casfs.ranges import runs

_ROUNDS = 3
"""Times that blocks are brought which are not on disk at the end: somebody may have evicted one."""
_MOST_LOST = 8
"""Blocks that the disk does not take before nothing more is asked for: each is paid for."""


class Filler:
    """Makes the fillings of outputs.

    Args:
        blocks: fetches outputs.
        write_behind: writes what comes; from the first filling on, it drops nothing.
        metrics: counts what is read.
        patience: seconds for which the disk may write nothing.
    """

    def __init__(
        self, blocks: BlockCache, write_behind: WriteBehind, metrics: Metrics, patience: float
    ) -> None:
        self.blocks = blocks
        self.write_behind = write_behind
        self.metrics = metrics
        self.patience = patience

    def of(self, output: Output) -> "Filling":
        """Return the filling of an output.

        Raises:
            ConfigError: what is in its place in the cache is a link, or belongs to somebody else.
        """
        return Filling(self, output)

    def room(self) -> Room:
        """Return what the cache can take; looks through all of it.

        Raises:
            OSError: it cannot be looked at.
        """
        return self.write_behind.room()

    def spare(self) -> int:
        """Return the bytes that the cache may take of its disk.

        Raises:
            OSError: that cannot be looked at.
        """
        return self.write_behind.spare()


class Filling:
    """An output that is being brought into the disk cache."""

    def __init__(self, filler: Filler, output: Output) -> None:
        self._filler = filler
        self._output = output
        self._opened = filler.blocks.open(output)

    def missing(self) -> int:
        """Return the bytes that only the service can bring."""
        layout, store = self._output.layout, self._opened.store
        cached = store.cached_bytes()
        alone = all(source.key == self._output.key for source in self._output.sources)
        if alone and not (cached or self._output.others):
            return layout.size
        if cached == layout.size and store.leaves.complete():
            return 0
        return sum(
            layout.length(number)
            for number in range(layout.blocks)
            if not self._opened.holds(number)
        )

    def verified(self) -> str:
        """Return `yes`, `partial` or `no`, as `OpenOutput.verified`."""
        return self._opened.verified()

    def fill(self, note: Callable[[int], None], stopped: Callable[[], bool]) -> bool:
        """Bring what is missing, and wait until it is written.

        Args:
            note: is called with the bytes of each block that came.
            stopped: returns whether to end early.

        Returns:
            whether all of it is there; False if it was stopped.

        Raises:
            NotKeptError: the disk does not take it.
            CasfsError: as `BlockCache.get`.
        """
        # What was found to be wrong before is refused, though nothing of it is to be fetched.
        self._opened.require_current()
        filler = self._filler
        filler.write_behind.keep_all(filler.patience)
        most_lost = filler.write_behind.lost + _MOST_LOST
        for _ in range(_ROUNDS):
            # As runs: the numbers of all blocks of a large output take too much memory.
            lacking = list(runs(self._lacking()))
            if not lacking:
                return True
            if not self._bring(chain.from_iterable(lacking), note, stopped, most_lost):
                return False
            if not filler.write_behind.wait_until_written(self._opened.key, filler.patience):
                break
        if next(self._lacking(), None) is not None:
            raise self._not_kept()
        return True

    def _not_kept(self) -> NotKeptError:
        return NotKeptError(f"the cache disk did not keep all of the {self._output}")

    def _bring(
        self,
        numbers: Iterable[int],
        note: Callable[[int], None],
        stopped: Callable[[], bool],
        most_lost: int,
    ) -> bool:
        """Read blocks, so that they are cached; return False if that was stopped.

        Raises:
            NotKeptError: more than `most_lost` blocks were lost since the cache was opened.
        """
        reader = Reader(self._filler.blocks, self._opened, self._filler.metrics)
        try:
            for number in numbers:
                if stopped():
                    return False
                if self._filler.write_behind.lost > most_lost:
                    raise self._not_kept()
                first, stop = self._output.layout.span(range(number, number + 1))
                reader.pread(stop - first, first)
                note(stop - first)
        finally:
            reader.close()
        return True

    def _lacking(self) -> Iterator[int]:
        """Yield the blocks that the cache lacks under this output's own key."""
        store = self._opened.store
        return (n for n in range(self._output.layout.blocks) if not store.holds(n))
