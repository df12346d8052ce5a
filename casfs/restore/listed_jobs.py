"""The jobs that a service lists, as far as they may bring what is wanted."""

import hashlib
import json
import re
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from casfs.ledger.request import (
    TO_THE_END,
    Request,
    covers,
    to_column,
    to_microseconds,
    to_text,
    to_time,
)
from casfs.model import Job, JobKind, JobState

ASSUMED_RATE = 10 << 20
"""Bytes per second that are fetched, where nothing else is known."""
_FOR_ANY = timedelta(minutes=1)
"""Time that fetching the smallest archive takes."""
_FOR_LARGEST = timedelta(hours=12)
"""An archive that takes longer than an output lives is fetched by several jobs, one after the
other: one of them is worth half of its life."""
_TOKEN = re.compile(r"casfs-[0-9a-f]{16}")


class JobFacts(NamedTuple):
    """A job; times are UTC, None is unknown.

    Attributes:
        archive: what it retrieves, None if that is not an archive.
        first: first byte of it.
        last: last byte, or `TO_THE_END`.
        expires: when the service drops the output.
        token: of the request that started it, if casfs did.
        ready: by when it is done, if it takes as long as usual.
        reason: why it failed.
    """

    id: str
    kind: JobKind
    state: JobState
    archive: str | None
    first: int
    last: int
    created: datetime | None
    expires: datetime | None
    token: str | None
    ready: datetime | None
    reason: str

    def covers(self, first: int, last: int, size: int | None) -> bool:
        """Return whether it brings a range of its archive, as `covers` does."""
        return covers((self.first, self.last), first, last, size)


def facts_of(job: Job) -> JobFacts:
    """Return the facts of a job."""
    described = json.loads(job.raw)
    failed = job.state is JobState.FAILED
    found = _TOKEN.search(job.description)
    whole = job.whole or (job.size is None and job.archive_size is None and job.first_byte == 0)
    last = TO_THE_END if whole else job.first_byte + (job.size or 0) - 1
    return JobFacts(
        job.id,
        job.kind,
        job.state,
        job.archive_id if job.kind is JobKind.ARCHIVE else None,
        job.first_byte,
        last,
        job.created,
        job.expires if job.state is JobState.SUCCEEDED else None,
        found[0] if found else None,
        job.ready,
        str(described.get("StatusMessage") or "the service gives no reason") if failed else "",
    )


@dataclass(frozen=True, slots=True)
class Fetching:
    """How fast outputs can be fetched.

    Attributes:
        rate: bytes per second.
        now: UTC.
    """

    rate: float
    now: datetime

    def suffices(self, expires: datetime | None, size: int | None) -> bool:
        """Return whether there is time enough to fetch `size` bytes of what expires at a time."""
        if expires is None:
            return True
        needed = _FOR_ANY + timedelta(seconds=min(1e7, (size or 0) / self.rate))
        return expires - self.now >= min(needed, _FOR_LARGEST)


