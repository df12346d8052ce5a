"""What every archive service has in common: vaults, jobs, and their outputs."""

import hashlib
import json
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum
from functools import lru_cache

from casfs.job_requests import latest
from casfs.ranges import BLOCK_SIZE, Layout
from casfs.treehash import Digest

OUTPUT_LIFETIME = timedelta(hours=24)
"""How long an output stays after its job completed: 24 hours with all three services (Tencent CAS
documentation, "Get Job Output"; Aliyun OAS, "Get Job Output"; at least that with Glacier)."""


def later(time: datetime, span: timedelta) -> datetime | None:
    """Return a time that is later by a span; None if no date is, as a service may state any."""
    try:
        return time + span
    except OverflowError:
        return None


@dataclass(frozen=True, slots=True)
class Vault:
    """A vault as the service describes it; times are UTC, sizes bytes, None is unknown.

    Attributes:
        name: what people call it; files and cached blocks go by it.
        address: identifies it in the paths of requests.
        raw: the description as JSON text, for `vault.json`.
        account: number of the account that it belongs to, None where its description does not say.
    """

    name: str
    address: str
    created: datetime | None
    inventoried: datetime | None
    archives: int | None
    size: int | None
    raw: str
    account: str | None = None


class JobKind(Enum):
    """What a job retrieves: only archives and inventories have an output."""

    ARCHIVE = "archive"
    INVENTORY = "inventory"
    OTHER = "other"


class JobState(Enum):
    """The state of a job."""

    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Job:
    """A job as the service describes it; times are UTC, sizes bytes, None is unknown.

    Attributes:
        archive_size: bytes of the whole archive.
        first_byte: where the output begins in the archive.
        size: bytes of the output.
        tree_hash: digest of the output, known only if it is a subtree of its archive.
        raw: the description as JSON text, for `job.json`.
        archive_tree_hash: digest of the whole archive.
        duration: how long such a job takes at most, as a rule.
    """

    vault: str
    id: str
    kind: JobKind
    state: JobState
    created: datetime | None
    completed: datetime | None
    description: str
    archive_id: str | None
    archive_size: int | None
    first_byte: int
    size: int | None
    tree_hash: Digest | None
    raw: str
    archive_tree_hash: Digest | None = None
    duration: timedelta = field(default_factory=lambda: latest(None))

    @property
    def ready(self) -> datetime | None:
        """Return by when the job is done, if it takes as long as usual; None if unknown."""
        return later(self.created, self.duration) if self.created else None

    @property
    def readable(self) -> bool:
        """Return whether the job has an output that can be requested."""
        return self.state is JobState.SUCCEEDED and self.kind is not JobKind.OTHER

    @property
    def whole(self) -> bool:
        """Return whether the output is a whole archive."""
        return (
            self.kind is JobKind.ARCHIVE
            and self.first_byte == 0
            and self.size is not None
            and self.size == self.archive_size
        )

    @property
    def measured(self) -> bool:
        """Return whether the size of the output must be measured.

        It must if the job states none, and for an inventory: one of a wrong size would look
        complete, as no hash says what it should be.
        """
        return self.size is None or self.kind is JobKind.INVENTORY

    @property
    def expires(self) -> datetime | None:
        """Return when the service drops the output; None while that is unknown."""
        return later(self.completed, OUTPUT_LIFETIME) if self.completed else None


@dataclass(frozen=True, slots=True)
class JobSlice:
    """A slice of an output: neighboring blocks that one job retrieves, and their place in its own.

    Attributes:
        job_id: whom to ask for them; "" if there is nobody, so that only the cache can have them.
        run: the blocks that it is asked for.
        begin: block of the output with which the job's own begins: `run.start`, or one before it
            where an earlier source has the same blocks.
        key: key of the job's own output.
        layout: layout of the job's own output.
    """

    job_id: str
    run: range
    begin: int
    key: str
    layout: Layout

    @property
    def own(self) -> range:
        """Return the blocks that the job's own output has, numbered as in the output."""
        return range(self.begin, self.begin + self.layout.blocks)


