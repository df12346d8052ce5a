"""What every archive service has in common: vaults, jobs, and their outputs."""

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum

from casfs.ranges import BLOCK_SIZE, Layout

OUTPUT_LIFETIME = timedelta(hours=24)
"""How long an output stays after its job completed: 24 hours with all three services (Tencent CAS
documentation, "Get Job Output"; Aliyun OAS, "Get Job Output"; at least that with Glacier)."""


@dataclass(frozen=True, slots=True)
class Vault:
    """A vault as the service describes it; times are UTC, sizes bytes, None is unknown.

    Attributes:
        name: what people call it; files and cached blocks go by it.
        address: what stands for it in the paths of requests.
        raw: the description as JSON text, for `vault.json`.
    """

    name: str
    address: str
    created: datetime | None
    inventoried: datetime | None
    archives: int | None
    size: int | None
    raw: str


class JobKind(Enum):
    """What a job brings: only archives and inventories have an output."""

    ARCHIVE = "archive"
    INVENTORY = "inventory"
    OTHER = "other"


class JobState(Enum):
    """How far a job is."""

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
    tree_hash: bytes | None
    raw: str

    @property
    def readable(self) -> bool:
        """Tell whether the job has an output that can be asked for."""
        return self.state is JobState.SUCCEEDED and self.kind is not JobKind.OTHER

    @property
    def whole(self) -> bool:
        """Tell whether the output is all of an archive."""
        return (
            self.kind is JobKind.ARCHIVE and self.first_byte == 0 and self.size == self.archive_size
        )

    @property
    def expires(self) -> datetime | None:
        """Return when the service drops the output; None while that is not known."""
        try:
            return self.completed + OUTPUT_LIFETIME if self.completed else None
        except OverflowError:
            return None


@dataclass(frozen=True, slots=True)
class Output:
    """The bytes of a succeeded job, as a reader and the cache see them.

    Attributes:
        key: names the bytes, in hexadecimal: equal for every job that brings the same bytes.
        layout: where its blocks lie.
        tree_hash: digest of the whole output, None when the service does not know it.
    """

    vault: str
    job_id: str
    key: str
    layout: Layout
    tree_hash: bytes | None

    def __str__(self) -> str:
        return f"output of job {self.job_id} in vault {self.vault}"


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
    identity = [
        *origin,
        job.vault,
        archive or f"job {job.id}",
        job.first_byte,
        job.tree_hash.hex() if job.tree_hash else None,
        size,
    ]
    return Output(
        vault=job.vault,
        job_id=job.id,
        key=hashlib.sha256(json.dumps(identity).encode()).hexdigest(),
        layout=Layout(
            size=size,
            first_leaf=job.first_byte // BLOCK_SIZE if leaf_aligned else None,
            archive_leaves=-(-(job.archive_size or 0) // BLOCK_SIZE),
        ),
        tree_hash=job.tree_hash,
    )
