"""What the cache holds, in a user's words: which archive or inventory, and whether it is the last.

The cache knows outputs by their keys alone. Which ones they are follows from the catalog: each job
and each archive in it has a key. What is not cataloged, or is another account's, stays unknown.
"""

import itertools
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from casfs.blocks.block_cache import BlockCache
from casfs.blocks.disk.contents import CacheContents, CachedItem
from casfs.blocks.verify import Digest
from casfs.model import Job, JobKind, Output, output_key
from casfs.ranges import Layout
from casfs.service.service import Service
from casfs.tree.archive_outputs import archive_output
from casfs.tree.archives.queries import Archives
from casfs.tree.coverage import joined_output
from casfs.tree.inventory_files import kept_key
from casfs.tree.metadata.job_table import JobTable
from casfs.tree.paths import Name


@dataclass(frozen=True, slots=True)
class CachedOutput:
    """An output in the cache, or a file that was made of one; None is unknown.

    Attributes:
        key: names it in the cache.
        vault: name of its vault.
        archive: id of the archive that it is of; None for an inventory.
        jobs: ids of the jobs that retrieved it, as far as they are known.
        name: path of the archive, or name of the file that was made.
        range: first and last byte of the archive, if it is not all of it.
        cached: bytes that are in the cache.
        size: bytes of all of it.
        verified: as the attribute of an output has it.
        used: when it was last used, UTC.
        fetchable: whether the service still has it, as far as is known without asking.
        expires: until when.
        output: as the catalog has it.
        derived: it is a file that was made of that output.
    """

    key: str
    cached: int
    used: datetime
    vault: str | None = None
    archive: str | None = None
    jobs: tuple[str, ...] = ()
    name: str | None = None
    range: tuple[int, int] | None = None
    size: int | None = None
    verified: str | None = None
    fetchable: bool | None = None
    expires: datetime | None = None
    output: Output | None = None
    derived: bool = False


