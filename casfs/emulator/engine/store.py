"""The rows and files of one emulator; `schema` has the layout."""

import shutil
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import astuple
from pathlib import Path

from casfs.emulator.engine import schema
from casfs.emulator.engine.records import Archive, Job, Vault
from casfs.emulator.engine.rules import Rules


class Store:
    """The rows and the files; used by one thread at a time.

    Args:
        root: the folder of all state, made when it is not there.
        rules: what the service fixes whose state it is.

    Raises:
        OSError: the folder has the state of another service or of another version of casfs.
    """

    def __init__(self, root: Path, rules: Rules) -> None:
        self._rules = rules
        self.archives, self.inventories, self.uploads, self.incoming = (
            root / name for name in ("archives", "inventories", "uploads", "incoming")
        )
        shutil.rmtree(self.incoming, ignore_errors=True)
        for folder in (self.archives, self.inventories, self.uploads, self.incoming):
            folder.mkdir(parents=True, exist_ok=True)
        self._rows = sqlite3.connect(
            root / "state.sqlite", timeout=60, isolation_level=None, check_same_thread=False
        )
        self._rows.execute("PRAGMA journal_mode=WAL")
        self._rows.execute("PRAGMA synchronous=NORMAL")
        try:
            schema.prepare(self._rows, rules.service)
        except OSError as error:
            self._rows.close()
            raise OSError(f"{root} {error}: use another folder") from error

    def close(self) -> None:
        """Let go of the database."""
        self._rows.close()

    @property
    def rows(self) -> sqlite3.Connection:
        """The database, to read from."""
        return self._rows

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """Make all that is written inside happen at once or, after an exception, not at all."""
        if self._rows.in_transaction:
            yield self._rows
            return
        self._rows.execute("BEGIN IMMEDIATE")
        try:
            yield self._rows
        except BaseException:
            self._rows.execute("ROLLBACK")
            raise
        self._rows.execute("COMMIT")

    # vaults

    def vault_at(self, address: str) -> Vault | None:
        """Return the vault that calls name by `address`."""
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
        """Return up to `limit` own vaults by address, from `marker` on (or behind it)."""
        rows = self._rows.execute(
            "SELECT * FROM vaults WHERE owner IS NULL AND coalesce(id, name) >= ?"
            " AND (? OR coalesce(id, name) <> ?) ORDER BY coalesce(id, name) LIMIT ?",
            (marker, inclusive, marker, limit),
        )
        return [Vault(*row) for row in rows]

    def add_vault(self, name: str, created: float) -> None:
        """Add a vault without archives; one of that name stays as it is."""
        length = self._rules.vault_id_length
        vault_id = None if length is None else self._rules.new_id(length)
        with self.writing() as rows:
            rows.execute(
                "INSERT OR IGNORE INTO vaults (name, created, id) VALUES (?, ?, ?)",
                (name, created, vault_id),
            )

    def remove_vault(self, name: str) -> None:
        """Forget a vault and its jobs and uploads."""
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
        """Set the counts of a vault to what it held at the time `now`."""
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
        """Return the archive that was made of a seeded file."""
        row = self._rows.execute(
            "SELECT * FROM archives WHERE vault = ? AND seed = ?", (vault, seed)
        ).fetchone()
        return row and Archive(*row)

    def holds_archives(self, vault: str) -> bool:
        """Say whether a vault has an archive that is not deleted."""
        row = self._rows.execute(
            "SELECT 1 FROM archives WHERE vault = ? AND deleted IS NULL LIMIT 1", (vault,)
        ).fetchone()
        return row is not None

    def archives_at(
        self, vault: str, now: float, start: float, end: float, marker: str, inclusive: bool
    ) -> Iterator[Archive]:
        """Iterate by id over what a vault held at `now` and got from `start` to `end`."""
        rows = self._rows.execute(
            "SELECT * FROM archives WHERE vault = ? AND id >= ? AND (? OR id <> ?)"
            " AND created <= ? AND (deleted IS NULL OR deleted > ?)"
            " AND created BETWEEN ? AND ? ORDER BY id",
            (vault, marker, inclusive, marker, now, now, start, end),
        )
        return (Archive(*row) for row in rows)

    def leaves(self, archive: str) -> list[bytes]:
        """Return the digests of an archive's leaves, as they were when it was uploaded."""
        row = self._rows.execute(
            "SELECT digests FROM leaves WHERE archive = ?", (archive,)
        ).fetchone()
        return self.split_digests(row[0]) if row else []

    def add_archives(self, archives: Iterable[tuple[Archive, Sequence[bytes]]]) -> None:
        """Add archives, each with the digests of its leaves; their files are in place already."""
        with self.writing() as rows:
            for archive, leaves in archives:
                rows.execute(
                    "INSERT INTO archives VALUES (?, ?, ?, ?, ?, ?, ?, ?)", astuple(archive)
                )
                rows.execute("INSERT INTO leaves VALUES (?, ?)", (archive.id, b"".join(leaves)))

    def remove_archive(self, archive: str, now: float, horizon: float, failure: str) -> None:
        """Mark an archive deleted, fail its running jobs, drop its bytes if nothing serves them.

        Args:
            archive: its id.
            now: the time of the deletion.
            horizon: jobs complete since then still serve the bytes.
            failure: what the running jobs say at their end.
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
        """Drop the bytes of deleted archives that no job complete since `horizon` serves."""
        rows = self._rows.execute(
            "SELECT id FROM archives WHERE deleted IS NOT NULL AND NOT EXISTS (SELECT 1 FROM jobs"
            " WHERE archive = archives.id AND failure IS NULL AND completed >= ?)",
            (horizon,),
        )
        for (archive,) in rows:
            (self.archives / archive).unlink(missing_ok=True)

    # jobs

    def job(self, vault: str, job: str) -> Job | None:
        """Return one job of a vault."""
        row = self._rows.execute(
            "SELECT * FROM jobs WHERE vault = ? AND id = ?", (vault, job)
        ).fetchone()
        return row and Job(*row)

    def jobs(
        self,
        vault: str,
        now: float,
        horizon: float,
        marker: str,
        inclusive: bool,
        limit: int,
        done: bool | None = None,
        failed: bool | None = None,
    ) -> list[Job]:
        """Return up to `limit` jobs by id, from `marker` on (or behind it).

        Args:
            vault: its name.
            now: jobs with a later `completed` are running.
            horizon: jobs complete before it are left out.
            marker: the id to begin at.
            inclusive: whether the job `marker` itself belongs to the answer.
            limit: the most jobs to return.
            done: only jobs that are (not) complete.
            failed: only jobs that do (not) fail.
        """
        rows = self._rows.execute(
            "SELECT * FROM jobs WHERE vault = ? AND id >= ? AND (? OR id <> ?) AND completed >= ?"
            " AND (? IS NULL OR (completed <= ?) = ?) AND (? IS NULL OR (failure NOT NULL) = ?)"
            " ORDER BY id LIMIT ?",
            (vault, marker, inclusive, marker, horizon, done, now, done, failed, failed, limit),
        )
        return [Job(*row) for row in rows]

    def add_jobs(self, jobs: Iterable[Job]) -> None:
        """Add jobs, as many as you like in one transaction."""
        with self.writing() as rows:
            rows.executemany(
                "INSERT INTO jobs VALUES"
                " (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (astuple(job) for job in jobs),
            )

    def is_served(self, archive: str, horizon: float) -> bool:
        """Say whether a job for the whole archive, complete since `horizon`, can be read."""
        row = self._rows.execute(
            "SELECT 1 FROM jobs JOIN archives ON archives.id = jobs.archive WHERE archive = ?"
            " AND failure IS NULL AND completed >= ? AND first = 0 AND last = size - 1 LIMIT 1",
            (archive, horizon),
        ).fetchone()
        return row is not None

    def inventories_to_write(self, vault: str, now: float) -> list[Job]:
        """Return the inventory jobs that are complete and have no output yet."""
        rows = self._rows.execute(
            "SELECT * FROM jobs WHERE vault = ? AND completed <= ? AND kind = 'inventory'"
            " AND output_size IS NULL AND failure IS NULL",
            (vault, now),
        )
        return [Job(*row) for row in rows]

    def set_inventory(self, job: str, output_size: int, continuation: str | None) -> None:
        """Note the output of an inventory job."""
        with self.writing() as rows:
            rows.execute(
                "UPDATE jobs SET output_size = ?, continuation = ? WHERE id = ?",
                (output_size, continuation, job),
            )

    # files

    def keep(self, archive: Archive, leaves: Sequence[bytes], file: Path) -> None:
        """Make `file` the bytes of a new archive; the file moves."""
        file.rename(self.archives / archive.id)
        self.add_archives([(archive, leaves)])

    def split_digests(self, digests: bytes) -> list[bytes]:
        """Return the single digests of a row of them."""
        size = self._rules.tree.digest_size
        return [digests[at : at + size] for at in range(0, len(digests), size)]
