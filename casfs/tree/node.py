"""Entries of the tree: a closed set of kinds, each with what its kind needs and nothing else."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

from casfs.model import Job
from casfs.tree.archives.entries import Archive
from casfs.tree.inodes import archive_inode, path_inode


@dataclass(frozen=True, slots=True)
class Node:
    """An entry of the tree, of one of the kinds below.

    Attributes:
        path: from the root of the mount, "/" for the root itself.
        mtime: nanoseconds since 1970.
        size: bytes; 0 for a directory, None in a listing where finding out takes reading an output.
        is_directory: whether it is a `Directory`.
    """

    path: str
    mtime: int
    size: int | None

    is_directory: ClassVar[bool] = False

    @property
    def inode(self) -> int:
        """Return the inode, which depends on the path alone, so that it outlives a remount."""
        return path_inode(self.path)


@dataclass(frozen=True, slots=True)
class Directory(Node):
    """A directory."""

    size: int | None = 0

    is_directory: ClassVar[bool] = True


@dataclass(frozen=True, slots=True)
class SmallFile(Node):
    """A file that is made when it is opened, such as `vault.json`.

    Attributes:
        content: makes its bytes.
    """

    content: Callable[[], bytes]

    def frozen(self) -> "SmallFile":
        """Return this file with the content that it has now."""
        content = self.content()
        return SmallFile(self.path, self.mtime, len(content), lambda: content)


@dataclass(frozen=True, slots=True)
class OutputFile(Node):
    """The output of a job, as the service has it."""

    job: Job


@dataclass(frozen=True, slots=True)
class InventoryFile(Node):
    """An inventory in the form that its name says, whichever form its job's output has.

    Attributes:
        job: the job whose output it is made of.
        name: `inventory.json` or `inventory.csv`.
    """

    job: Job
    name: str


@dataclass(frozen=True, slots=True)
class ArchiveFile(Node):
    """An archive, put together from the outputs of its jobs.

    Attributes:
        vault: name of its vault.
        archive: the archive.
        shared: what the names in its directory begin with.
    """

    vault: str
    archive: Archive
    shared: str = ""

    @property
    def inode(self) -> int:
        """Return the inode: no other archive has it, and it is mostly in the order of names."""
        name = self.path[self.path.rfind("/") + 1 :]
        return archive_inode(name, self.shared, self.archive.number)
