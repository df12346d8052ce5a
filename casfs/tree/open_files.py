"""Open files: what all of them can do, and those that are not plain outputs."""

from collections.abc import Callable, Hashable
from typing import Protocol

from casfs.blocks.reader import Reader
from casfs.errors import OutputMismatchError


class File(Protocol):
    """An open file."""

    size: int

    @property
    def cacheable(self) -> bool:
        """Return whether the kernel may cache the bytes read so far: they are verified."""
        ...

    @property
    def content_version(self) -> Hashable:
        """Return a key that is equal for all files with the same bytes; hold it while comparing."""
        ...

    def pread(self, size: int, offset: int) -> bytes | memoryview:
        """Return `size` bytes from `offset`, fewer only at the end; do not modify them."""
        ...

    def close(self) -> None:
        """Release what is held for this file."""
        ...


class BytesFile:
    """An open file whose bytes are all in memory."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.size = len(data)
        self.cacheable = False
        self.content_version = None

    def pread(self, size: int, offset: int) -> bytes:
        """Return `size` bytes from `offset`, fewer only at the end."""
        return self._data[offset : offset + size]

    def close(self) -> None:
        """Do nothing: the bytes go with the file."""


class MeasuredFile:
    """An open output whose size was measured, and whose tree hash may show that it has another.

    Args:
        reader: reads it.
        measure_again: is called when the whole does not match its hash.
    """

    def __init__(self, reader: Reader, measure_again: Callable[[], object]) -> None:
        self._reader = reader
        self._measure_again = measure_again
        self.size = reader.size

    @property
    def cacheable(self) -> bool:
        """Return whether its bytes are verified and never change, as `Reader.cacheable`."""
        return self._reader.cacheable

    @property
    def content_version(self) -> Hashable:
        """Return what is equal for all who read the same bytes, as `Reader.content_version`."""
        return self._reader.content_version

    def pread(self, size: int, offset: int) -> bytes | memoryview:
        """Return `size` bytes from `offset`, as `Reader.pread`.

        Raises:
            CasfsError: as `Reader.pread`; after a mismatch, the next open has the right size.
        """
        try:
            return self._reader.pread(size, offset)
        except OutputMismatchError:
            self._measure_again()
            raise

    def close(self) -> None:
        """Let go of it."""
        self._reader.close()
