"""The rows of jobs."""

from collections.abc import Iterable
from dataclasses import astuple

from casfs.emulator.engine.database import Database
from casfs.emulator.engine.records import Job


class JobTable:
    """The table `jobs`.

    Args:
        database: holds the table.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, vault: str, job: str) -> Job | None:
        """Return one job of a vault."""
        row = self._database.rows.execute(
            "SELECT * FROM jobs WHERE vault = ? AND id = ?", (vault, job)
        ).fetchone()
        return row and Job(*row)

    def page(  # noqa: PLR0913 (the filters of a listing)
        self,
        vault: str,
        now: float,
        horizon: float,
        shown: float,
        marker: str,
        inclusive: bool,
        limit: int,
        done: bool | None = None,
        failed: bool | None = None,
    ) -> list[Job]:
        """Return up to `limit` jobs in the order of their ids, starting at or after `marker`.

        Args:
            vault: its name.
            now: jobs whose `completed` is later are still running.
            horizon: jobs that completed earlier have expired and are left out.
            shown: jobs that were created later are left out.
            marker: the id to start at.
            inclusive: whether the job `marker` itself is included.
            limit: the maximum number of jobs to return.
            done: include only jobs that are (not) complete; None = both.
            failed: include only jobs that do (not) fail; None = both.
        """
        rows = self._database.rows.execute(
            "SELECT * FROM jobs WHERE vault = ? AND id >= ? AND (? OR id <> ?) AND completed >= ?"
            " AND created <= ? AND (? IS NULL OR (completed <= ?) = ?)"
            " AND (? IS NULL OR (failure NOT NULL) = ?)"
            " ORDER BY id LIMIT ?",
            (
                vault,
                marker,
                inclusive,
                marker,
                horizon,
                shown,
                done,
                now,
                done,
                failed,
                failed,
                limit,
            ),
        )
        return [Job(*row) for row in rows]

    def add(self, jobs: Iterable[Job]) -> None:
        """Add any number of jobs in one transaction."""
        with self._database.writing() as rows:
            rows.executemany(
                "INSERT INTO jobs VALUES"
                " (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (astuple(job) for job in jobs),
            )

    def running(self, tier: str, now: float) -> tuple[int, int]:
        """Return how many retrievals of a tier are running, and how many bytes they retrieve."""
        found: tuple[int, int] = self._database.rows.execute(
            "SELECT count(*), coalesce(sum(last - first + 1), 0) FROM jobs"
            " WHERE kind = 'archive' AND tier = ? AND completed > ?",
            (tier, now),
        ).fetchone()
        return found

    def requested(self, tier: str, since: float) -> int:
        """Return the bytes of the retrievals of a tier that were requested since a time."""
        (found,) = self._database.rows.execute(
            "SELECT coalesce(sum(last - first + 1), 0) FROM jobs"
            " WHERE kind = 'archive' AND tier = ? AND created >= ?",
            (tier, since),
        ).fetchone()
        return int(found)

    def to_notify(self, since: float, until: float) -> list[Job]:
        """Return the jobs that completed after `since`, and not after `until`, with a URL."""
        rows = self._database.rows.execute(
            "SELECT * FROM jobs WHERE callback NOT NULL AND completed > ? AND completed <= ?"
            " AND callback LIKE 'http%' ORDER BY completed",
            (since, until),
        )
        return [Job(*row) for row in rows]

    def is_served(self, archive: str, horizon: float) -> bool:
        """Return whether a job for the whole archive has completed since `horizon`."""
        row = self._database.rows.execute(
            "SELECT 1 FROM jobs JOIN archives ON archives.id = jobs.archive WHERE archive = ?"
            " AND failure IS NULL AND completed >= ? AND first = 0 AND last = size - 1 LIMIT 1",
            (archive, horizon),
        ).fetchone()
        return row is not None

    def inventories_to_write(self, vault: str, now: float) -> list[Job]:
        """Return the completed inventory jobs whose output has not been written."""
        rows = self._database.rows.execute(
            "SELECT * FROM jobs WHERE vault = ? AND completed <= ? AND kind = 'inventory'"
            " AND output_size IS NULL AND failure IS NULL",
            (vault, now),
        )
        return [Job(*row) for row in rows]

    def set_inventory(self, job: str, output_size: int, continuation: str | None) -> None:
        """Record the size of an inventory job's output, and the marker of the next inventory."""
        with self._database.writing() as rows:
            rows.execute(
                "UPDATE jobs SET output_size = ?, continuation = ? WHERE id = ?",
                (output_size, continuation, job),
            )
