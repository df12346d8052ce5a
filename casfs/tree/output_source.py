"""An output that is read as a file, from its beginning to its end."""

from casfs.blocks.reader import Reader
from casfs.tree.single_flight import Progress


class OutputSource:
    """An output as a file that is read from its beginning."""

    def __init__(self, reader: Reader, progress: Progress) -> None:
        self._reader = reader
        self._progress = progress
        self._at = 0

    def read(self, size: int) -> bytes:
        """Return the next bytes, none at the end."""
        data = bytes(self._reader.pread(size, self._at))
        self._at += len(data)
        self._progress.steps += 1
        return data
