"""Compares restored files with the manifest, without an account."""

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass

from casfs.errors import CasfsError
from casfs.reasons import reason
from casfs.restore.destination.existing_files import same_time
from casfs.restore.destination.file_hashes import hash_file
from casfs.restore.destination.manifest import ALGORITHMS, ManifestLine, to_nanoseconds
from casfs.restore.destination.manifest_index import ManifestIndex
from casfs.restore.destination.opened_tree import OpenedTree, split

OK, CHANGED, MISMATCH, MISSING, UNREADABLE, NOT_CHECKED = (
    *("ok", "changed", "mismatch", "missing", "unreadable"),
    "not checked",
)


@dataclass(frozen=True, slots=True)
class CheckedFile:
    """What a file on disk turned out to be.

    Attributes:
        line: what the manifest says of it.
        state: `ok`, `missing`, `unreadable`, or `not checked`, where the manifest has no hash for
            it. Other bytes are `changed` if the file has another time as well: somebody has
            written it since. With the time of the archive they are a `mismatch`.
        reason: what is wrong.
        size: bytes that were read.
    """

    line: ManifestLine
    state: str
    reason: str = ""
    size: int = 0

    @property
    def is_wrong(self) -> bool:
        """Return whether the file is not what was restored, and nothing tells why."""
        return self.state not in (OK, CHANGED, NOT_CHECKED)


def check_restored(index: ManifestIndex, tree: OpenedTree) -> Iterator[CheckedFile]:
    """Yield what became of each file of a manifest; those that were not restored are left out.

    Raises:
        DestinationError: the directory cannot be read.
    """
    for line in index.lines():
        if line.is_restored:
            yield _check(line, tree)


def _check(line: ManifestLine, tree: OpenedTree) -> CheckedFile:
    try:
        names = split(line.path)
        parent = tree.directory(names[:-1], make=False)
        if parent is None:
            return CheckedFile(line, MISSING, "its directory is missing")
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
        file = os.open(names[-1], flags, dir_fd=parent.descriptor)
    except FileNotFoundError:
        return CheckedFile(line, MISSING, "it is missing")
    except CasfsError as error:
        return CheckedFile(line, UNREADABLE, str(error))
    except OSError as error:
        return CheckedFile(line, UNREADABLE, reason(error))
    try:
        return _compare(line, file)
    except OSError as error:
        return CheckedFile(line, UNREADABLE, reason(error))
    finally:
        os.close(file)


def _compare(line: ManifestLine, file: int) -> CheckedFile:
    status = os.fstat(file)
    if not stat.S_ISREG(status.st_mode):
        return CheckedFile(line, MISMATCH, "it is not a file")
    if line.size is not None and status.st_size != line.size:
        return _other(line, status, f"it has {status.st_size} bytes instead of {line.size}")
    tree = ALGORITHMS.get(line.algorithm or "")
    if line.sha256 is None and (tree is None or line.tree_hash is None):
        return CheckedFile(line, NOT_CHECKED, "the manifest has no hash for it")
    found = hash_file(file, tree)
    if line.sha256 is not None and found.sha256 != line.sha256:
        text = f"its SHA-256 is {found.sha256} instead of {line.sha256}"
        return _other(line, status, text, found.size)
    if tree is not None and line.tree_hash is not None and found.tree_hash != line.tree_hash:
        text = f"its tree hash is {found.tree_hash} instead of {line.tree_hash}"
        return _other(line, status, text, found.size)
    return CheckedFile(line, OK, size=found.size)


def _other(line: ManifestLine, status: os.stat_result, text: str, size: int = 0) -> CheckedFile:
    """Return that a file has other bytes than were restored."""
    try:
        is_rewritten = not same_time(status.st_mtime_ns, to_nanoseconds(line.mtime or ""))
    except ValueError:
        is_rewritten = False
    if is_rewritten:
        return CheckedFile(line, CHANGED, f"it was written since it was restored: {text}", size)
    return CheckedFile(line, MISMATCH, text, size)
