"""The fixed rules of a service for its vaults, archives and jobs."""

import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass

from casfs.treehash import TreeHash


@dataclass(frozen=True)
class Rules:
    """The rules of one service; its dialect names the source of each.

    Attributes:
        service: name of its dialect, which is recorded with the state.
        tree: how archives are hashed; its leaf hash is also the plain hash of a whole body.
        vault_name: matches valid vault names.
        vault_id_length: characters of the id of a vault; None = requests address vaults by name.
        vaults_limit: maximum number of vaults in an account.
        new_id: returns a new id of a given number of characters.
        archive_id_length: characters of an archive id.
        job_id_length: characters of a job id.
        upload_id_length: characters of the id of a multipart upload.
        upload_seconds: lifetime of a multipart upload.
        part_size_limit: maximum bytes of a part.
        doubles_part_size: whether the part size must be 1 MiB times a power of two; otherwise any
            number of MiB.
        expedited_limit: maximum bytes of an archive that Expedited retrieves in minutes; None =
            there are no tiers.
        has_policy: whether there is a data retrieval policy.
        inventory_limit: maximum number of archives in an inventory; None = unlimited.
        includes_end_date: whether an inventory includes archives created exactly at its end date.
        refuses_missing_archive: whether a job for a missing archive is refused; otherwise it is
            accepted and fails.
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
    has_policy: bool


def new_base64_id(length: int) -> str:
    """Return a new id of `length` base64url characters; `length` must not be 4 n + 1.

    Ids are opaque and may start with `-`. Here one in eight does, so that every tool meets some.
    """
    text = secrets.token_urlsafe(length * 3 // 4)
    return text if secrets.randbelow(8) else "-" + text[1:]


def new_hex_id(length: int) -> str:
    """Return a new id of `length` upper-case hexadecimal digits; `length` must be even."""
    return secrets.token_hex(length // 2).upper()