class CacheReport:
    """All that is in the cache.

    Args:
        stock: what there is, by key.
        service: understands jobs.
        table: has them.
        archives: the names of archives.
        blocks: knows what is verified.
        size_of: returns the bytes of a job's output as they are known without asking.
    """

    def __init__(
        self,
        stock: CacheContents,
        service: Service,
        table: JobTable,
        archives: Archives,
        blocks: BlockCache,
        size_of: Callable[[Job], int | None],
    ) -> None:
        self._stock = stock
        self._service = service
        self._table = table
        self._archives = archives
        self._blocks = blocks
        self._size_of = size_of

    def items(self, opened: bool = True) -> list[CachedOutput]:
        """Return what is in the cache, used last first; asks the catalog and not the service.

        Args:
            opened: whether to open each output, as a reader would: only that shows whether it is
                verified, and it drops blocks that turn out to be damaged.

        Raises:
            CasfsError: the catalog cannot be read.
            OSError: the cache cannot be read.
        """
        left = {item.key: item for item in self._stock.items()}
        found: dict[str, CachedOutput] = {}
        now = datetime.now(UTC)
        for vault, _, _ in self._table.vaults():
            jobs: defaultdict[str | None, list[tuple[Job, bool]]] = defaultdict(list)
            for job, listed in self._jobs(vault):
                live = listed and (job.expires is None or job.expires > now)
                jobs[job.archive_id if job.kind is JobKind.ARCHIVE else None].append((job, live))
            for job, live in jobs.pop(None, []):
                for item in self._of_inventory(left, job, live):
                    found[item.key] = item
            for retrieved in jobs.values():
                for item in self._of_archive(left, retrieved):
                    found[item.key] = _merged(found.get(item.key), item)
        self._add_without_jobs(found, left)
        if opened:
            found = {key: self._opened(item) for key, item in found.items()}
        unknown = [_unknown(item) for key, item in left.items() if key not in found]
        return sorted([*found.values(), *unknown], key=lambda item: item.used, reverse=True)

    def remove(self, item: CachedOutput, force: bool) -> bool:
        """Remove something from the cache; return False if somebody reads it.

        Raises:
            OSError: as `CacheContents.remove`.
        """
        return self._stock.remove(item.key, force)

    def _jobs(self, vault: str) -> Iterator[tuple[Job, bool]]:
        """Yield the jobs of a vault that have an output of known size; whether each is listed."""
        for _, description, listed in self._table.jobs(vault):
            job = self._service.parse_job(vault, description)
            size = self._size_of(job) if job.readable else None
            if size is not None:
                yield replace(job, size=size), listed

    def _of_inventory(
        self, left: dict[str, CachedItem], job: Job, live: bool
    ) -> Iterator[CachedOutput]:
        output = self._service.output(job, job.size or 0)
        facts: dict[str, Any] = {
            "vault": job.vault,
            "jobs": (job.id,),
            "fetchable": live,
            "expires": job.expires if live else None,
        }
        if output.key in left:
            yield self._known(left[output.key], output, **facts)
        root = self._blocks.open(output).store.leaves.root()
        made = (Name.INVENTORY_CSV, Name.INVENTORY_JSON)
        for name, skip in itertools.product(made, (False, True)) if root else ():
            key = kept_key(output.key, root or b"", name, skip)
            if key in left:
                item = self._known(left[key], output, **facts)
                yield replace(item, name=name, size=left[key].size, derived=True)

    def _of_archive(
        self, left: dict[str, CachedItem], jobs: list[tuple[Job, bool]]
    ) -> Iterator[CachedOutput]:
        """Yield what the jobs of one archive retrieved, and the archive as a whole."""
        first = jobs[0][0]
        path: str | None = None
        outputs = [(self._service.output(job, job.size or 0), job, live) for job, live in jobs]
        for output, job, live in outputs:
            if output.key in left:
                path = path or self._path(job)
                yield self._known(
                    left[output.key],
                    output,
                    vault=job.vault,
                    archive=job.archive_id,
                    jobs=(job.id,),
                    name=path,
                    range=None
                    if job.whole
                    else (job.first_byte, job.first_byte + (job.size or 0) - 1),
                    fetchable=live,
                    expires=job.expires if live else None,
                )
        for size, digest in {(job.archive_size, job.archive_tree_hash) for job, _ in jobs}:
            if size is None:
                continue
            whole = archive_output(first, size, digest, self._service.origin)
            if whole.key not in left or any(whole.key == output.key for output, _, _ in outputs):
                continue
            live_jobs = [job for job, live in jobs if live]
            joined = joined_output(live_jobs, size, digest, self._service.origin)
            yield self._known(
                left[whole.key],
                whole,
                vault=first.vault,
                archive=first.archive_id,
                jobs=tuple(job.id for job, _ in jobs),
                name=self._path(first),
                fetchable=joined is not None,
            )

    def _add_without_jobs(
        self, found: dict[str, CachedOutput], left: dict[str, CachedItem]
    ) -> None:
        """Add archives that the catalog knows from an inventory alone."""
        if left.keys() <= found.keys():
            return
        for vault, _, _ in self._table.vaults():
            for archive_id, size, digest in self._archives.sizes(vault):
                tree_hash = _bytes_or_none(digest)
                key = output_key(self._service.origin, vault, archive_id, 0, tree_hash, size)
                if key not in left or key in found:
                    continue
                output = Output.of_job(vault, "", key, Layout(size), tree_hash)
                archive = self._archives.by_id(vault, archive_id)
                found[key] = self._known(
                    left[key],
                    output,
                    vault=vault,
                    archive=archive_id,
                    name=archive.path if archive is not None else None,
                    fetchable=False,
                )

    def _known(self, item: CachedItem, output: Output, **facts: Any) -> CachedOutput:
        return replace(_unknown(item), size=output.layout.size, output=output, **facts)

    def _opened(self, item: CachedOutput) -> CachedOutput:
        if item.output is None:
            return item
        return replace(item, verified=self._blocks.open(item.output).verified())

    def _path(self, job: Job) -> str | None:
        if job.archive_id is None:
            return None
        archive = self._archives.by_id(job.vault, job.archive_id)
        return archive.path if archive is not None else None


def _unknown(item: CachedItem) -> CachedOutput:
    return CachedOutput(item.key, item.size, datetime.fromtimestamp(item.used, UTC))


def _merged(one: CachedOutput | None, other: CachedOutput) -> CachedOutput:
    """Return one item for two jobs that retrieved the same bytes."""
    if one is None:
        return other
    expires = [item.expires for item in (one, other) if item.expires is not None]
    return replace(
        one,
        jobs=(*one.jobs, *(job for job in other.jobs if job not in one.jobs)),
        fetchable=bool(one.fetchable or other.fetchable),
        expires=max(expires, default=None),
    )


def _bytes_or_none(text: str | None) -> Digest | None:
    try:
        return Digest(bytes.fromhex(text)) if text else None
    except ValueError:
        return None
