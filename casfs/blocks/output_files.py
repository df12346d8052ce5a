"""Fetches outputs into files: verified blocks go straight to their places, and are read back."""

import weakref
from collections.abc import Sequence
from functools import partial

from casfs.blocks.block_cache import BlockCache
from casfs.blocks.disk.cached_elsewhere import CachedElsewhere
from casfs.blocks.disk.part_place import PartPlace
from casfs.blocks.disk.part_store import PartStore
from casfs.blocks.disk.store import DiskCache
from casfs.blocks.part_filling import PartFilling
from casfs.blocks.small_outputs import SmallFilling, SmallOutputs
from casfs.errors import CacheError
from casfs.metrics import Metrics
from casfs.model import JobSlice, Output


class PartStores:
    """The files of one restore, by the outputs that are written to them.

    Args:
        disk: the cache, where blocks may be found.
        metrics: counts what was found rotten.

    Attributes:
        memory: buffers for blocks.
        verifier: hashes and compares them.
    """

    def __init__(self, disk: DiskCache, metrics: Metrics) -> None:
        self.memory = disk.memory
        self.verifier = disk.verifier
        self._disk = disk
        self._metrics = metrics
        self._stores: weakref.WeakValueDictionary[str, PartStore] = weakref.WeakValueDictionary()

    def begin(self, output: Output, place: PartPlace) -> PartStore:
        """Open the file of an output, or return the one that an earlier attempt left open.

        Raises:
            DestinationError, OSError: it cannot be made.
        """
        store = self._stores.get(output.key)
        if store is None or store.place.is_other(place):
            cached = self._disk.store(output)
            parts = (output.layout, self.verifier, self.memory, self._metrics, cached)
            store = self._stores[output.key] = PartStore(place, *parts)
        return store

    def store(self, output: Output) -> PartStore:
        """Return the store of an output that was begun."""
        return self._stores[output.key]

    def elsewhere(self, output: Output, source: JobSlice) -> Sequence[CachedElsewhere]:
        """Return where blocks of a source may be cached, best first.

        They are copied from there into the file, and not fetched.

        Raises:
            ConfigError: as `DiskCache.store`.
        """
        return self._disk.everywhere(output, source)


class OutputFiles:
    """Fetches outputs into files, for one restore. A context manager.

    Args:
        cache: fetches blocks into `parts`.
        parts: the files.
        metrics: counts what is read.
        small: brings outputs of one block, None if all go by way of `cache`.
    """

    def __init__(
        self,
        cache: BlockCache,
        parts: PartStores,
        metrics: Metrics,
        small: SmallOutputs | None = None,
    ) -> None:
        self._cache = cache
        self._parts = parts
        self._metrics = metrics
        self._small = small
        self._larger: weakref.WeakSet[PartFilling] = weakref.WeakSet()

    def __enter__(self) -> "OutputFiles":
        return self

    def __exit__(self, *error: object) -> None:
        """Close it."""
        self.close()

    def close(self) -> None:
        """End every wait with an error."""
        self._cache.close()
        if self._small is not None:
            self._small.close()

    def place(self, directory: int, output: Output, shown: str) -> PartPlace:
        """Return where the file of an output is written; nothing is made.

        Args:
            directory: descriptor of the directory that gets the file.
            output: what is fetched.
            shown: path of the file, for messages.
        """
        return PartPlace(directory, output.key, shown)

    def begin(self, output: Output, place: PartPlace) -> PartFilling | SmallFilling:
        """Return what brings an output, in the way that takes least.

        Raises:
            DestinationError: as `fill`.
        """
        small = self._small
        # Connections are for both together, and only the cache can share them.
        if small is not None and not self._larger and small.takes(output):
            return SmallFilling(small, output, place, partial(self.fill, output, place))
        filling = self.fill(output, place)
        if output.layout.blocks > 1:
            self._larger.add(filling)
        return filling

    def fill(self, output: Output, place: PartPlace) -> PartFilling:
        """Return the filling of the file at a place, with what an earlier run has left there.

        Raises:
            DestinationError: the file cannot be made, or is not ours alone.
            CacheError: it cannot be found out what is cached of the output.
        """
        try:
            store = self._parts.begin(output, place)
        except CacheError:
            raise
        except OSError as error:
            raise place.error(error) from error
        return PartFilling(self._cache, output, store, self._parts.verifier, self._metrics)
