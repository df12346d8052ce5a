"""The tables of vaults and jobs as they were last known, which survive restarts.

A listing arrives page by page, each in a transaction of its own, under a new generation; it takes
effect once its row in `listings` names that generation. Rows of older generations are those that
the service no longer lists.
"""

import contextlib
import hashlib
import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from casfs.blocks.disk.store import CATALOG
from casfs.errors import CasfsError
from casfs.model import Job, Vault
from casfs.tree.metadata.job_columns import PARTLY_CACHED, JobRow, JobTime, VaultRow, job_row
from casfs.tree.metadata.losses import ListingChange, matters
from casfs.tree.metadata.row_writing import write_page, write_rows
from casfs.tree.sqlite.database import Database
from casfs.tree.sqlite.values import Value, hash_of, loaded, storable

_VAULTS = "vaults"
_BEGUN = "begun"
_CATALOG = "catalog"
_PAGE = 1000
"""Rows that are read at a time."""


def catalog_path(cache_dir: Path, origin: tuple[str, ...]) -> Path:
    """Return the path of an account's database; see `Service.origin`."""
    name = hashlib.sha256(json.dumps(origin).encode()).hexdigest()[:32]
    return cache_dir / CATALOG / f"{name}.sqlite"


class JobTable:
    """The vaults and jobs of one account.

    Args:
        database: stores them.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._arriving: set[str] = set()

    @property
    def is_listing(self) -> bool:
        """Return whether a listing is arriving now."""
        return bool(self._arriving)

    @property
    def incarnation(self) -> int:
        """Return a number that changes when everything in the database is lost."""
        return self._database.incarnation

    def list_vaults(self, vaults: Iterable[Vault], now: float) -> ListingChange:
        """Store a listing of all vaults, made at `now` (Unix time); return what it changed."""
        return self._list(
            _VAULTS,
            lambda generation: ((vault.name, vault.raw, generation) for vault in vaults),
            _LIST_VAULT,
            "vaults",
            (),
            now,
        )

    def list_jobs(self, vault: str, jobs: Iterable[Job], now: float) -> ListingChange:
        """Store a listing of all jobs of a vault, made at `now` (Unix time).

        Returns:
            what it changed.
        """
        return self._list(
            f"{_VAULTS}/{vault}",
            lambda generation: (job_row(job, generation) for job in jobs),
            _LIST_JOB,
            "jobs WHERE vault = ?",
            (vault,),
            now,
        )

    def put_vault(self, vault: Vault) -> None:
        """Store the description of one vault."""
        row = (vault.name, vault.raw, self._newest_generation(_VAULTS))
        write_page(self._database, _PUT_VAULT, [row])

    def put_job(self, job: Job) -> None:
        """Store the description of one job."""
        row = job_row(job, self._newest_generation(f"{_VAULTS}/{job.vault}"))
        write_page(self._database, _PUT_JOB, [row])

    def put_size(self, vault: str, job_id: str, size: int | None) -> None:
        """Store the measured size of an output in bytes; None forgets it."""
        with self._database.transaction() as connection:
            connection.execute(
                "UPDATE jobs SET size = ? WHERE vault = ? AND id = ?", (size, vault, job_id)
            )

    def remove_vault(self, name: str) -> None:
        """Forget a vault and its jobs."""
        with self._database.transaction() as connection:
            connection.execute("DELETE FROM vaults WHERE name = ?", (name,))
            connection.execute("DELETE FROM jobs WHERE vault = ?", (name,))
            connection.execute("DELETE FROM newest_jobs WHERE vault = ?", (name,))
            scope = f"{_VAULTS}/{name}"
            connection.execute(
                "DELETE FROM listings WHERE scope IN (?, ?)", (scope, f"{_BEGUN}/{scope}")
            )

    def remove_job(self, vault: str, job_id: str) -> None:
        """Forget a job."""
        self.settle_jobs(vault, [job_id], [])

    def settle_jobs(self, vault: str, gone: Iterable[str], partly: Iterable[str]) -> None:
        """Forget jobs, and keep of others what is cached of them; see `PARTLY_CACHED`."""
        with self._database.transaction() as connection:
            connection.executemany(_FORGET_JOB, ((vault, one) for one in gone))
            connection.executemany(_KEEP_PART, ((vault, one) for one in partly))

    def vaults_listed_at(self) -> float | None:
        """Return when all vaults were last listed (Unix time), None if never."""
        return self._listed_at(_VAULTS)

    def jobs_listed_at(self, vault: str) -> float | None:
        """Return when the jobs of a vault were last listed (Unix time), None if never."""
        return self._listed_at(f"{_VAULTS}/{vault}")

    def newest_job(self, vault: str) -> int | None:
        """Return the mtime of the newest job of a vault, as `put_newest_job` got it."""
        rows = self._database.rows("SELECT mtime FROM newest_jobs WHERE vault = ?", vault)
        return int(rows[0][0]) * 1000 if rows else None

    def put_newest_job(self, vault: str, time: int | None) -> None:
        """Store the mtime of a vault's newest job, in nanoseconds since 1970; None if none has."""
        if time != self.newest_job(vault):
            with self._database.transaction() as connection:
                connection.execute("DELETE FROM newest_jobs WHERE vault = ?", (vault,))
                if time is not None:
                    # Nanoseconds of years after 2262 are more than a column holds.
                    row = (vault, time // 1000)
                    connection.execute("INSERT INTO newest_jobs VALUES (?, ?)", row)

    def begun_at(self) -> int:
        """Return when the catalog was begun, in nanoseconds since 1970: never a wrong time."""
        return int(self._listed_at(_CATALOG) or 0) * 10**9

    def vaults(self) -> list[tuple[str, str, bool]]:
        """Return name, description, and whether it is still listed, of every vault."""
        query = "SELECT name, description, generation >= ? FROM vaults ORDER BY name"
        rows = self._database.rows(query, self._generation(_VAULTS))
        return [(name, description, bool(listed)) for name, description, listed in rows]

    def vault(self, name: str) -> VaultRow | None:
        """Return what is known of a vault."""
        query = "SELECT description, generation >= ? FROM vaults WHERE name = ?"
        rows = self._database.rows(query, self._generation(_VAULTS), storable(name))
        return VaultRow(rows[0][0], bool(rows[0][1])) if rows else None

    def jobs(self, vault: str) -> Iterator[tuple[str, str, bool]]:
        """Yield id, description, and whether it is still listed, of every job of a vault."""
        query = """SELECT id, description, generation >= ? FROM jobs
                   WHERE vault = ? AND id > ? ORDER BY id LIMIT ?"""
        generation, last = self._generation(f"{_VAULTS}/{vault}"), ""
        while rows := self._database.rows(query, generation, vault, last, _PAGE):
            yield from ((job_id, text, bool(listed)) for job_id, text, listed in rows)
            last = rows[-1][0]

    def job_times(self, vault: str) -> Iterator[JobTime]:
        """Yield every job of a vault with its mtime, by id."""
        generation, last = self._generation(f"{_VAULTS}/{vault}"), ""
        while rows := self._database.rows(_JOB_TIMES, generation, vault, last, _PAGE):
            for job_id, microseconds, listed, description in rows:
                time = None if microseconds is None else microseconds * 1000
                yield JobTime(job_id, time, bool(listed), description)
            last = rows[-1][0]

    def job(self, vault: str, job_id: str) -> JobRow | None:
        """Return what is known of a job."""
        query = "SELECT description, size, generation >= ? FROM jobs WHERE vault = ? AND id = ?"
        generation = self._generation(f"{_VAULTS}/{vault}")
        rows = self._database.rows(query, generation, vault, storable(job_id))
        if not rows:
            return None
        description, size, listed = rows[0]
        return JobRow(description, size, bool(listed))

    def inventory_jobs(self, vault: str) -> list[str]:
        """Return the descriptions of the inventory jobs of a vault."""
        query = "SELECT description FROM jobs WHERE vault = ? AND kind = 'inventory'"
        return [description for (description,) in self._database.rows(query, vault)]

    def archive_hash(self, vault: str, archive_id: str) -> str | None:
        """Return the tree hash that the catalog has of an archive, None if it has none."""
        query = "SELECT tree_hash FROM archives WHERE hash = ?"
        rows = self._database.rows(query, hash_of(vault, archive_id))
        return loaded(rows[0][0]) if rows else None

    def _generation(self, scope: str) -> int:
        rows = self._database.rows("SELECT generation FROM listings WHERE scope = ?", scope)
        return int(rows[0][0]) if rows else 0

    def _listed_at(self, scope: str) -> float | None:
        rows = self._database.rows("SELECT listed_at FROM listings WHERE scope = ?", scope)
        return float(rows[0][0]) if rows else None

    def _list(
        self,
        scope: str,
        rows: Callable[[int], Iterable[tuple[Value, ...]]],
        statement: str,
        table: str,
        values: tuple[Value, ...],
        now: float,
    ) -> ListingChange:
        """Store a listing; one that breaks off leaves the previous listing in effect.

        Args:
            scope: names the listing.
            rows: generation -> rows, which may come from the network.
            statement: inserts or updates them, as in `write_rows`.
            table: the rows that the listing is about, as in `FROM`.
            values: of the parameters in `table`.
            now: Unix time.
        """
        where = f"{table}{' AND' if 'WHERE' in table else ' WHERE'}"
        listed = self._generation(scope)
        used, before = self._database.rows(
            f"SELECT ifnull(max(generation), 0), count(*) FILTER (WHERE generation >= {listed:d})"  # noqa: S608 - a number
            f" FROM {table}",
            *values,
        )[0]
        generation = self._begin(scope, used, now)
        self._arriving.add(scope)
        try:
            write_rows(self._database, statement, rows(generation + 1))
        except BaseException:
            # New rows are one generation ahead, so that they can be told from known ones.
            with contextlib.suppress(CasfsError), self._database.transaction(bulk=True) as changed:
                changed.execute(f"DELETE FROM {where} generation = ?", (*values, generation + 1))  # noqa: S608
            raise
        finally:
            self._arriving.discard(scope)
        gone = f"FROM {where} generation >= ? AND generation < ?"
        lost: list[str] = []
        if listed:
            bounds = (*values, listed, generation)
            ((count,),) = self._database.rows(f"SELECT count(*) {gone}", *bounds)
            if matters(count, before):
                found = self._database.rows(f"SELECT description {gone}", *bounds)
                lost = [description for (description,) in found]
        self._put_listing(scope, generation, now)
        return ListingChange(before if listed else 0, lost)

    def _begin(self, scope: str, used: int, now: float) -> int:
        generation = max(self._generation(scope), used) + 1
        self._put_listing(f"{_BEGUN}/{scope}", generation, now)
        return generation

    def _newest_generation(self, scope: str) -> int:
        # What is described during a listing may be too new for it.
        return max(self._generation(scope), self._generation(f"{_BEGUN}/{scope}"))

    def _put_listing(self, scope: str, generation: int, now: float) -> None:
        with self._database.transaction() as connection:
            connection.execute(_PUT_LISTING, (scope, generation, now))


_PUT_LISTING = """INSERT INTO listings (scope, generation, listed_at) VALUES (?, ?, ?)
    ON CONFLICT DO UPDATE SET generation = excluded.generation, listed_at = excluded.listed_at"""
_UPSERT_VAULT = """INSERT INTO vaults VALUES {rows} ON CONFLICT DO UPDATE
    SET description = excluded.description, generation = """
_UPSERT_JOB = """INSERT INTO jobs
    (vault, id, description, generation, mtime, kind, state, archive, hash, whole)
    VALUES {rows} ON CONFLICT DO UPDATE
    SET description = excluded.description, mtime = excluded.mtime, kind = excluded.kind,
        state = excluded.state, archive = excluded.archive, hash = excluded.hash,
        whole = excluded.whole, generation = """
# One may be described while all are being listed: its generation must not go back.
_PUT_VAULT = f"{_UPSERT_VAULT} max(generation, excluded.generation)"
_PUT_JOB = f"{_UPSERT_JOB} max(generation, excluded.generation)"
# In a listing, known rows get the generation below that of new ones.
_LIST_VAULT = f"{_UPSERT_VAULT} max(generation, excluded.generation - 1)"
_LIST_JOB = f"{_UPSERT_JOB} max(generation, excluded.generation - 1)"
_FORGET_JOB = "DELETE FROM jobs WHERE vault = ? AND id = ?"
# One that was never parsed stays so, or it would have no archive.
_KEEP_PART = f"""UPDATE jobs SET state = '{PARTLY_CACHED}'
    WHERE vault = ? AND id = ? AND state = 'succeeded'"""  # noqa: S608 - a constant
_JOB_TIMES = """SELECT id, mtime, generation >= ?1,
    CASE WHEN mtime IS NULL OR generation < ?1 THEN description END
    FROM jobs WHERE vault = ?2 AND id > ?3 ORDER BY id LIMIT ?4"""
