"""Modification times of jobs and directories, as file systems count time."""

from datetime import UTC, datetime

from casfs.model import Job

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def mtime(job: Job) -> int:
    """Return when a job completed, else when it was created, in nanoseconds since 1970."""
    return nanoseconds(job.completed or job.created)


def nanoseconds(time: datetime | None) -> int:
    """Return a time in nanoseconds since 1970, 0 if it is not known."""
    if time is None:
        return 0
    since = time - _EPOCH
    return (since.days * 86400 + since.seconds) * 10**9 + since.microseconds * 1000
