"""Archives that several jobs cover together: which jobs to ask, and for which blocks."""

from bisect import bisect_left
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from casfs.blocks.verify import Digest
from casfs.model import Job, JobKind, JobSlice, Output, output_of
from casfs.ranges import BLOCK_SIZE

_LAST = datetime.max.replace(tzinfo=UTC)


def digest_of(text: str | None) -> Digest | None:
    """Return the hash that an inventory states, None if that is none."""
    try:
        return Digest(bytes.fromhex(text)) if text else None
    except ValueError:
        # Whatever it is, it is not a hash: what the jobs say counts then.
        return None


def joined_output(
    jobs: Iterable[Job], archive_size: int, tree_hash: Digest | None, origin: tuple[str, ...]
) -> Output | None:
    """Return a whole archive, covered by as few of these jobs as possible.

    Its key is that of a job that covers the whole archive alone, so that both find what the other
    one cached. Of jobs that reach equally far, the one that expires last is asked.

    A job counts if it has an output that begins and ends on a MiB of the archive, or at its end,
    and if it does not contradict the archive's size and hash.

    Args:
        jobs: jobs of one vault and archive, in any state; one that names no archive does not count.
        archive_size: bytes of the archive.
        tree_hash: digest of the archive, as an inventory states it; None if that is unknown. Then
            the jobs state it, and only those that agree are joined.
        origin: see `Service`.

    Returns:
        the archive, None if the jobs do not cover it.
    """
    covering, digest = _covering(jobs, archive_size, tree_hash)
    return _join(covering, archive_size, digest, origin) if covering else None


def lasting_output(
    jobs: Iterable[Job],
    archive_size: int,
    tree_hash: Digest | None,
    origin: tuple[str, ...],
    retained: Collection[str] = (),
) -> Output | None:
    """Return a whole archive, as `joined_output` does, but covered by its `lasting_jobs`."""
    covering, digest = _lasting(jobs, archive_size, tree_hash, retained)
    return _join(covering, archive_size, digest, origin) if covering else None


def lasting_jobs(
    jobs: Iterable[Job],
    archive_size: int,
    tree_hash: Digest | None,
    retained: Collection[str] = (),
) -> tuple[Job, ...]:
    """Return jobs that cover a whole archive, those of which the first one expires last.

    Of jobs that last equally long, they are as few as possible.

    Args:
        jobs: as in `joined_output`.
        archive_size: bytes of the archive.
        tree_hash: as in `joined_output`.
        retained: ids of those that the service has dropped: they are cached, and do not expire.

    Returns:
        the jobs, none if they do not cover it.
    """
    return tuple(_lasting(jobs, archive_size, tree_hash, retained)[0])


def _lasting(
    jobs: Iterable[Job],
    archive_size: int,
    tree_hash: Digest | None,
    retained: Collection[str],
) -> tuple[list[Job], Digest | None]:
    """Return `lasting_jobs`, and the hash of the archive; [] if there are none."""

    def expiry(job: Job) -> datetime:
        return _LAST if job.expires is None or job.id in retained else job.expires

    fitting = [job for job in jobs if _fits(job, archive_size)]
    # All of them tell the hash: what is cached is found by it, however long they last.
    some, digest = _covering(fitting, archive_size, tree_hash)
    if not some or len(some) == len(fitting):
        return some, digest
    lasting = sorted(fitting, key=expiry, reverse=True)

    def covering(count: int) -> list[Job]:
        return _covering(lasting[:count], archive_size, digest)[0]

    # What some of them cover, more of them cover too.
    counts = range(1, len(lasting))
    enough = 1 + bisect_left(counts, True, key=lambda count: bool(covering(count)))
    first = expiry(lasting[enough - 1])
    return covering(sum(expiry(job) >= first for job in lasting)), digest


