"""The rows of the store, as facts. All times are Unix seconds, all digests raw bytes."""

from dataclasses import dataclass
from typing import Literal

Kind = Literal["archive", "inventory", "push", "pull", "select"]
"""What a job does; all but the first two need an object store, which does not exist here."""


@dataclass(frozen=True)
class Vault:
    """A named set of archives; the counts are those of its last inventory (None = never taken).

    `id` is what calls name it by where that is not its name. `owner` is the account that it
    belongs to; None = the account of the key.
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
        """What calls name it by."""
        return self.name if self.id is None else self.id


@dataclass(frozen=True)
class Archive:
    """An immutable run of bytes; a deleted one is remembered for the jobs that still serve it.

    `seed` names the seeded file (path, size, mtime), so that seeding twice adds it once.
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
        created: when it was asked for.
        completed: when it is (or was) complete; a time to come means that it is still running.
        failure: why it fails at `completed`; None = it succeeds.
        archive: id of the archive, for kinds that have one.
        first: offset in the archive of the output's first byte.
        last: offset in the archive of the output's last byte.
        tree_hash: of the range; None when the range is no subtree of the archive.
        tier: speed and price class of a retrieval.
        description: free text, empty when none was given.
        callback: URL to be told; stored and shown only.
        bucket: of the object store, for kinds that need one.
        object: key in the bucket, for kinds that need one.
        format: `JSON` or `CSV`, for inventories.
        start: inventories list archives created at or after this time.
        end: inventories list archives created at or before this time.
        item_limit: the most archives an inventory lists; 0 = not set.
        marker: where an inventory begins.
        output_size: bytes of the inventory; None until it is written.
        continuation: the marker of the next inventory; None = this one is the last.
        details: JSON of what only the dialect understands.
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
    """A multipart upload that is neither complete nor aborted; `part_size` in bytes."""

    id: str
    vault: str
    description: str | None
    part_size: int
    created: float


@dataclass(frozen=True)
class Part:
    """Part of an upload: bytes `first` to `last` of the archive, with the digests of its leaves.

    `digest` is the plain hash of its bytes.
    """

    upload: str
    first: int
    last: int
    tree_hash: bytes
    leaves: bytes
    digest: bytes
