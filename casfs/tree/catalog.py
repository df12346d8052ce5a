"""What was last known of every vault and job, in SQLite: kept over restarts, small in memory.

    listings(scope, generation, listed_at)          one row for all vaults, and one a vault;
                                                    one more each for a listing that has begun
    vaults(name, description, generation)           description is the service's JSON
    jobs(vault, id, description, size, generation)  size is set where it had to be asked for

A listing arrives page by page, each in a transaction of its own, under a new generation; it counts
from the moment its row in `listings` names that generation. Rows of older generations are what the
service no longer lists. A listing that broke off leaves rows of a generation that no other listing
uses.
"""

import collections
import contextlib
import fcntl
import itertools
import logging
import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from casfs.errors import CasfsError, ConfigError
from casfs.service.base import Job, Vault

log = logging.getLogger(__name__)

_VERSION = 1
_VAULTS = "vaults"
_BEGUN = "begun"
_BUSY_SECONDS = 10.0
_PAGE = 1000
_SCHEMA = """
CREATE TABLE IF NOT EXISTS listings (
    scope TEXT PRIMARY KEY, generation INTEGER NOT NULL, listed_at REAL NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS vaults (
    name TEXT PRIMARY KEY, description TEXT NOT NULL, generation INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS jobs (
    vault TEXT NOT NULL, id TEXT NOT NULL, description TEXT NOT NULL, size INTEGER,
    generation INTEGER NOT NULL, PRIMARY KEY (vault, id)
) WITHOUT ROWID;
"""


@dataclass(frozen=True, slots=True)
class JobRow:
    """A job in the catalogue: its JSON, its size if that was asked for, whether it is listed."""

    description: str
    size: int | None
    listed: bool


class _Connection(sqlite3.Connection):
    """A connection that knows which file it has open: another process may put that aside."""

    inode: int | None = None


def _is_damage(error: BaseException) -> bool:
    return isinstance(error, sqlite3.DatabaseError) and not isinstance(
        error, sqlite3.OperationalError
    )


