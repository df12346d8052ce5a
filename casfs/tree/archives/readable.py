"""Which archives can be read now: derived from jobs, for those whose jobs changed."""

import json
import sqlite3
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from casfs.model import Job, JobState
from casfs.tree.archives.directory_rows import DirectoryRows, settle_directories
from casfs.tree.metadata.job_columns import archive_columns
from casfs.tree.sqlite.database import Database
from casfs.tree.sqlite.schema import JOB_TIME, UNKNOWN_TIME
from casfs.tree.sqlite.values import NO_TIME, Value, size_or_none
from casfs.tree.tree_tuning import TUNING

Parse = Callable[[str, str], Job]
"""Parses a job from its vault's name and its description, as `Service.parse_job` does."""


@dataclass(frozen=True, slots=True)
class _JobOfArchive:
    """A job that is running or succeeded, as far as its archive is concerned."""

    vault: str
    description: str
    state: str
    archive: str | bytes
    whole: int


class Readable:
    """Maintains `readable` of archives, and the archives that are known from jobs alone.

    Args:
        database: stores it.
        parse: parses jobs from their descriptions.
        covers: returns whether succeeded jobs, all for one archive, cover all of it together.
    """

    def __init__(
        self, database: Database, parse: Parse, covers: Callable[[Sequence[Job]], bool]
    ) -> None:
        self._database = database
        self._parse = parse
        self._covers = covers

    def refresh(self, step: Callable[[], None] = lambda: None) -> None:
        """Apply what changed with jobs; costs next to nothing if nothing did.

        Args:
            step: is called between transactions; see `TimeShare`.

        Raises:
            CasfsError: the catalog cannot be written.
        """
        self._complete()
        while self._database.rows("SELECT 1 FROM changed LIMIT 1"):
            with self._database.transaction() as connection:
                changed = connection.execute(
                    "SELECT hash FROM changed LIMIT ?", (TUNING.query_rows,)
                )
                self._settle(connection, [hash_ for (hash_,) in changed])
                settle_directories(connection)
            step()

    def _complete(self) -> None:
        """Fill in the columns of jobs that an earlier version of casfs cataloged."""
        while rows := self._database.rows(_UNPARSED, TUNING.query_rows):
            values = [
                (*archive_columns(self._parse(vault, description)), vault, job)
                for vault, job, description in rows
            ]
            with self._database.transaction() as connection:
                connection.executemany(_COMPLETE, values)

    def _settle(self, connection: sqlite3.Connection, hashes: list[int]) -> None:
        among = (json.dumps(hashes),)
        jobs: defaultdict[int, list[_JobOfArchive]] = defaultdict(list)
        for hash_, *facts in connection.execute(_JOBS, among):
            jobs[hash_].append(_JobOfArchive(*facts))
        known = {hash_ for (hash_,) in connection.execute(_KNOWN, among)}
        new = [self._row(connection, hash_, jobs[hash_][0]) for hash_ in jobs if hash_ not in known]
        connection.executemany(_PUT, new)
        states = [(self._is_readable(jobs.get(hash_, [])), hash_) for hash_ in hashes]
        connection.executemany(_SET, states)
        gone = [(hash_,) for hash_ in known if hash_ not in jobs]
        connection.executemany("DELETE FROM archives WHERE hash = ? AND listed = 0", gone)
        connection.executemany("DELETE FROM changed WHERE hash = ?", ((one,) for one in hashes))

    def _is_readable(self, jobs: list[_JobOfArchive]) -> bool:
        succeeded = [job for job in jobs if job.state == JobState.SUCCEEDED.value]
        if any(job.whole for job in succeeded):
            return True
        # A single range is not enough.
        return len(succeeded) > 1 and self._covers(
            [self._parse(job.vault, job.description) for job in succeeded]
        )

    def _row(
        self, connection: sqlite3.Connection, hash_: int, job_of_archive: _JobOfArchive
    ) -> tuple[Value, ...]:
        job = self._parse(job_of_archive.vault, job_of_archive.description)
        tree_hash = job.tree_hash.hex() if job_of_archive.whole and job.tree_hash else None
        size = size_or_none(job.archive_size)
        vault = DirectoryRows(connection, job_of_archive.vault).vault
        return (hash_, vault, job_of_archive.archive, NO_TIME, size, tree_hash, "", 0, 0)


_UNPARSED = "SELECT vault, id, description FROM jobs WHERE state IS NULL LIMIT ?"
# A concurrent listing may have filled them in.
_COMPLETE = """UPDATE jobs SET kind = ?, state = ?, archive = ?, hash = ?, whole = ?
    WHERE vault = ? AND id = ? AND state IS NULL"""
_JOBS = """SELECT hash, vault, description, state, archive, whole FROM jobs
    WHERE hash IN (SELECT value FROM json_each(?))"""
_KNOWN = "SELECT hash FROM archives WHERE hash IN (SELECT value FROM json_each(?))"
_PUT = """INSERT INTO archives
    (hash, vault, id, created, size, tree_hash, rule, flags, listed)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"""
_SET = f"""UPDATE archives SET readable = ?1,
    mtime = CASE WHEN ?1 AND {UNKNOWN_TIME} THEN {JOB_TIME} ELSE mtime END
    WHERE hash = ?2 AND readable <> ?1"""  # noqa: S608 - constants
