"""Receives a body into a file and hashes it on the way, in constant memory."""

import os
from dataclasses import dataclass
from pathlib import Path
from tempfile import NamedTemporaryFile

from casfs.treehash import LEAF_SIZE, TreeHash


@dataclass(frozen=True)
class Received:
    """A body that was received.

    Attributes:
        file: has its bytes; deleted after the call unless it was moved.
        size: in bytes.
        digest: plain hash of all bytes.
        leaves: the digest of each MiB.
    """

    file: Path
    size: int
    digest: bytes
    leaves: tuple[bytes, ...]


class Incoming:
    """A temporary file that grows by whole MiB.

    As a context manager, it deletes the file at the end unless it was moved.

    Args:
        directory: where to create the file.
        tree: how to hash it.
    """

    def __init__(self, directory: Path, tree: TreeHash) -> None:
        self._file = NamedTemporaryFile(dir=directory, delete=False)  # noqa: SIM115 - see __exit__
        self._path = Path(self._file.name)
        self._tree = tree
        self._all = tree.new()
        self._leaves: list[bytes] = []
        self._size = 0

    def __enter__(self) -> "Incoming":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        self._path.unlink(missing_ok=True)

    def append(self, block: bytes) -> None:
        """Append one block: `LEAF_SIZE` bytes, or fewer if it is the last."""
        self._file.write(block)
        self._all.update(block)
        self._leaves.append(self._tree.leaf(block))
        self._size += len(block)

    def copy(self, source: Path) -> None:
        """Append a whole file."""
        with source.open("rb", buffering=0) as file:
            while block := file.read(LEAF_SIZE):
                while len(block) < LEAF_SIZE and (more := file.read(LEAF_SIZE - len(block))):
                    block += more
                self.append(block)

    def received(self) -> Received:
        """Return the complete body; nothing may be appended after that."""
        self._file.close()
        os.chmod(self._path, 0o644)
        return Received(self._path, self._size, self._all.digest(), tuple(self._leaves))
