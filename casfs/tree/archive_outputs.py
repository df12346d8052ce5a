"""An archive as an output, made of what jobs have retrieved of it."""

from collections.abc import Iterable
from dataclasses import replace

from casfs.blocks.verify import Digest
from casfs.model import Job, JobSlice, Output, output_of
from casfs.ranges import BLOCK_SIZE
from casfs.tree.job_ranges import agreeing, fits, stop_of


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
    if not fits(job, archive_size):
        return None
    whole = archive_output(job, archive_size, tree_hash, origin)
    return join([(job, stop_of(job))], whole, origin, job.first_byte)


def slice_of(job: Job, run: range, origin: tuple[str, ...]) -> JobSlice:
    """Return blocks of an archive as the slice that a job brought.

    Args:
        job: one that fits the archive.
        run: blocks of the archive, all of which the job covers.
        origin: see `Service`.
    """
    own = output_of(job, job.size or 0, origin)
    return JobSlice(job.id, run, job.first_byte // BLOCK_SIZE, own.key, own.layout)


def with_others(output: Output, jobs: Iterable[Job], origin: tuple[str, ...]) -> Output:
    """Return an archive that knows in which outputs of other jobs its blocks may be cached as well.

    Args:
        output: the archive.
        jobs: for it. Those count that agree with its size and hash, and that it does not ask for
            all that they brought.
        origin: see `Service`.
    """
    size = output.layout.size
    known = {output.key, *(source.key for source in output.sources if source.run == source.own)}
    found: dict[str, JobSlice] = {}
    for job in agreeing(jobs, size, output.tree_hash):
        run = range(job.first_byte // BLOCK_SIZE, -(-stop_of(job) // BLOCK_SIZE))
        one = slice_of(job, run, origin)
        if one.key not in known:
            found[one.key] = one
    return replace(output, others=tuple(found.values()))


def join(
    parts: Iterable[tuple[Job | None, int]], whole: Output, origin: tuple[str, ...], first: int = 0
) -> Output:
    """Return an archive with other sources.

    Args:
        parts: who brings each part of it, and the byte behind the part; None if nobody does.
        whole: the archive.
        origin: see `Service`.
        first: where the first part begins.
    """
    sources, at = [], first // BLOCK_SIZE
    for job, end in parts:
        run = range(at, -(-end // BLOCK_SIZE))
        nobody = JobSlice("", run, 0, whole.key, whole.layout)
        sources.append(nobody if job is None else slice_of(job, run, origin))
        at = run.stop
    return replace(whole, sources=tuple(sources))
