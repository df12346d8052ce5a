"""The names that completion offers: profiles of the configuration, and what catalogs on disk have.

Nothing here asks the service, looks for a key, or writes. All catalogs of a cache directory are
read, since the one of an account is found by its key.
"""

import contextlib
import os
import sqlite3
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import quote

from casfs import config_file as files
from casfs.blocks.disk.store import CATALOG
from casfs.homes import cache_directory, expanded
from casfs.settings import config_files, text
from casfs.tree.sqlite.schema import VERSION

_MOST = 500
"""Names that are offered at most."""
_DEFAULT = "default"


def profile_names(environment: Mapping[str, str] = os.environ) -> list[str]:
    """Return the names of all profiles.

    Raises:
        ConfigError: a configuration file cannot be read.
    """
    return sorted(
        {name for path in config_files(environment) for name in files.read(path).profiles}
    )


class CachedNames:
    """The names in the catalogs of a cache directory.

    Args:
        profile: whose cache directory it is; None for the one that the environment selects.
        cache_dir: the directory, if the command line has it.
    """

    def __init__(self, profile: str | None, cache_dir: str | None) -> None:
        self._directory = _cache_directory(profile, cache_dir) / CATALOG

    def vaults(self, prefix: str) -> list[str]:
        """Return the names of vaults that begin with a prefix."""
        return self._found(_VAULTS, prefix)

    def jobs(self, vault: str, prefix: str) -> list[str]:
        """Return the ids of jobs of a vault that begin with a prefix."""
        return self._found(_JOBS, vault, prefix)

    def paths(self, vault: str, prefix: str) -> list[str]:
        """Return the paths of directories and archives that begin with a prefix, one level deep."""
        directory, slash, name = prefix.rpartition("/")
        found: set[str] = set()
        for catalog in self._catalogs():
            number = 0
            for part in (vault, *(directory.split("/") if slash else ())):
                row = catalog.execute(_DIRECTORY, (number, part)).fetchone()
                if row is None:
                    break
                (number,) = row
            else:
                rows = catalog.execute(_ENTRIES, (number, name, _MOST))
                found |= {f"{directory}{slash}{one}" for (one,) in rows}
        return sorted(found)

    def _found(self, query: str, *values: str) -> list[str]:
        found = {
            str(name)
            for catalog in self._catalogs()
            for (name,) in catalog.execute(query, (*values, _MOST))
        }
        return sorted(found)

    def _catalogs(self) -> Iterator[sqlite3.Connection]:
        for path in sorted(self._directory.glob("*.sqlite")):
            address = f"file:{quote(str(path))}?mode=ro"
            # One that cannot be opened must not hide the others.
            with (
                contextlib.suppress(sqlite3.Error),
                contextlib.closing(sqlite3.connect(address, uri=True, timeout=0.1)) as catalog,
            ):
                if catalog.execute("PRAGMA user_version").fetchone() == (VERSION,):
                    yield catalog


def _cache_directory(profile: str | None, cache_dir: str | None) -> Path:
    name = profile or os.environ.get("CASFS_PROFILE") or _DEFAULT
    given = cache_dir or os.environ.get("CASFS_CACHE_DIR")
    if not given:
        paths = config_files()
        given = text(
            files.read(files.with_profile(paths, name)).profiles.get(name, {}), "cache_dir"
        )
    return expanded(given, "cache_dir") if given else cache_directory()


_VAULTS = "SELECT name FROM vaults WHERE name >= ?1 AND substr(name, 1, length(?1)) = ?1 LIMIT ?2"
_JOBS = """SELECT id FROM jobs
WHERE vault = ?1 AND id >= ?2 AND substr(id, 1, length(?2)) = ?2 LIMIT ?3"""
_DIRECTORY = "SELECT number FROM folders WHERE parent = ? AND name = ?"
_ENTRIES = """SELECT name || '/' FROM folders
WHERE parent = ?1 AND name >= ?2 AND substr(name, 1, length(?2)) = ?2
UNION SELECT name FROM archives
WHERE folder = ?1 AND name >= ?2 AND substr(name, 1, length(?2)) = ?2 LIMIT ?3"""