class ListedJobs:
    """A complete list of a vault's jobs.

    Half a million take no memory: they are in a temporary file.

    Args:
        jobs: all of them.
    """

    def __init__(self, jobs: Iterable[Job] = ()) -> None:
        self._jobs = sqlite3.connect("", check_same_thread=False, isolation_level=None)
        self._jobs.execute(_TABLE)
        self._jobs.execute("BEGIN")
        self._new: list[tuple[Any, ...]] = []
        self._count: int | None = 0
        self._hints = bytearray(_HINTS)
        """1 for each archive that may have a job: most archives of a vault have none."""
        for job in jobs:
            self.add(job)

    def __del__(self) -> None:
        self._jobs.close()

    def __len__(self) -> int:
        """Return how many there are."""
        self._settle()
        return self._count or 0

    def __contains__(self, job_id: str) -> bool:
        """Return whether there is a job with this id."""
        return self.get(job_id) is not None

    def add(self, job: Job) -> None:
        """Add a job, unless it was added before."""
        facts = facts_of(job)
        archive = None if facts.state is JobState.FAILED else facts.archive
        of_archive = _key(archive)
        keys = (_key(facts.id), _key(facts.token), of_archive)
        if of_archive is not None:
            self._hints[of_archive % _HINTS] = 1
        self._new.append((*keys, *_row(facts)))
        self._count = None
        if len(self._new) >= _AT_ONCE:
            self._write()

    def get(self, job_id: str) -> JobFacts | None:
        """Return the job with an id, None if there is none."""
        found = self._find("id_key", job_id)
        return next((job for job in found if job.id == job_id), None)

    def of_request(self, request: Request) -> JobFacts | None:
        """Return the job with the token of a request, if it brings what was requested."""
        for job in self._find("token_key", request.token):
            if job.token != request.token:
                continue
            if request.kind != "archive":
                if job.kind is JobKind.INVENTORY:
                    return job
            elif job.archive == request.archive and job.covers(
                request.first, request.last, request.size
            ):
                return job
        return None

    def adoptable(
        self, archive: str, first: int, last: int, size: int | None, fetching: Fetching
    ) -> JobFacts | None:
        """Return a job that brings a range of an archive, whoever started it.

        It is readable, and for long enough to be fetched, or it is running.
        """
        running = None
        best: JobFacts | None = None
        if not self._hints[(_key(archive) or 0) % _HINTS]:
            return None
        for job in self._find("archive_key", archive):
            if job.archive != archive or not job.covers(first, last, size):
                continue
            if job.state is JobState.RUNNING:
                if running is None or _starts_before(job, running):
                    running = job
            elif fetching.suffices(job.expires, size) and (
                best is None or _expires_after(job, best)
            ):
                best = job
        return best or running

    def _find(self, column: str, text: str) -> list[JobFacts]:
        """Return the jobs with the hash of a text, in the order in which they came."""
        self._settle()
        if not self._count:
            return []
        query = f"SELECT {_COLUMNS} FROM jobs WHERE {column} = ? ORDER BY number"  # noqa: S608
        return [_facts(row) for row in self._jobs.execute(query, (_key(text),))]

    def _write(self) -> None:
        marks = ", ".join("?" * (3 + len(JobFacts._fields)))
        statement = f"INSERT INTO jobs ({_KEYS}, {_COLUMNS}) VALUES ({marks})"  # noqa: S608
        self._jobs.executemany(statement, self._new)
        self._new.clear()

    def _settle(self) -> None:
        """Find jobs by their keys from now on; of one that was added twice, the first counts."""
        if self._count is not None:
            return
        self._write()
        for statement in _SETTLE:
            self._jobs.execute(statement)
        self._count = int(self._jobs.execute("SELECT count(*) FROM jobs").fetchone()[0])


_AT_ONCE = 1000
_HINTS = 1 << 21
_LARGEST = (1 << 63) - 1
"""Of a column; a service may state more."""
_KEYS = "id_key, token_key, archive_key"
_COLUMNS = ", ".join(JobFacts._fields)
_TABLE = f"CREATE TABLE jobs (number INTEGER PRIMARY KEY, {_KEYS}, {_COLUMNS})"
_SETTLE = (
    *(
        f"CREATE INDEX IF NOT EXISTS by_{column} ON jobs ({column}, number)"
        for column in ("id_key", "token_key", "archive_key")
    ),
    """DELETE FROM jobs WHERE number IN (SELECT later.number FROM jobs AS later
        JOIN jobs AS one ON one.id_key = later.id_key AND one.number < later.number
        WHERE one.id = later.id)""",
)
"""Sorting all jobs once is much faster than keeping indexes of ids, which are in no order."""


def _key(text: str | None) -> int | None:
    if text is None:
        return None
    digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, signed=True)


def _row(facts: JobFacts) -> tuple[Any, ...]:
    texts = (facts.id, facts.archive, facts.token, facts.reason)
    id_, archive, token, reason = (None if text is None else to_column(text) for text in texts)
    created, expires, ready = (
        None if at is None else to_microseconds(at)
        for at in (facts.created, facts.expires, facts.ready)
    )
    return (
        *(id_, facts.kind.value, facts.state.value, archive),
        *(min(facts.first, _LARGEST), min(facts.last, _LARGEST)),
        *(created, expires, token, ready, reason),
    )


def _facts(row: Sequence[Any]) -> JobFacts:
    id_, kind, state, archive, first, last, created, expires, token, ready, reason = row
    return JobFacts(
        to_text(id_),
        JobKind(kind),
        JobState(state),
        None if archive is None else to_text(archive),
        first,
        last,
        None if created is None else to_time(created),
        None if expires is None else to_time(expires),
        None if token is None else to_text(token),
        None if ready is None else to_time(ready),
        to_text(reason),
    )


def _starts_before(one: JobFacts, other: JobFacts) -> bool:
    return one.created is not None and (other.created is None or one.created < other.created)


def _expires_after(one: JobFacts, other: JobFacts) -> bool:
    if other.expires is None:
        return False
    return one.expires is None or one.expires > other.expires
