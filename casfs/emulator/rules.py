"""What one service fixes for its vaults, archives and jobs: numbers, and two ways."""

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Rules:
    """The rules of one service; its dialect names the source of each.

    Attributes:
        vault_name: names that a vault may have.
        vaults_limit: vaults in one account.
        archive_id_length: characters of an archive id.
        job_id_length: characters of a job id.
        upload_id_length: characters of the id of a multipart upload.
        expedited_limit: bytes of the largest archive that an Expedited retrieval takes.
        inventory_limit: the most archives in one inventory; None = any number.
        includes_end_date: whether an inventory lists what was created at the very end date.
        refuses_missing_archive: whether a job for an archive that is not there is refused; else it
            is taken and fails.
    """

    vault_name: re.Pattern[str]
    vaults_limit: int
    archive_id_length: int
    job_id_length: int
    upload_id_length: int
    expedited_limit: int
    inventory_limit: int | None
    includes_end_date: bool
    refuses_missing_archive: bool
