"""The rows of the database. All times are Unix seconds, all digests raw bytes."""

from dataclasses import dataclass
from typing import Literal

Kind = Literal["archive", "inventory", "push", "pull", "select"]
"""What a job does; all but the first two need an object store, which the emulator lacks."""


@dataclass(frozen=True)
class Vault:
    """A named set of archives; the counts are those of its last inventory (None = none yet).

    `id` identifies it in requests, if its name does not. `owner` is the account that it belongs
    to; None = the account of the key.
    """

    name: str
    created: float
    inventoried: float | None = None
    archive_count: int | None = None
    byte_count: int | None = None
    id: str | None = None
    owner: str | None = None

    @property
    def address(self) -> str:
        """What identifies it in requests."""
        return self.name if self.id is None else self.id


@dataclass(frozen=True)
class Archive:
    """An immutable sequence of bytes; a deleted one is kept for the jobs that still serve it.

    `seed` identifies the seeded file (path, size, mtime), so that seeding twice adds it once.
    """

    id: str
    vault: str
    description: str | None
    size: int
    created: float
    tree_hash: bytes
    deleted: float | None = None
    seed: str | None = None


@dataclass(frozen=True)
class Job:
    """A job as it is stored.

    Attributes:
        id: of the job.
        vault: name of its vault.
        kind: what it does.
        created: when it was requested.
        completed: when it completes; it is still running if that is in the future.
        failure: why it fails at `completed`; None = it succeeds.
        archive: id of the archive, for kinds that have one.
        first: offset in the archive of the output's first byte.
        last: offset in the archive of the output's last byte.
        tree_hash: of the range; None if the range is not a subtree of the archive.
        tier: speed and price class of a retrieval.
        description: free text; may be empty.
        callback: URL or topic to notify; a URL is called when the job is complete.
        bucket: of the object store, for kinds that need one.
        object: key in the bucket, for kinds that need one.
        format: `JSON` or `CSV`, for inventories.
        start: inventories list archives created at or after this time.
        end: inventories list archives created at or before this time.
        item_limit: the maximum number of archives that an inventory lists; 0 = not set.
        marker: where an inventory starts.
        output_size: bytes of the inventory; None until it is written.
        continuation: the marker of the next inventory; None = this one is the last.
        details: JSON that only the dialect interprets.
    """

    id: str
    vault: str
    kind: Kind
    created: float
    completed: float
    failure: str | None = None
    archive: str | None = None
    first: int | None = None
    last: int | None = None
    tree_hash: bytes | None = None
    tier: str | None = None
    description: str = ""
    callback: str | None = None
    bucket: str | None = None
    object: str | None = None
    format: str | None = None
    start: float | None = None
    end: float | None = None
    item_limit: int = 0
    marker: str | None = None
    output_size: int | None = None
    continuation: str | None = None
    details: str | None = None


@dataclass(frozen=True)
class Upload:
    """A multipart upload that was neither completed nor aborted; `part_size` in bytes."""

    id: str
    vault: str
    description: str | None
    part_size: int
    created: float


@dataclass(frozen=True)
class Part:
    """Part of an upload: bytes `first` to `last` of the archive, with the digests of its leaves.

    `digest` is the plain hash of these bytes.
    """

    upload: str
    first: int
    last: int
    tree_hash: bytes
    leaves: bytes
    digest: bytes