def _covering(
    jobs: Iterable[Job], archive_size: int, tree_hash: Digest | None
) -> tuple[list[Job], Digest | None]:
    """Return the jobs of `joined_output`, and the hash of the archive; [] if there are none."""
    fitting = [job for job in jobs if _fits(job, archive_size)]
    digests = (
        {tree_hash}
        if tree_hash
        else {d for job in fitting for d in _stated_hashes(job, archive_size)}
    )
    for digest in sorted(digests) if digests else [None]:
        agreeing = [job for job in fitting if _stated_hashes(job, archive_size) <= {digest}]
        covering = _cover(agreeing, archive_size)
        if covering:
            return covering, digest
    return [], None


def archive_output(
    job: Job, archive_size: int, tree_hash: Digest | None, origin: tuple[str, ...]
) -> Output:
    """Return the archive of a job as if the job covered all of it.

    Args:
        job: one that names its archive.
        archive_size: bytes of the archive.
        tree_hash: digest of the archive, None if that is not known.
        origin: see `Service`.
    """
    alone = replace(job, archive_size=archive_size, first_byte=0, tree_hash=tree_hash)
    return output_of(alone, archive_size, origin)


def archive_part(
    job: Job, archive_size: int, tree_hash: Digest | None, origin: tuple[str, ...]
) -> Output | None:
    """Return an archive of which the only source is a job that brought a part of it.

    Args:
        job: as in `joined_output`.
        archive_size: bytes of the archive.
        tree_hash: digest of the archive, None if that is not known.
        origin: see `Service`.

    Returns:
        the archive, None if the job cannot be one of those that cover it.
    """
    fits = _fits(job, archive_size)
    return _join([job], archive_size, tree_hash, origin) if fits else None


def _fits(job: Job, archive_size: int) -> bool:
    stop = _stop(job)
    return (
        job.readable
        and job.kind is JobKind.ARCHIVE
        and job.archive_id is not None
        and job.archive_size in (archive_size, None)
        and job.first_byte % BLOCK_SIZE == 0
        and job.first_byte < stop <= archive_size
        and (stop % BLOCK_SIZE == 0 or stop == archive_size)
    )


def _stop(job: Job) -> int:
    """Return the first byte of the archive behind those that a job covers."""
    return job.first_byte + (job.size or 0)


def _stated_hashes(job: Job, archive_size: int) -> set[Digest]:
    """Return the hashes that a job states for its whole archive: two if it contradicts itself."""
    stated = {job.archive_tree_hash, job.tree_hash if job.size == archive_size else None}
    return {digest for digest in stated if digest is not None}


def _cover(jobs: Iterable[Job], size: int) -> list[Job]:
    """Return the fewest jobs that cover the bytes from 0 to `size`, in order; [] if they cannot.

    The next one is always the job that reaches furthest, of those that leave no gap.
    """
    waiting = sorted(jobs, key=lambda job: job.first_byte, reverse=True)
    chosen: list[Job] = []
    candidates: list[Job] = []
    reached = 0
    while reached < size:
        while waiting and waiting[-1].first_byte <= reached:
            candidates.append(waiting.pop())
        if not candidates:
            return []
        furthest = max(candidates, key=_worth)
        if _stop(furthest) <= reached:
            return []
        chosen.append(furthest)
        candidates = [furthest]
        reached = _stop(furthest)
    return chosen


def _worth(job: Job) -> tuple[int, datetime, str]:
    return _stop(job), job.expires or datetime.min.replace(tzinfo=UTC), job.id


def _join(
    jobs: Sequence[Job], size: int, tree_hash: Digest | None, origin: tuple[str, ...]
) -> Output:
    sources, at = [], jobs[0].first_byte // BLOCK_SIZE
    for job in jobs:
        own = output_of(job, _stop(job) - job.first_byte, origin)
        stop = -(-_stop(job) // BLOCK_SIZE)
        begin = job.first_byte // BLOCK_SIZE
        sources.append(JobSlice(job.id, range(at, stop), begin, own.key, own.layout))
        at = stop
    alone = archive_output(jobs[0], size, tree_hash, origin)
    return replace(alone, sources=tuple(sources))
