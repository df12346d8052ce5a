"""Hashes of files on disk: the tree hash of archives, and SHA-256, in one pass."""

import hashlib
import os
from dataclasses import dataclass

from casfs.treehash import LEAF_SIZE, TreeHash


@dataclass(frozen=True, slots=True)
class FileHashes:
    """The hashes of a file in hexadecimal.

    Attributes:
        tree_hash: None for an empty file, or if none was asked for.
        size: bytes that were read.
    """

    sha256: str
    tree_hash: str | None
    size: int


def hash_file(file: int, tree: TreeHash | None) -> FileHashes:
    """Return the hashes of a file, from its beginning; what is read does not stay in memory.

    Args:
        file: descriptor.
        tree: how its tree is hashed, None for the SHA-256 alone.

    Raises:
        OSError: it cannot be read.
    """
    whole, leaves, size = hashlib.sha256(), [], 0
    memory = memoryview(bytearray(LEAF_SIZE))
    # What is on disk counts, not what memory still has of it.
    os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
    while True:
        got = _fill(file, memory, size)
        if not got:
            break
        whole.update(memory[:got])
        if tree is not None:
            leaves.append(tree.leaf(memory[:got]))
        os.posix_fadvise(file, size, got, os.POSIX_FADV_DONTNEED)
        size += got
        if got < len(memory):
            break
    root = tree.root(leaves).hex() if tree is not None and leaves else None
    return FileHashes(whole.hexdigest(), root, size)


def _fill(file: int, memory: memoryview, at: int) -> int:
    done = 0
    while done < len(memory):
        got = os.preadv(file, [memory[done:]], at + done)
        if not got:
            break
        done += got
    return done
