"""Archives that several jobs cover together: which jobs to ask, and for which blocks."""

from bisect import bisect_left
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from casfs.blocks.verify import Digest
from casfs.model import Job, Output
from casfs.tree.archive_outputs import archive_output, join
from casfs.tree.job_ranges import Furthest, agreeing, fits, stated_hashes, stop_of

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
    return _joined(*_covering(jobs, archive_size, tree_hash), archive_size, origin)


def lasting_output(
    jobs: Iterable[Job], archive_size: int, tree_hash: Digest | None, origin: tuple[str, ...]
) -> Output | None:
    """Return a whole archive, as `joined_output` does, but covered by its `lasting_jobs`."""
    return _joined(*_lasting(jobs, archive_size, tree_hash), archive_size, origin)


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


def lasting_parts(
    jobs: Iterable[Job], archive_size: int, tree_hash: Digest | None
) -> tuple[Job, ...]:
    """Return jobs that cover as much of an archive as all of them do, otherwise as `lasting_jobs`.

    Args:
        jobs: as in `joined_output`.
        archive_size: bytes of the archive.
        tree_hash: as in `joined_output`.

    Returns:
        the jobs, none if no job fits the archive, or if they cover a part and contradict one
        another.
    """
    fitting = [job for job in jobs if fits(job, archive_size)]
    covering, _ = _lasting(fitting, archive_size, tree_hash)
    if not covering:
        agreed, digest = _agreed(fitting, archive_size, tree_hash)
        covering = _with_gaps(agreed, agreed[0], archive_size, digest) if agreed else []
    return tuple(job for job in covering if job.id)


def completed_output(
    listed: Sequence[Job],
    unlisted: Sequence[Job],
    archive_size: int,
    tree_hash: Digest | None,
    origin: tuple[str, ...],
) -> Output | None:
    """Return a whole archive of which listed jobs cover a part; only the cache can have the rest.

    The listed jobs are its `lasting_parts`. Where they cover nothing, its sources are jobs that are
    no longer listed, which may have put it into the cache. A source without a job is where there
    are none of these either.

    Args:
        listed: jobs as in `joined_output`, which the service still lists.
        unlisted: others, which it does not.
        archive_size: bytes of the archive.
        tree_hash: as in `joined_output`.
        origin: see `Service`.

    Returns:
        the archive, None if no job fits it, or if they contradict one another.
    """
    agreed, digest = _agreed([*listed, *unlisted], archive_size, tree_hash)
    if not agreed:
        return None
    ours = agreeing(listed, archive_size, digest)
    others = Furthest(agreeing(unlisted, archive_size, digest))
    parts: list[tuple[Job | None, int]] = []
    at = 0
    for piece in _with_gaps(ours, agreed[0], archive_size, digest):
        if piece.id:
            parts.append((piece, stop_of(piece)))
        else:
            parts += _fill(range(at, stop_of(piece)), others)
        at = stop_of(piece)
    return join(parts, archive_output(agreed[0], archive_size, digest, origin), origin)


def _fill(gap: range, others: Furthest) -> Iterator[tuple[Job | None, int]]:
    """Yield who covers bytes that no listed job covers, and up to where; None if nobody does."""
    at = gap.start
    while at < gap.stop:
        job = others.at(at)
        at = min(gap.stop, others.next(gap.stop) if job is None else stop_of(job))
        yield job, at


def _with_gaps(
    jobs: Sequence[Job], like: Job, archive_size: int, digest: Digest | None
) -> list[Job]:
    """Return jobs that cover as much as all of them do for longest, and one for each gap, in order.

    Args:
        jobs: those that agree with the hash.
        like: a job for the same archive; those for the gaps are like it, without an id.
        archive_size: bytes of the archive.
        digest: hash of the archive.
    """
    furthest, at = Furthest(jobs), 0
    gaps: list[Job] = []
    while at < archive_size:
        job = furthest.at(at)
        if job is None:
            stop = furthest.next(archive_size)
            job = replace(like, id="", completed=None, tree_hash=None, archive_size=archive_size)
            job = replace(job, first_byte=at, size=stop - at)
            gaps.append(job)
        at = stop_of(job)
    # What is not asked of a job does not expire.
    return _lasting([*jobs, *gaps], archive_size, digest)[0]


def _lasting(
    jobs: Iterable[Job],
    archive_size: int,
    tree_hash: Digest | None,
    retained: Collection[str] = (),
) -> tuple[list[Job], Digest | None]:
    """Return `lasting_jobs`, and the hash of the archive; [] if there are none."""

    def expiry(job: Job) -> datetime:
        return _LAST if job.expires is None or job.id in retained else job.expires

    fitting = [job for job in jobs if fits(job, archive_size)]
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
    fitting = [job for job in jobs if fits(job, archive_size)]
    for digest in _digests(fitting, archive_size, tree_hash):
        covering = _cover(agreeing(fitting, archive_size, digest), archive_size)
        if covering:
            return covering, digest
    return [], None


def _agreed(
    jobs: Iterable[Job], archive_size: int, tree_hash: Digest | None
) -> tuple[list[Job], Digest | None]:
    """Return the jobs that fit an archive, and its hash; [] if they contradict one another."""
    fitting = [job for job in jobs if fits(job, archive_size)]
    digest, *others = _digests(fitting, archive_size, tree_hash)
    return ([], None) if others else (agreeing(fitting, archive_size, digest), digest)


def _digests(
    jobs: Iterable[Job], archive_size: int, tree_hash: Digest | None
) -> Sequence[Digest | None]:
    """Return the hash of an archive, or all that jobs state if it is unknown; None if none does."""
    if tree_hash:
        return [tree_hash]
    return sorted({d for job in jobs for d in stated_hashes(job, archive_size)}) or [None]


def _cover(jobs: Iterable[Job], size: int) -> list[Job]:
    """Return the fewest jobs that cover the bytes from 0 to `size`, in order; [] if they cannot.

    The next one is always the job that reaches furthest, of those that leave no gap.
    """
    furthest, reached = Furthest(jobs), 0
    chosen: list[Job] = []
    while reached < size:
        job = furthest.at(reached)
        if job is None:
            return []
        chosen.append(job)
        reached = stop_of(job)
    return chosen


def _joined(
    jobs: Sequence[Job], digest: Digest | None, size: int, origin: tuple[str, ...]
) -> Output | None:
    """Return a whole archive from jobs that cover it, None if there are none."""
    if not jobs:
        return None
    whole = archive_output(jobs[0], size, digest, origin)
    return join([(job, stop_of(job)) for job in jobs], whole, origin)
