"""Jobs as ranges of an archive: which of them fit it, and which reaches furthest."""

from collections.abc import Iterable
from datetime import UTC, datetime

from casfs.blocks.verify import Digest
from casfs.model import Job, JobKind
from casfs.ranges import BLOCK_SIZE


def fits(job: Job, archive_size: int) -> bool:
    """Return whether a job brought whole MiB of an archive of a size, or what is at its end."""
    stop = stop_of(job)
    return (
        job.readable
        and job.kind is JobKind.ARCHIVE
        and job.archive_id is not None
        and job.archive_size in (archive_size, None)
        and job.first_byte % BLOCK_SIZE == 0
        and job.first_byte < stop <= archive_size
        and (stop % BLOCK_SIZE == 0 or stop == archive_size)
    )


def stop_of(job: Job) -> int:
    """Return the first byte of the archive behind those that a job covers."""
    return job.first_byte + (job.size or 0)


def stated_hashes(job: Job, archive_size: int) -> set[Digest]:
    """Return the hashes that a job states for its whole archive: two if it contradicts itself."""
    stated = {job.archive_tree_hash, job.tree_hash if job.size == archive_size else None}
    return {digest for digest in stated if digest is not None}


def agreeing(jobs: Iterable[Job], archive_size: int, tree_hash: Digest | None) -> list[Job]:
    """Return the jobs that fit an archive, and state no other hash for it."""
    return [
        job
        for job in jobs
        if fits(job, archive_size) and stated_hashes(job, archive_size) <= {tree_hash}
    ]


class Furthest:
    """Of some jobs, the one that reaches furthest from a byte on; asked in ascending order.

    Args:
        jobs: those that fit an archive.
    """

    def __init__(self, jobs: Iterable[Job]) -> None:
        self._waiting = sorted(jobs, key=lambda job: job.first_byte, reverse=True)
        self._best: Job | None = None

    def at(self, byte: int) -> Job | None:
        """Return the job that covers a byte and reaches furthest, None if none covers it.

        Of jobs that reach equally far it is the one that expires last.
        """
        while self._waiting and self._waiting[-1].first_byte <= byte:
            job = self._waiting.pop()
            self._best = max(self._best or job, job, key=_worth)
        return self._best if self._best is not None and stop_of(self._best) > byte else None

    def next(self, last: int) -> int:
        """Return where the next job begins that was not looked at yet; `last` if none does."""
        return self._waiting[-1].first_byte if self._waiting else last


def _worth(job: Job) -> tuple[int, datetime, str]:
    return stop_of(job), job.expires or datetime.min.replace(tzinfo=UTC), job.id
