"""The disk cache: one file a block, found good or not found.

    <cache>/CACHEDIR.TAG
    <cache>/blocks-1/temporary/             files being written, see staging.py
    <cache>/blocks-1/<2 hex>/<62 hex>/      one output, by its key
        leaves                              see leaf_index.py
        kept                                see derived_files.py
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
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Protocol

from casfs.blocks.buffers import Buffers
from casfs.blocks.disk.block_store import BlockStore
from casfs.blocks.disk.cached_elsewhere import CachedElsewhere
from casfs.blocks.disk.output_store import OutputStore
from casfs.blocks.disk.staging import Temporary
from casfs.blocks.verify import Verifier
from casfs.disks import is_disk_failure, is_there, trouble
from casfs.errors import CacheError, CasfsError, ConfigError
from casfs.metrics import Metrics
from casfs.model import JobSlice, Output
from casfs.private import PrivateDirectory

log = logging.getLogger(__name__)

_FORMAT = "blocks-1"
_TAG = (
    b"Signature: 8a477f597d28d172789f06886806bc55\n"
    b"# This folder is a cache made by casfs; see https://bford.info/cachedir/\n"
)
_LOOK = 1024
"""Blocks of which a place may have something, or not."""
CATALOG = "catalog-1"
NAMES = frozenset({"CACHEDIR.TAG", _FORMAT, CATALOG})
"""What is in a cache directory."""


class OutputStores(Protocol):
    """Where the blocks of all outputs are on disk.

    Attributes:
        memory: buffers for blocks.
        verifier: hashes and compares them.
    """

    memory: Buffers
    verifier: Verifier

    def store(self, output: Output) -> BlockStore:
        """Return the store of an output; one for all who ask."""

    def elsewhere(self, output: Output, source: JobSlice) -> Sequence[CachedElsewhere]:
        """Return where else blocks of a source may be cached, best first."""


class DiskCache:
    """The directory of all outputs.

    Args:
        root: directory of the cache; made if need be.
        verifier: hashes and compares blocks.
        metrics: counts what was found rotten.
    """

    def __init__(self, root: Path, verifier: Verifier, metrics: Metrics) -> None:
        self.private = PrivateDirectory(root, names=NAMES)
        self.directory = self.private.path / _FORMAT
        self.memory = Buffers()
        self.temporary = Temporary(self.directory / "temporary", self.private)
        self.verifier = verifier
        self._metrics = metrics
        self._lock = threading.Lock()
        self._stores: weakref.WeakValueDictionary[str, OutputStore] = weakref.WeakValueDictionary()
        self._checked: set[Path] = set()
        try:
            self.temporary.make()
            _write_tag(self.private)
        except CasfsError:
            raise
        except OSError as error:
            if not is_disk_failure(error):
                raise ConfigError(
                    f"the cache directory {root} cannot be used ({error.strerror}); "
                    "give another --cache-dir"
                ) from error
            log.warning("%s; blocks are not cached until there is room", trouble(root, error))

    def store(self, output: Output | JobSlice) -> OutputStore:
        """Return the store of an output, or of a source's own; one for all who ask.

        Raises:
            ConfigError: what is in its place is a link, or belongs to somebody else.
            CacheError: that cannot be found out.
        """
        with self._lock:
            store = self._stores.get(output.key)
        if store is not None:
            return store
        directory = self.directory_of(output)
        with self._looking():
            parent = directory.parent
            if parent not in self._checked and self.private.check_directory(parent):
                self._checked.add(parent)
            made = OutputStore(
                directory, self.temporary, output.layout, self.verifier, self.memory, self._metrics
            )
        with self._lock:
            return self._stores.setdefault(output.key, made)

    def directory_of(self, output: Output | JobSlice) -> Path:
        """Return the directory in which something of an output may be."""
        return self.directory / output.key[:2] / output.key[2:]

    def has_place(self, output: Output | JobSlice) -> bool:
        """Return whether there is a directory for an output; nothing is opened."""
        return os.path.lexists(self.directory_of(output))

    def elsewhere(self, output: Output, source: JobSlice) -> Sequence[CachedElsewhere]:
        """Return where else blocks of a source may be cached, best first.

        That is under the key of its own output, and of outputs of other jobs. Whoever reads the
        output looks there before the service is asked.

        Raises:
            ConfigError: as `store`.
        """
        found = [source] if source.key != output.key else []
        found += filter(self.has_place, _beside(output, source))
        return [CachedElsewhere(self.store(one), one.own) for one in found]

    def everywhere(self, output: Output, source: JobSlice) -> Sequence[CachedElsewhere]:
        """Return every place where blocks of a source may be cached, best first.

        Raises:
            ConfigError: as `store`.
        """
        return [self._own_place(output), *self.elsewhere(output, source)]

    def _own_place(self, output: Output) -> CachedElsewhere:
        return CachedElsewhere(self.store(output), range(output.layout.blocks))

    def held(self, keys: Iterable[str]) -> Iterator[str]:
        """Yield those of some keys of outputs of which there may be something.

        Raises:
            CacheError: that cannot be found out; also during iteration.
        """
        with self._looking(), contextlib.suppress(FileNotFoundError):
            begins = frozenset(os.listdir(self.directory))
            for key in keys:
                if key[:2] in begins and is_there(f"{self.directory}/{key[:2]}/{key[2:]}"):
                    yield key

    def holds_whole(self, output: Output) -> bool:
        """Return whether every block of an output seems to be there.

        Raises:
            ConfigError: as `store`.
            CacheError: as `held`.
        """
        with self._looking():
            store = self.store(output)
            # A block without a leaf is none, and may be there after a crash.
            if store.leaves.complete():
                return store.cached_bytes() == output.layout.size
            _require_read([store])
        return False

    def holds_everywhere(self, output: Output) -> bool:
        """Return whether every block of an output seems to be in one of its places.

        Then a restore fetches none; see `everywhere`.

        Raises:
            ConfigError: as `store`.
            CacheError: as `held`.
        """
        with self._looking():
            for source in output.sources:
                places = self.everywhere(output, source)
                if not all(any(place.has(n) for place in places) for n in source.run):
                    _require_read(place.store for place in places)
                    return False
        return True

    def lacking(self, outputs: Sequence[Output]) -> Iterator[list[int]]:
        """Yield for each output how many bytes of each of its sources are in none of their places.

        Many at a time cost little: nothing is opened for a source that has no place.

        Raises:
            ConfigError: as `store`.
            CacheError: as `held`.
        """
        sources = [(output, source) for output in outputs for source in output.sources]
        held = set(self.held({key for one in sources for key in _keys(*one)}))
        for output in outputs:
            with self._looking():
                lacking = self._lacking(output, held)
            yield lacking

    def _lacking(self, output: Output, held: set[str]) -> list[int]:
        own: CachedElsewhere | None = None
        lacking = [len(range(*output.layout.span(source.run))) for source in output.sources]
        for number, source in enumerate(output.sources):
            if held.intersection(_keys(output, source)):
                # It is opened once, since thousands of sources may share it.
                own = own or self._own_place(output)
                places = [own, *self.elsewhere(output, source)]
                lacking[number] -= sum(map(output.layout.length, _held(places, source)))
                if lacking[number]:
                    _require_read(place.store for place in places)
        return lacking

    @contextlib.contextmanager
    def _looking(self) -> Iterator[None]:
        """Raise CacheError if it cannot be found out what is there."""
        try:
            yield
        except CasfsError:
            raise
        except OSError as error:
            # Whoever took it for empty would forget, or pay again for, what is there.
            raise CacheError(
                f"cannot find out what is in the cache {self.private.path}: "
                f"{os.strerror(error.errno or 0)}; fix this, or give another --cache-dir"
            ) from error


def _beside(output: Output, source: JobSlice) -> Iterator[JobSlice]:
    """Yield what jobs have retrieved of the blocks of a source that other jobs are asked for."""
    first, stop = source.run.start, source.run.stop
    for one in output.others:
        if one.begin < stop and first < one.begin + one.layout.blocks and one.key != source.key:
            yield one


def _held(places: Sequence[CachedElsewhere], source: JobSlice) -> Iterator[int]:
    """Yield the blocks of a source that seem to be in one of its places.

    Most of the millions of a large archive are not: only where there is anything are they looked at
    one by one.
    """
    for first in range(source.run.start, source.run.stop, _LOOK):
        part = range(first, min(first + _LOOK, source.run.stop))
        there = [place for place in places if place.may_hold(part)]
        yield from (n for n in part if any(place.has(n) for place in there))


def _require_read(stores: Iterable[OutputStore]) -> None:
    """Raise the OSError for which one of them may have more than it seems to."""
    for store in stores:
        code = store.leaves.state.unread
        if code is not None:
            raise OSError(code, os.strerror(code))


def _keys(output: Output, source: JobSlice) -> set[str]:
    """Return the keys under which blocks of a source may be cached."""
    return {output.key, source.key, *(one.key for one in _beside(output, source))}


def _write_tag(root: PrivateDirectory) -> None:
    file = root.open(root.path / "CACHEDIR.TAG", os.O_RDWR | os.O_CREAT)
    try:
        if os.pread(file, len(_TAG), 0) != _TAG:
            os.ftruncate(file, 0)
            os.pwrite(file, _TAG, 0)
    finally:
        os.close(file)
