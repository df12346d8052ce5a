"""The state of one emulator: rows in SQLite, bytes in files, all in one folder.

This layout is an interface: tests edit it while the server runs, since every request reads it anew.

    ROOT/state.sqlite               the tables below, in WAL mode
    ROOT/archives/<archive-id>      the bytes of an archive, for as long as a job may serve them
    ROOT/inventories/<job-id>       the output of a complete inventory job
    ROOT/uploads/<upload-id>        the parts of a multipart upload, each at its place
    ROOT/incoming/                  bodies being received; emptied at each start

Tables (times are Unix seconds, digests raw bytes; `records` has a dataclass with the same columns in
the same order for each, where the columns are described):

    vaults    name, created, inventoried, archive_count, byte_count
    archives  id, vault, description, size, created, tree_hash, deleted, seed
    leaves    archive, digests                 32 bytes for each MiB, from the time of the upload
    jobs      id, vault, kind, created, completed, failure, archive, first, last, tree_hash, tier,
              description, callback, bucket, object, format, start, end, item_limit, marker,
              output_size, continuation
    uploads   id, vault, description, part_size, created
    parts     upload, first, last, tree_hash, leaves

To let a job expire, set `jobs.completed` to a time long ago; to let it run on, to a time to come. To
make a byte that is always wrong, change it in `archives/<archive-id>`: hashes come from `leaves`.
"""

import os
import secrets
import shutil
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import astuple
from pathlib import Path

from casfs.emulator.records import Archive, Job, Part, Upload, Vault

DIGEST_SIZE = 32
"""Bytes of a SHA-256 digest."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS vaults (
    name TEXT PRIMARY KEY, created REAL NOT NULL,
    inventoried REAL, archive_count INTEGER, byte_count INTEGER);
CREATE TABLE IF NOT EXISTS archives (
    id TEXT PRIMARY KEY, vault TEXT NOT NULL, description TEXT, size INTEGER NOT NULL,
    created REAL NOT NULL, tree_hash BLOB NOT NULL, deleted REAL, seed TEXT);
CREATE INDEX IF NOT EXISTS archives_by_vault ON archives (vault, id);
CREATE UNIQUE INDEX IF NOT EXISTS archives_by_seed ON archives (vault, seed) WHERE seed NOT NULL;
CREATE TABLE IF NOT EXISTS leaves (archive TEXT PRIMARY KEY, digests BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS jobs (
    id TEXT PRIMARY KEY, vault TEXT NOT NULL, kind TEXT NOT NULL, created REAL NOT NULL,
    completed REAL NOT NULL, failure TEXT, archive TEXT, first INTEGER, last INTEGER,
    tree_hash BLOB, tier TEXT, description TEXT NOT NULL, callback TEXT, bucket TEXT, object TEXT,
    format TEXT, start REAL, end REAL, item_limit INTEGER NOT NULL, marker TEXT,
    output_size INTEGER, continuation TEXT);
CREATE INDEX IF NOT EXISTS jobs_by_vault ON jobs (vault, id);
CREATE INDEX IF NOT EXISTS jobs_by_archive ON jobs (archive);
CREATE INDEX IF NOT EXISTS inventories_to_write ON jobs (vault, completed)
    WHERE kind = 'inventory' AND output_size IS NULL AND failure IS NULL;
CREATE TABLE IF NOT EXISTS uploads (
    id TEXT PRIMARY KEY, vault TEXT NOT NULL, description TEXT, part_size INTEGER NOT NULL,
    created REAL NOT NULL);
CREATE INDEX IF NOT EXISTS uploads_by_vault ON uploads (vault, id);
CREATE TABLE IF NOT EXISTS parts (
    upload TEXT NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL,
    tree_hash BLOB NOT NULL, leaves BLOB NOT NULL, PRIMARY KEY (upload, first));
"""