class Catalog:
    """The catalogue of one account.

    A connection of SQLite serves one thread at a time, so each call borrows one. Several processes
    may use one catalogue. A damaged file is put aside and begun anew: all in it can be asked for
    again, except which expired jobs are still whole in the cache.

    Raises:
        ConfigError: the folder cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._connections: collections.deque[_Connection] = collections.deque()
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            try:
                self._prepare()
            except sqlite3.DatabaseError as error:
                if not _is_damage(error):
                    raise
        except (OSError, sqlite3.OperationalError) as error:
            raise ConfigError(
                f"the catalogue {path} cannot be used ({error}); give another --cache-dir"
            ) from error

    def close(self) -> None:
        """Close all connections that are not in use."""
        while self._connections:
            self._connections.pop().close()

    def list_vaults(self, vaults: Iterable[Vault], now: float) -> None:
        """Take over a listing of all vaults, at `now` (Unix time)."""
        query = "SELECT ifnull(max(generation), 0) FROM vaults"
        generation = self._begin(_VAULTS, self._rows(query)[0][0], now)
        rows = ((vault.name, vault.raw, generation) for vault in vaults)
        self._insert(_PUT_VAULT, rows)
        self._put_listing(_VAULTS, generation, now)

    def list_jobs(self, vault: str, jobs: Iterable[Job], now: float) -> None:
        """Take over a listing of all jobs of a vault, at `now` (Unix time)."""
        scope = f"{_VAULTS}/{vault}"
        query = "SELECT ifnull(max(generation), 0) FROM jobs WHERE vault = ?"
        generation = self._begin(scope, self._rows(query, vault)[0][0], now)
        rows = ((vault, job.id, job.raw, generation) for job in jobs)
        self._insert(_PUT_JOB, rows)
        self._put_listing(scope, generation, now)

    def put_vault(self, vault: Vault) -> None:
        """Take over the description of one vault."""
        row = (vault.name, vault.raw, self._newest_generation(_VAULTS))
        self._insert(_PUT_VAULT, [row])

    def put_job(self, job: Job) -> None:
        """Take over the description of one job."""
        row = (job.vault, job.id, job.raw, self._newest_generation(f"{_VAULTS}/{job.vault}"))
        self._insert(_PUT_JOB, [row])

    def put_size(self, job: Job, size: int) -> None:
        """Note the size of an output whose job does not tell it, bytes."""
        with self._borrow() as connection:
            connection.execute(
                "UPDATE jobs SET size = ? WHERE vault = ? AND id = ?", (size, job.vault, job.id)
            )

    def remove_vault(self, name: str) -> None:
        """Forget a vault and its jobs."""
        with self._borrow() as connection:
            connection.execute("DELETE FROM vaults WHERE name = ?", (name,))
            connection.execute("DELETE FROM jobs WHERE vault = ?", (name,))
            scope = f"{_VAULTS}/{name}"
            connection.execute(
                "DELETE FROM listings WHERE scope IN (?, ?)", (scope, f"{_BEGUN}/{scope}")
            )

    def remove_job(self, vault: str, job_id: str) -> None:
        """Forget a job."""
        with self._borrow() as connection:
            connection.execute("DELETE FROM jobs WHERE vault = ? AND id = ?", (vault, job_id))

    def vaults_listed_at(self) -> float | None:
        """Return when all vaults were last listed (Unix time), None if never."""
        return self._listed_at(_VAULTS)

    def jobs_listed_at(self, vault: str) -> float | None:
        """Return when the jobs of a vault were last listed (Unix time), None if never."""
        return self._listed_at(f"{_VAULTS}/{vault}")

    def vaults(self) -> list[tuple[str, str, bool]]:
        """Return name, description, and whether it is still listed, of every vault."""
        query = "SELECT name, description, generation >= ? FROM vaults ORDER BY name"
        rows = self._rows(query, self._generation(_VAULTS))
        return [(name, description, bool(listed)) for name, description, listed in rows]

    def vault(self, name: str) -> str | None:
        """Return the description of a vault."""
        rows = self._rows("SELECT description FROM vaults WHERE name = ?", name)
        return rows[0][0] if rows else None

    def jobs(self, vault: str) -> Iterator[tuple[str, str, bool]]:
        """Yield id, description, and whether it is still listed, of every job of a vault."""
        query = """SELECT id, description, generation >= ? FROM jobs
                   WHERE vault = ? AND id > ? ORDER BY id LIMIT ?"""
        generation, last = self._generation(f"{_VAULTS}/{vault}"), ""
        while rows := self._rows(query, generation, vault, last, _PAGE):
            yield from ((job_id, text, bool(listed)) for job_id, text, listed in rows)
            last = rows[-1][0]

    def job(self, vault: str, job_id: str) -> JobRow | None:
        """Return what is known of a job."""
        query = "SELECT description, size, generation >= ? FROM jobs WHERE vault = ? AND id = ?"
        rows = self._rows(query, self._generation(f"{_VAULTS}/{vault}"), vault, job_id)
        if not rows:
            return None
        description, size, listed = rows[0]
        return JobRow(description, size, bool(listed))

    def _rows(self, query: str, *values: str | int) -> list[Any]:
        with self._borrow() as connection:
            return connection.execute(query, values).fetchall()

    def _generation(self, scope: str) -> int:
        rows = self._rows("SELECT generation FROM listings WHERE scope = ?", scope)
        return int(rows[0][0]) if rows else 0

    def _listed_at(self, scope: str) -> float | None:
        rows = self._rows("SELECT listed_at FROM listings WHERE scope = ?", scope)
        return float(rows[0][0]) if rows else None

    def _insert(self, statement: str, rows: Iterable[tuple[str | int, ...]]) -> None:
        # The rows may come from the network: they are collected before the transaction begins.
        rows = iter(rows)
        while page := list(itertools.islice(rows, _PAGE)):
            with self._borrow() as connection:
                connection.executemany(statement, page)

    def _begin(self, scope: str, used: int, now: float) -> int:
        generation = max(self._generation(scope), used) + 1
        self._put_listing(f"{_BEGUN}/{scope}", generation, now)
        return generation

    def _newest_generation(self, scope: str) -> int:
        # What is described while a listing goes on may be too new for it.
        return max(self._generation(scope), self._generation(f"{_BEGUN}/{scope}"))

    def _put_listing(self, scope: str, generation: int, now: float) -> None:
        statement = "INSERT OR REPLACE INTO listings VALUES (?, ?, ?)"
        with self._borrow() as connection:
            connection.execute(statement, (scope, generation, now))

    @contextlib.contextmanager
    def _borrow(self) -> Iterator[sqlite3.Connection]:
        """Lend a connection; what is done with it is one transaction.

        Raises:
            CasfsError: the file cannot be read or written.
        """
        try:
            with self._connection() as connection:
                yield connection
        except sqlite3.OperationalError as error:
            raise CasfsError(
                f"the catalogue {self._path} failed ({error}); make room in the cache folder"
            ) from error
        except sqlite3.DatabaseError as error:
            raise CasfsError(
                f"the catalogue {self._path} was damaged and is begun anew; try again"
            ) from error

    @contextlib.contextmanager
    def _connection(self) -> Iterator[_Connection]:
        try:
            connection = self._connections.pop()
        except IndexError:
            # Looked up before: of a file that comes in between we know nothing, and do it no harm.
            inode = self._inode()
            connection = sqlite3.connect(
                self._path, timeout=_BUSY_SECONDS, check_same_thread=False, factory=_Connection
            )
            connection.inode = inode
        try:
            connection.execute("PRAGMA synchronous = OFF")
            with connection:
                yield connection
        except BaseException as error:
            connection.close()
            if _is_damage(error):
                self._begin_anew(connection.inode, error)
            raise
        self._connections.append(connection)

    def _begin_anew(self, inode: int | None, error: BaseException) -> None:
        """Put the file aside whose damage was found, unless somebody has done that already."""
        self.close()
        with self._path.with_suffix(".lock").open("w") as lock:
            # Held for moments, and by no process that has died.
            fcntl.flock(lock, fcntl.LOCK_EX)
            if inode is None or self._inode() != inode:
                return
            log.warning("the catalogue %s is damaged and begun anew: %s", self._path, error)
            # What the old file's log holds must not be taken for the new one's.
            for ending in ("-wal", "-shm"):
                self._path.with_name(self._path.name + ending).unlink(missing_ok=True)
            self._path.replace(self._path.with_suffix(".damaged"))
        self._prepare()

    def _inode(self) -> int | None:
        try:
            return self._path.stat().st_ino
        except FileNotFoundError:
            return None

    def _prepare(self) -> None:
        with self._connection() as connection:
            connection.execute("PRAGMA journal_mode = WAL")
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            if version not in (0, _VERSION):
                raise sqlite3.DatabaseError(f"version {version}, not {_VERSION}")
            connection.executescript(_SCHEMA)
            connection.execute(f"PRAGMA user_version = {_VERSION}")


# A description of one may come while all are being listed: it must not go back behind that.
_PUT_VAULT = """INSERT INTO vaults VALUES (?, ?, ?) ON CONFLICT DO UPDATE
    SET description = excluded.description, generation = max(generation, excluded.generation)"""
_PUT_JOB = """INSERT INTO jobs (vault, id, description, generation) VALUES (?, ?, ?, ?)
    ON CONFLICT DO UPDATE
    SET description = excluded.description, generation = max(generation, excluded.generation)"""
