"""An entry of the tree, whatever it stands for."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

from casfs.model import Job
from casfs.tree.archives.entries import Archive

CONTROL = ".casfs"
"""The folder of the files that say what the mount is doing."""

_PADDED_TO = 4096
"""Bytes to whose multiple the files of `.casfs` are padded with blanks: their text changes all
the time, and a program such as tar wants the size that it saw before."""
_ORDERED = 3
"""Bytes of a name that an inode begins with; the other five tell names apart that begin alike."""


@dataclass(frozen=True, slots=True)
class Node:
    """An entry of the tree.

    Attributes:
        path: where it stands, "/" for the root.
        size: bytes; 0 for a folder, None in a listing where finding out takes reading an output.
        mtime: nanoseconds since 1970.
        folder: whether it is one.
        content: makes the bytes of a small file; None for all else.
        job: the job whose output it is, or is made of; None for all else.
        inventory: the name of an inventory file; None for all else.
        vault: name of the vault whose archive it is; "" for all else.
        archive: the archive whose bytes it has; None for all else.
    """

    path: str
    mtime: int
    size: int | None = 0
    folder: bool = False
    content: Callable[[], bytes] | None = None
    job: Job | None = None
    inventory: str | None = None
    vault: str = ""
    archive: Archive | None = None

    @property
    def inode(self) -> int:
        """Return the inode, which depends on the path alone, so that it outlives a remount.

        It begins like the name, since cp and others walk a folder by inode: then they open outputs
        in the order of their names, too, in which the next ones are fetched ahead.
        """
        path = self.path.encode("utf-8", "surrogateescape")
        name = path[path.rfind(b"/") + 1 :][:_ORDERED].ljust(_ORDERED, b"\0")
        rest = hashlib.blake2b(path, digest_size=8 - _ORDERED).digest()
        # 0 and 1 mean something else to some programs.
        return int.from_bytes(name + rest) | 2


def padded(text: bytes) -> bytes:
    """Return the bytes of a file of `.casfs`, of a size that seldom changes."""
    return text + b" " * (-(len(text) + 1) % _PADDED_TO) + b"\n"
