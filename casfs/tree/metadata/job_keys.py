"""The keys under which something of what a job brought may be cached."""

from collections.abc import Iterator

from casfs.model import Job
from casfs.service.service import Service
from casfs.tree.archive_outputs import archive_part
from casfs.tree.coverage import digest_of


def job_keys(service: Service, job: Job, size: int | None, tree_hash: str | None) -> frozenset[str]:
    """Return the keys under which something of what a job brought may be cached.

    Args:
        service: the job's.
        job: any job; one without an output has no keys.
        size: bytes of its output as they were measured, or else as it states them.
        tree_hash: of its archive, as the catalog has it; None if it has none.
    """
    if not job.readable:
        return frozenset()
    own = service.output(job, size or 0)
    return frozenset({own.key, *_archive_keys(service, job, tree_hash)})


def _archive_keys(service: Service, job: Job, tree_hash: str | None) -> Iterator[str]:
    if job.archive_id is None or job.archive_size is None:
        return
    for digest in {digest_of(tree_hash), job.archive_tree_hash}:
        part = archive_part(job, job.archive_size, digest, service.origin)
        if part is not None:
            yield part.key
