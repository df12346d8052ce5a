"""A job as a row of the database."""

from casfs.model import Job, JobKind, JobState
from casfs.tree.sqlite.values import Value, hash_of, storable
from casfs.tree.times import mtime


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