def new_id(length: int) -> str:
    """Return a fresh id of `length` characters of the base64url alphabet, a multiple of 4.

    Ids of the service are opaque and may begin with `-` (official Python SDK, change log). One in
    eight does here, so that no tool gets by without meeting one.
    """
    text = secrets.token_urlsafe(length * 3 // 4)
    return text if secrets.randbelow(8) else "-" + text[1:]


class Store:
    """The rows and the files; used by one thread at a time.

    Args:
        root: the folder of all state, made when it is not there.
    """

    def __init__(self, root: Path) -> None:
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
        self._rows.executescript(_SCHEMA)

    def close(self) -> None:
        """Let go of the database."""
        self._rows.close()

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

    def vault(self, name: str) -> Vault | None:
        """Return one vault."""
        row = self._rows.execute("SELECT * FROM vaults WHERE name = ?", (name,)).fetchone()
        return row and Vault(*row)

    def vault_count(self) -> int:
        """Return how many vaults there are."""
        count: int = self._rows.execute("SELECT count(*) FROM vaults").fetchone()[0]
        return count

    def vaults(self, marker: str, inclusive: bool, limit: int) -> list[Vault]:
        """Return up to `limit` vaults by name, from `marker` on (or behind it)."""
        rows = self._rows.execute(
            "SELECT * FROM vaults WHERE name >= ? AND (? OR name <> ?) ORDER BY name LIMIT ?",
            (marker, inclusive, marker, limit),
        )
        return [Vault(*row) for row in rows]

    def add_vault(self, vault: Vault) -> None:
        """Add a vault; one of that name stays as it is."""
        with self.writing() as rows:
            rows.execute("INSERT OR IGNORE INTO vaults VALUES (?, ?, ?, ?, ?)", astuple(vault))

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
        """Set the counts of a vault to what it holds now."""
        with self.writing() as rows:
            rows.execute(
                "UPDATE vaults SET inventoried = ?, (archive_count, byte_count) = ("
                "SELECT count(*), coalesce(sum(size), 0) FROM archives"
                " WHERE vault = vaults.name AND deleted IS NULL) WHERE name = ?",
                (now, vault),
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
        return split_digests(row[0]) if row else []

    def add_archives(self, archives: Iterable[tuple[Archive, Sequence[bytes]]]) -> None:
        """Add archives, each with the digests of its leaves; their files are in place already."""
        with self.writing() as rows:
            for archive, leaves in archives:
                rows.execute(
                    "INSERT INTO archives VALUES (?, ?, ?, ?, ?, ?, ?, ?)", astuple(archive)
                )
                rows.execute("INSERT INTO leaves VALUES (?, ?)", (archive.id, b"".join(leaves)))

    def remove_archive(self, archive: str, now: float, horizon: float, failure: str) -> None:
        """Mark an archive deleted, fail its running jobs, and drop its bytes if nothing serves them.

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
                " (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
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

    # multipart uploads

    def upload(self, vault: str, upload: str, since: float) -> Upload | None:
        """Return an upload of a vault that was begun at `since` or later."""
        row = self._rows.execute(
            "SELECT * FROM uploads WHERE vault = ? AND id = ? AND created >= ?",
            (vault, upload, since),
        ).fetchone()
        return row and Upload(*row)

    def open_uploads(
        self, vault: str, since: float, marker: str, inclusive: bool, limit: int
    ) -> list[Upload]:
        """Return up to `limit` uploads by id, from `marker` on (or behind it)."""
        rows = self._rows.execute(
            "SELECT * FROM uploads WHERE vault = ? AND id >= ? AND (? OR id <> ?) AND created >= ?"
            " ORDER BY id LIMIT ?",
            (vault, marker, inclusive, marker, since, limit),
        )
        return [Upload(*row) for row in rows]

    def add_upload(self, upload: Upload) -> None:
        """Begin a multipart upload."""
        with self.writing() as rows:
            rows.execute("INSERT INTO uploads VALUES (?, ?, ?, ?, ?)", astuple(upload))
        (self.uploads / upload.id).touch()

    def remove_upload(self, upload: str) -> None:
        """Forget a multipart upload, its parts and what is left of its file."""
        with self.writing() as rows:
            rows.execute("DELETE FROM parts WHERE upload = ?", (upload,))
            rows.execute("DELETE FROM uploads WHERE id = ?", (upload,))
        (self.uploads / upload).unlink(missing_ok=True)

    def parts(self, upload: str, first: int = 0, limit: int = -1) -> list[Part]:
        """Return the parts of an upload that begin at offset `first` or later; -1 = all."""
        rows = self._rows.execute(
            "SELECT * FROM parts WHERE upload = ? AND first >= ? ORDER BY first LIMIT ?",
            (upload, first, limit),
        )
        return [Part(*row) for row in rows]

    def set_part(self, part: Part, file: Path) -> None:
        """Put the bytes of `file` where the part belongs; an earlier one there is overwritten."""
        with file.open("rb") as source, (self.uploads / part.upload).open("r+b") as target:
            left, place = part.last - part.first + 1, part.first
            while left:
                copied = os.copy_file_range(
                    source.fileno(), target.fileno(), left, offset_dst=place
                )
                if not copied:
                    raise OSError(f"{file} ends {left} bytes early")
                left, place = left - copied, place + copied
        with self.writing() as rows:
            rows.execute("INSERT OR REPLACE INTO parts VALUES (?, ?, ?, ?, ?)", astuple(part))

    # files

    def keep(self, archive: Archive, leaves: Sequence[bytes], file: Path) -> None:
        """Make `file` the bytes of a new archive; the file moves."""
        file.rename(self.archives / archive.id)
        self.add_archives([(archive, leaves)])


def split_digests(digests: bytes) -> list[bytes]:
    """Return the single digests of a row of them."""
    return [digests[at : at + DIGEST_SIZE] for at in range(0, len(digests), DIGEST_SIZE)]
