"""Vaults and jobs as rows of the database."""

from dataclasses import dataclass
from typing import NamedTuple

from casfs.model import Job, JobKind, JobState
from casfs.tree.sqlite.values import Value, hash_of, storable
from casfs.tree.times import mtime

PARTLY_CACHED = "partly cached"
"""The state of a job that has succeeded, that the service has dropped, and that has left a part.

A restore may find that part in the cache by it; as a file, its archive cannot be read.
"""


@dataclass(frozen=True, slots=True)
class JobRow:
    """A row of a job: its JSON, its size if that was measured, whether it is still listed."""

    description: str
    size: int | None
    listed: bool


class JobTime(NamedTuple):
    """A row of a job, as far as a listing of files needs it.

    Attributes:
        mtime: nanoseconds since 1970, None where only the description has it.
        listed: whether the service's latest list has it.
        description: its JSON; only if it is not listed, or the mtime is None.
    """

    id: str
    mtime: int | None
    listed: bool
    description: str | None


@dataclass(frozen=True, slots=True)
class VaultRow:
    """A row of a vault: its JSON, and whether it is still listed."""

    description: str
    listed: bool


def job_row(job: Job, generation: int) -> tuple[Value, ...]:
    """Return all columns of a job that was listed or described."""
    time = mtime(job) // 1000
    return (job.vault, job.id, job.raw, generation, time, *archive_columns(job))


def archive_columns(job: Job) -> tuple[Value, ...]:
    """Return kind, state, archive, hash and whole of a job, on which archives depend."""
    serves = job.kind is JobKind.ARCHIVE and job.state is not JobState.FAILED
    archive = job.archive_id if serves else None
    return (
        job.kind.value,
        job.state.value,
        storable(archive),
        None if archive is None else hash_of(job.vault, archive),
        job.whole,
    )