@dataclass(frozen=True, slots=True)
class Output:
    """The bytes of a succeeded job, or of an archive that several jobs cover together.

    Attributes:
        key: names the bytes, in hexadecimal: equal for all jobs with the same bytes.
        layout: where its blocks lie.
        tree_hash: digest of the whole output, None when it is not known.
        sources: the jobs to ask, ascending; each block belongs to one of them.
        measured: its size was measured, not stated: an answer may show that it has another one.
        archive: the id of the archive of which these are all bytes, None if they are not.
        others: what jobs have retrieved of the same bytes beside what they are asked for. What is
            cached of their outputs need not be fetched.
    """

    vault: str
    key: str
    layout: Layout
    tree_hash: Digest | None
    sources: tuple[JobSlice, ...]
    measured: bool = False
    archive: str | None = None
    others: tuple[JobSlice, ...] = ()

    @classmethod
    def of_job(  # noqa: PLR0913 (the facts of an output)
        cls,
        vault: str,
        job_id: str,
        key: str,
        layout: Layout,
        tree_hash: Digest | None,
        measured: bool = False,
        archive: str | None = None,
    ) -> "Output":
        """Return an output that one job retrieves, and that is the job's whole output."""
        source = JobSlice(job_id, range(layout.blocks), 0, key, layout)
        return cls(vault, key, layout, tree_hash, (source,), measured, archive)

    def __str__(self) -> str:
        ids = dict.fromkeys(source.job_id for source in self.sources)
        first, *others = [f"job {job_id}" for job_id in ids if job_id] or [""]
        if not first:
            return f"archive {self.archive} of vault {self.vault}"
        names = [first, f"{len(others)} more jobs"] if others[1:] else [first, *others]
        if "" in ids:
            names.append("the cache")
        if not names[1:]:
            return f"output of {first} in vault {self.vault}"
        return f"archive that {' and '.join(names)} in vault {self.vault} cover together"

    def source_number(self, block: int) -> int:
        """Return which of the sources has a block."""
        if len(self.sources) == 1:
            return 0
        return bisect_right(self.sources, block, key=lambda source: source.run.start) - 1

    def touched(self, run: range) -> range:
        """Return which of the sources have blocks of a run that is not empty."""
        return range(self.source_number(run.start), self.source_number(run.stop - 1) + 1)

    def split(self, run: range, limit: int) -> Iterator[range]:
        """Split a run into those that a single GET each may fetch.

        Each lies within one source, and is there the largest subtree of at most `limit` blocks, as
        `Layout.split` has it.
        """
        for number in self.touched(run):
            whose = self.sources[number].run
            inside = range(max(run.start, whose.start), min(run.stop, whose.stop))
            yield from self.layout.split(inside, limit)


def output_key(
    origin: tuple[str, ...],
    vault: str,
    archive: str,
    first_byte: int,
    tree_hash: bytes | None,
    size: int,
) -> str:
    """Return the key of an output's bytes; see `output_of`."""
    digest = f'"{tree_hash.hex()}"' if tree_hash else "null"
    begin = _key_begin(origin, vault)
    # A plan asks for a million keys: as `json.dumps` writes a list of these, and faster.
    identity = f"{begin}, {json.dumps(archive)}, {first_byte}, {digest}, {size}]"
    return hashlib.sha256(identity.encode()).hexdigest()


@lru_cache(256)
def _key_begin(origin: tuple[str, ...], vault: str) -> str:
    return json.dumps([*origin, vault])[:-1]


def output_of(job: Job, size: int, origin: tuple[str, ...]) -> Output:
    """Return the output of a job, `size` bytes long.

    Its key covers what the bytes depend on: `origin` (see `Service`), vault, archive, retrieval
    range, tree hash and size, so that a later job for the same archive finds what an earlier one
    cached. An inventory, or an archive that the service does not name, has its job.
    """
    leaf_aligned = job.archive_size is not None and (
        job.first_byte % BLOCK_SIZE == 0
        and (size % BLOCK_SIZE == 0 or job.first_byte + size == job.archive_size)
    )
    archive = job.archive_id if job.kind is JobKind.ARCHIVE else None
    of = archive or f"job {job.id}"
    return Output.of_job(
        vault=job.vault,
        job_id=job.id,
        key=output_key(origin, job.vault, of, job.first_byte, job.tree_hash, size),
        layout=Layout(
            size=size,
            first_leaf=job.first_byte // BLOCK_SIZE if leaf_aligned else None,
            archive_leaves=-(-(job.archive_size or 0) // BLOCK_SIZE),
        ),
        # A tree has at least one leaf.
        tree_hash=job.tree_hash if size else None,
        measured=job.measured,
        archive=archive if job.first_byte == 0 and size == job.archive_size else None,
    )
