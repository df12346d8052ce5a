"""The rules of Tencent CAS, and the questions that its public documentation leaves open.

The defaults follow the CAS documentation (product 572) and SDKs, then Amazon Glacier 2012-06-01.
"""

import re
from dataclasses import dataclass
from typing import Literal

from casfs.emulator.rules import Rules, new_base64_id
from casfs.emulator.settings import VaultFormQuestions, question
from casfs.treehash import SHA256

RULES = Rules(
    service="cas",
    tree=SHA256,  # Checksums
    vault_name=re.compile(r"[A-Za-z0-9_.-]{1,255}"),  # Introduction
    vault_id_length=None,
    vaults_limit=1000,  # Create Vault
    new_id=new_base64_id,
    archive_id_length=128,  # samples in Command line tool, as are the other ids
    job_id_length=64,
    upload_id_length=64,
    upload_seconds=24 * 3600,  # Initiate Multipart Upload
    part_size_limit=4 << 30,  # Amazon Glacier, Initiate Multipart Upload; CAS has no limit
    doubles_part_size=True,  # Initiate Multipart Upload
    expedited_limit=256 << 20,  # Initiate Job
    inventory_limit=10_000,  # Initiate Job
    includes_end_date=True,  # official Python SDK
    refuses_missing_archive=False,  # Delete Archive
    has_policy=True,  # error code PolicyEnforcedException
)
"""Each with its page of the CAS documentation."""


@dataclass(frozen=True)
class CasQuestions(VaultFormQuestions):
    """The open questions of CAS."""

    callback_key: Literal["both", "CallBackUrl", "JobCallBackUrl"] = question(
        "both", "Name of the callback field in a job."
    )
    expired_signature: Literal["400", "403"] = question(
        "400", "Status when a signature has expired or is not yet valid."
    )
