"""Which names the file system of a restore can hold: known before anything is paid for.

FAT, exFAT and NTFS refuse some characters, drop dots and blanks at the end of a name, and take
names that differ in case alone for one.
"""

import contextlib
import hashlib
import os
import sqlite3
from dataclasses import dataclass
from unicodedata import normalize

from casfs.errors import DestinationError
from casfs.restore.destination.opened_tree import split

_SUSPECT = ':*?"<>|\\\t\x01\x7f'
"""Characters that some file system refuses, and none but `/` and NUL are refused by all."""
_ENDS = (".", " ")
_PROBE = "probe"


@dataclass(frozen=True, slots=True)
class NameRules:
    """What a file system refuses.

    Attributes:
        refused: characters.
        dropped: characters that it drops at the end of a name.
        changes_case: it makes small letters of capitals.
    """

    refused: frozenset[str] = frozenset()
    dropped: frozenset[str] = frozenset()
    changes_case: bool = False

    def require(self, path: str) -> None:
        """Require that all names in a path can be kept as they are.

        Raises:
            DestinationError: one of them cannot.
        """
        if not (self.refused or self.dropped or self.changes_case):
            return
        what = f"cannot restore {path}: the file system of the directory"
        for name in split(path):
            found = self.refused.intersection(name)
            if found:
                raise DestinationError(f"{what} does not allow {min(found)!r} in a name")
            if self.changes_case and name != name.lower():
                raise DestinationError(f"{what} changes the capital letters of a name")
            if name[-1] in self.dropped:
                raise DestinationError(f"{what} drops {name[-1]!r} at the end of a name")


def probed_rules(directory: int) -> NameRules:
    """Find out by trying what the file system of a directory refuses.

    Args:
        directory: descriptor of one in which nothing else has such names.
    """
    refused = {one for one in _SUSPECT if not _is_kept(f"{_PROBE}{one}x", directory)}
    dropped = {one for one in _ENDS if not _is_kept(f"{_PROBE}{one}", directory)}
    # A disk that is full or read-only refuses all of them, and says so itself later.
    if not _is_kept(_PROBE, directory):
        return NameRules()
    changes_case = not _is_kept(f"{_PROBE}A", directory)
    return NameRules(frozenset(refused), frozenset(dropped), changes_case)


def _is_kept(name: str, directory: int) -> bool:
    """Return whether a file can be made that has exactly this name then."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name, dir_fd=directory)
        os.close(os.open(name, flags, 0o600, dir_fd=directory))
        try:
            return name in os.listdir(directory)
        finally:
            os.unlink(name, dir_fd=directory)
    except OSError:
        return False


class TakenNames:
    """Paths that a file system without case may take for one; in a temporary file."""

    def __init__(self) -> None:
        self._paths = sqlite3.connect("", check_same_thread=False, isolation_level=None)
        self._paths.execute("CREATE TABLE paths (path BLOB PRIMARY KEY) WITHOUT ROWID")
        self._paths.execute("BEGIN")

    def close(self) -> None:
        """Remove it."""
        self._paths.close()

    def take(self, path: str) -> None:
        """Note a path.

        Raises:
            DestinationError: an earlier one differs in case alone.
        """
        folded = normalize("NFC", path).casefold().encode("utf-8", "surrogatepass")
        digest = hashlib.blake2b(folded, digest_size=16).digest()
        done = self._paths.execute("INSERT OR IGNORE INTO paths VALUES (?)", (digest,))
        if not done.rowcount:
            raise DestinationError(
                f"cannot restore {path}: the file system takes its name for that of another "
                "archive; restore it into another directory"
            )
