"""What one service fixes for its vaults, archives and jobs: numbers, and two ways."""

import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass

from casfs.treehash import TreeHash


@dataclass(frozen=True)
class Rules:
    """The rules of one service; its dialect names the source of each.

    Attributes:
        service: name of its dialect, by which a state remembers whose it is.
        tree: how bytes are hashed: the tree of an archive, and by its leaves' hash a whole body.
        vault_name: names that a vault may have.
        vault_id_length: characters of the id of a vault; None = calls name vaults by their names.
        vaults_limit: vaults in one account.
        new_id: returns a fresh id of so many characters.
        archive_id_length: characters of an archive id.
        job_id_length: characters of a job id.
        upload_id_length: characters of the id of a multipart upload.
        upload_seconds: the life of a multipart upload.
        part_size_limit: bytes of the largest part of one.
        doubles_part_size: whether parts have 1 MiB times a power of two; else any number of MiB.
        expedited_limit: bytes of the largest archive that an Expedited retrieval takes; None =
            there is no such retrieval.
        inventory_limit: the most archives in one inventory; None = any number.
        includes_end_date: whether an inventory lists what was created at the very end date.
        refuses_missing_archive: whether a job for an archive that is not there is refused; else it
            is taken and fails.
    """

    service: str
    tree: TreeHash
    vault_name: re.Pattern[str]
    vault_id_length: int | None
    vaults_limit: int
    new_id: Callable[[int], str]
    archive_id_length: int
    job_id_length: int
    upload_id_length: int
    upload_seconds: float
    part_size_limit: int
    doubles_part_size: bool
    expedited_limit: int | None
    inventory_limit: int | None
    includes_end_date: bool
    refuses_missing_archive: bool


def new_base64_id(length: int) -> str:
    """Return a fresh id of `length` characters of the base64url alphabet, not 4 n + 1.

    Ids are opaque and may begin with `-`. One in eight does here, so that no tool gets by without
    meeting one.
    """
    text = secrets.token_urlsafe(length * 3 // 4)
    return text if secrets.randbelow(8) else "-" + text[1:]


def new_hex_id(length: int) -> str:
    """Return a fresh id of `length` upper-case hexadecimal digits, an even number."""
    return secrets.token_hex(length // 2).upper()
