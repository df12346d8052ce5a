"""The vaults and archives of one emulator: rows and files. `schema` describes the layout."""

import shutil
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import astuple
from pathlib import Path

from casfs.emulator.engine.database import Database
from casfs.emulator.engine.errors import words
from casfs.emulator.engine.job_table import JobTable
from casfs.emulator.engine.records import Archive, Vault
from casfs.emulator.rules import Rules


class Store:
    """All state of one emulator; used by one thread at a time.

    Args:
        root: the directory of all state; created if missing.
        rules: those of the service whose state it is.

    Attributes:
        jobs: the rows of jobs.

    Raises:
        OSError: the directory has the state of another service or of another version of casfs.
    """

    def __init__(self, root: Path, rules: Rules) -> None:
        self._rules = rules
        self.archives, self.inventories, self.uploads, self.incoming = (
            root / name for name in ("archives", "inventories", "uploads", "incoming")
        )
        shutil.rmtree(self.incoming, ignore_errors=True)
        for directory in (self.archives, self.inventories, self.uploads, self.incoming):
            directory.mkdir(parents=True, exist_ok=True)
        try:
            self._database = Database(root / "state.sqlite", rules.service)
        except OSError as error:
            raise OSError(f"{root} {words(error)}; use another directory") from error
        self.jobs = JobTable(self._database)
        self._rows = self._database.rows

    def close(self) -> None:
        """Close the database."""
        self._database.close()

    @property
    def rows(self) -> sqlite3.Connection:
        """The database, for reading."""
        return self._rows

    def writing(self) -> AbstractContextManager[sqlite3.Connection]:
        """Run a transaction; see `Database.writing`."""
        return self._database.writing()

    # vaults

    def vault_at(self, address: str) -> Vault | None:
        """Return the vault at `address`: the id or name by which requests address it."""
        row = self._rows.execute(
            "SELECT * FROM vaults WHERE coalesce(id, name) = ?", (address,)
        ).fetchone()
        return row and Vault(*row)

    def vault(self, name: str) -> Vault | None:
        """Return one vault."""
        row = self._rows.execute("SELECT * FROM vaults WHERE name = ?", (name,)).fetchone()
        return row and Vault(*row)

    def vault_count(self) -> int:
        """Return how many vaults the account has."""
        rows = self._rows.execute("SELECT count(*) FROM vaults WHERE owner IS NULL")
        count: int = rows.fetchone()[0]
        return count

    def vaults(self, marker: str, inclusive: bool, limit: int) -> list[Vault]:
        """Return up to `limit` own vaults by address, starting at or after `marker`."""
        rows = self._rows.execute(
            "SELECT * FROM vaults WHERE owner IS NULL AND coalesce(id, name) >= ?"
            " AND (? OR coalesce(id, name) <> ?) ORDER BY coalesce(id, name) LIMIT ?",
            (marker, inclusive, marker, limit),
        )
        return [Vault(*row) for row in rows]

    def add_vault(self, name: str, created: float) -> None:
        """Add an empty vault, unless there is one of that name."""
        length = self._rules.vault_id_length
        vault_id = None if length is None else self._rules.new_id(length)
        with self.writing() as rows:
            rows.execute(
                "INSERT OR IGNORE INTO vaults (name, created, id) VALUES (?, ?, ?)",
                (name, created, vault_id),
            )

    def remove_vault(self, name: str) -> None:
        """Remove a vault with its jobs and uploads."""
        with self.writing() as rows:
            for (upload,) in rows.execute("SELECT id FROM uploads WHERE vault = ?", (name,)):
                (self.uploads / upload).unlink(missing_ok=True)
            for (job,) in rows.execute(
                "SELECT id FROM jobs WHERE vault = ? AND kind = 'inventory'", (name,)
            ):
                (self.inventories / job).unlink(missing_ok=True)
            rows.execute(
                "DELETE FROM parts WHERE upload IN (SELECT id FROM uploads WHERE vault = ?)",
                (name,),
            )
            rows.execute("DELETE FROM uploads WHERE vault = ?", (name,))
            rows.execute("DELETE FROM jobs WHERE vault = ?", (name,))
            rows.execute("DELETE FROM vaults WHERE name = ?", (name,))

    def take_inventory(self, vault: str, now: float) -> None:
        """Set the counts of a vault to what it held at `now`."""
        with self.writing() as rows:
            rows.execute(
                "UPDATE vaults SET inventoried = ?, (archive_count, byte_count) = ("
                "SELECT count(*), coalesce(sum(size), 0) FROM archives"
                " WHERE vault = vaults.name AND created <= ?"
                " AND (deleted IS NULL OR deleted > ?)) WHERE name = ?",
                (now, now, now, vault),
            )

    # archives

    def archive(self, archive: str) -> Archive | None:
        """Return one archive, deleted or not."""
        row = self._rows.execute("SELECT * FROM archives WHERE id = ?", (archive,)).fetchone()
        return row and Archive(*row)

    def seeded(self, vault: str, seed: str) -> Archive | None:
        """Return the archive that was made from a seeded file."""
        row = self._rows.execute(
            "SELECT * FROM archives WHERE vault = ? AND seed = ?", (vault, seed)
        ).fetchone()
        return row and Archive(*row)

    def holds_archives(self, vault: str) -> bool:
        """Return whether a vault has an archive that is not deleted."""
        row = self._rows.execute(
            "SELECT 1 FROM archives WHERE vault = ? AND deleted IS NULL LIMIT 1", (vault,)
        ).fetchone()
        return row is not None

    def archives_at(
        self, vault: str, now: float, start: float, end: float, marker: str, inclusive: bool
    ) -> Iterator[Archive]:
        """Iterate by id over the archives at `now` that were created from `start` to `end`."""
        rows = self._rows.execute(
            "SELECT * FROM archives WHERE vault = ? AND id >= ? AND (? OR id <> ?)"
            " AND created <= ? AND (deleted IS NULL OR deleted > ?)"
            " AND created BETWEEN ? AND ? ORDER BY id",
            (vault, marker, inclusive, marker, now, now, start, end),
        )
        return (Archive(*row) for row in rows)

    def leaves(self, archive: str) -> list[bytes]:
        """Return the digests of an archive's leaves, as computed when it was uploaded."""
        row = self._rows.execute(
            "SELECT digests FROM leaves WHERE archive = ?", (archive,)
        ).fetchone()
        return self.split_digests(row[0]) if row else []

    def add_archives(self, archives: Iterable[tuple[Archive, Sequence[bytes]]]) -> None:
        """Add archives with the digests of their leaves; their files must be in place."""
        with self.writing() as rows:
            for archive, leaves in archives:
                rows.execute(
                    "INSERT INTO archives VALUES (?, ?, ?, ?, ?, ?, ?, ?)", astuple(archive)
                )
                rows.execute("INSERT INTO leaves VALUES (?, ?)", (archive.id, b"".join(leaves)))

    def remove_archive(self, archive: str, now: float, horizon: float, failure: str) -> None:
        """Mark an archive as deleted, fail its running jobs, delete its bytes if unused.

        Args:
            archive: its id.
            now: the time of the deletion.
            horizon: jobs that completed since then still serve the bytes.
            failure: the status message that the running jobs end with.
        """
        with self.writing() as rows:
            rows.execute("UPDATE archives SET deleted = ? WHERE id = ?", (now, archive))
            rows.execute(
                "UPDATE jobs SET failure = ? WHERE archive = ? AND completed > ?",
                (failure, archive, now),
            )
            served = rows.execute(
                "SELECT 1 FROM jobs WHERE archive = ? AND failure IS NULL AND completed >= ?",
                (archive, horizon),
            ).fetchone()
        if served is None:
            (self.archives / archive).unlink(missing_ok=True)

    def drop_unserved(self, horizon: float) -> None:
        """Delete the bytes of deleted archives that no job completed since `horizon` serves."""
        rows = self._rows.execute(
            "SELECT id FROM archives WHERE deleted IS NOT NULL AND NOT EXISTS (SELECT 1 FROM jobs"
            " WHERE archive = archives.id AND failure IS NULL AND completed >= ?)",
            (horizon,),
        )
        for (archive,) in rows:
            (self.archives / archive).unlink(missing_ok=True)

    # files

    def add_file(self, archive: Archive, leaves: Sequence[bytes], file: Path) -> None:
        """Add an archive whose bytes are in `file`, which is moved."""
        file.rename(self.archives / archive.id)
        self.add_archives([(archive, leaves)])

    def split_digests(self, digests: bytes) -> list[bytes]:
        """Return the digests that are concatenated in `digests`."""
        size = self._rules.tree.digest_size
        return [digests[at : at + size] for at in range(0, len(digests), size)]
