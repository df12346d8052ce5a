"""Which archives of a vault a restore is for: pure, but for reading files with lists."""

import fnmatch
import hashlib
import json
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from casfs.errors import ConfigError
from casfs.reasons import reason
from casfs.restore.destination.manifest_index import ManifestIndex


@dataclass(frozen=True)
class WantedPaths:
    """Chooses archives by their paths.

    A pattern of the shell is compared with the path, and with each directory above it, so that
    `2019` and `2019/*` both stand for all that is in it; without a slash it is compared with each
    name on the way. What a pattern of `exclude` matches is left out, whatever `include` says.

    Attributes:
        include: patterns, one of which must match; none stands for everything.
        exclude: patterns, none of which may match.
        listed: paths that are wanted, directories for all that is in them; None for all.
    """

    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    listed: frozenset[str] | None = None
    _met: set[str] = field(default_factory=set, init=False, compare=False, repr=False)

    def wants(self, path: str) -> bool:
        """Return whether an archive at a path is wanted; what is listed and met is noted."""
        if self.listed is not None:
            met = self.listed.intersection(_above(path))
            if not met:
                return False
            self._met.update(met)
        if self.include and not any(_matches(path, pattern) for pattern in self.include):
            return False
        return not any(_matches(path, pattern) for pattern in self.exclude)

    def unmet(self) -> list[str]:
        """Return what is listed, and at or below which no archive was."""
        return sorted((self.listed or frozenset()) - self._met)

    @property
    def identity(self) -> list[object]:
        """Return what distinguishes it from others."""
        listed = None
        if self.listed is not None:
            text = "\0".join(sorted(self.listed)).encode("utf-8", "surrogatepass")
            listed = hashlib.sha256(text).hexdigest()
        return [sorted(set(self.include)), sorted(set(self.exclude)), listed]


class Elsewhere:
    """The archives that another disk has, by the manifest of the restore to it.

    A million of them take no memory: they are in a temporary file.

    Args:
        shown: path of the manifest.
        archives: their ids.
    """

    def __init__(self, shown: str, archives: Iterable[str]) -> None:
        self.shown = shown
        self._ids = sqlite3.connect("", check_same_thread=False, isolation_level=None)
        self._ids.execute("CREATE TABLE ids (id BLOB PRIMARY KEY) WITHOUT ROWID")
        self._ids.execute("BEGIN")
        self._ids.executemany("INSERT OR IGNORE INTO ids VALUES (?)", map(_key, archives))

    def __del__(self) -> None:
        self._ids.close()

    def has(self, archive: str) -> bool:
        """Return whether an archive is there."""
        query = "SELECT 1 FROM ids WHERE id = ?"
        return self._ids.execute(query, _key(archive)).fetchone() is not None


def read_paths(path: Path) -> frozenset[str]:
    """Read paths from a file, one a line.

    Raises:
        ConfigError: it cannot be read, or has none.
    """
    try:
        text = path.read_text("utf-8-sig", errors="surrogateescape")
    except OSError as error:
        raise ConfigError(f"--files-from {path} cannot be read: {reason(error)}") from error
    lines = (line.removesuffix("\r").strip("/") for line in text.split("\n"))
    found = frozenset(filter(None, lines))
    if not found:
        raise ConfigError(f"--files-from {path} has no paths")
    return found


def read_elsewhere(path: Path) -> Elsewhere:
    """Read what another restore has written, from its manifest.

    Raises:
        ConfigError: it cannot be read, or is not a manifest.
    """
    with ManifestIndex(path) as index:
        restored = (line.archive for line in index.lines() if line.is_restored)
        return Elsewhere(str(path), restored)


def restore_identity(
    vault: str, path: str, destination: Path, wanted: WantedPaths, elsewhere: str | None
) -> str:
    """Return what identifies a restore, so that the same command continues it."""
    return json.dumps(["restore", vault, path, str(destination), wanted.identity, elsewhere])


def _key(archive: str) -> tuple[bytes]:
    return (hashlib.blake2b(archive.encode("utf-8", "surrogatepass"), digest_size=16).digest(),)


def _above(path: str) -> list[str]:
    """Return a path and those of the directories above it."""
    names = path.split("/")
    return ["/".join(names[: count + 1]) for count in range(len(names))]


def _matches(path: str, pattern: str) -> bool:
    pattern = pattern.strip("/")
    among = _above(path) if "/" in pattern else path.split("/")
    return any(fnmatch.fnmatchcase(one, pattern) for one in among)
