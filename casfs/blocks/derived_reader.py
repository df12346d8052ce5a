"""Reads one derived file; each block is checked, and the file is made again if one is wrong."""

import threading
from collections.abc import Callable, Hashable

from cachetools import FIFOCache

from casfs.blocks.block_tuning import TUNING
from casfs.blocks.disk.derived_files import DerivedFile
from casfs.blocks.open_output import OpenOutput
from casfs.errors import CasfsError, OutputMismatchError
from casfs.ranges import BLOCK_SIZE, Layout


class DerivedReader:
    """A derived file that was made of an output; safe for several threads.

    Lock order: its one lock guards the blocks in memory and is innermost.

    Args:
        derived: its bytes.
        source: what it was made of; bytes made of what was found wrong since are not delivered.
        name: its name.
        renew: returns a new file in place of one of which a block is wrong.
    """

    def __init__(
        self,
        derived: DerivedFile,
        source: OpenOutput,
        name: str,
        renew: Callable[[DerivedFile], DerivedFile],
    ) -> None:
        self._source = source
        self._name = name
        self._renew = renew
        self._lock = threading.Lock()
        # One that is wrong is closed with the others: somebody may be reading it.
        self._files = [derived]
        self._blocks: FIFOCache[int, bytes] = FIFOCache(TUNING.derived_blocks)
        self._layout = Layout(derived.size)
        self.size = derived.size

    @property
    def cacheable(self) -> bool:
        """Return whether its bytes are verified, so that whoever has them may keep them."""
        return self._source.verified() == "yes"

    @property
    def content_version(self) -> Hashable:
        """Return what is equal for all who read the same bytes, and no others."""
        return self._source.key, self._name

    def pread(self, size: int, offset: int) -> bytes:
        """Return `size` bytes from `offset`, fewer only at the end.

        Raises:
            OutputMismatchError: the output that it was made of was found to be wrong.
            CasfsError: a block is not what was written, and cannot be made again.
        """
        self._source.require_current()
        run = self._layout.touched(offset, size)
        if not run:
            return b""
        first = offset - run.start * BLOCK_SIZE
        if len(run) == 1:
            return self._block(run.start)[first : first + size]
        return b"".join([self._block(number) for number in run])[first : first + size]

    def close(self) -> None:
        """Release the derived file."""
        for derived in self._files:
            derived.close()

    def _block(self, number: int) -> bytes:
        with self._lock:
            data = self._blocks.get(number)
            derived = self._files[-1]
        if data is None:
            data = derived.read(number)
            if data is None:
                data = self._renewed(derived).read(number)
            if data is None:
                raise CasfsError(
                    f"block {number} of {self._name} of the {self._source.output} is corrupt "
                    "in the cache; check the disk of the cache directory"
                )
            with self._lock:
                self._blocks[number] = data
        return data

    def _renewed(self, bad: DerivedFile) -> DerivedFile:
        derived = self._renew(bad)
        if not derived.is_same(bad):
            derived.close()
            raise OutputMismatchError(
                f"{self._name} of the {self._source.output} has changed; read it again"
            )
        with self._lock:
            self._files.append(derived)
        return derived
