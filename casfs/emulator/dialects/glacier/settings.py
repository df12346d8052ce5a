"""The rules of Amazon Glacier, and the questions that its public documentation leaves open.

Source: Amazon Glacier Developer Guide, API version 2012-06-01; the service model of botocore 1.44.
"""

import re
from dataclasses import dataclass
from typing import Literal

from casfs.emulator.rules import Rules, new_base64_id
from casfs.emulator.settings import VaultFormQuestions, question
from casfs.treehash import SHA256

RULES = Rules(
    service="glacier",
    tree=SHA256,  # Computing Checksums
    vault_name=re.compile(r"[A-Za-z0-9_.-]{1,255}"),  # Creating a Vault
    vault_id_length=None,
    vaults_limit=1000,  # Creating a Vault
    new_id=new_base64_id,
    archive_id_length=138,  # samples in the API reference, as are the other ids
    job_id_length=92,
    upload_id_length=92,
    upload_seconds=24 * 3600,  # Initiate Multipart Upload
    part_size_limit=4 << 30,  # Initiate Multipart Upload
    doubles_part_size=True,  # Initiate Multipart Upload
    expedited_limit=250 << 20,  # Downloading an Archive
    inventory_limit=None,  # Initiate Job has no limit
    includes_end_date=False,  # Initiate Job: "created before"
    refuses_missing_archive=True,  # Initiate Job: ResourceNotFoundException
    has_policy=True,  # Data Retrieval Policies
)
"""Each with its page of the guide."""


@dataclass(frozen=True)
class GlacierQuestions(VaultFormQuestions):
    """The open questions of Glacier; the defaults are what the live service was seen to do."""

    malformed_range: Literal["refused", "ignored"] = "ignored"
    limit_form: Literal["number", "string"] = "string"
    marker: Literal["inclusive", "exclusive"] = "exclusive"
    expedited_over_limit: Literal["slow", "refused"] = "slow"
    inventory_date: Literal["seconds", "milliseconds"] = question(
        "seconds", "Form of InventoryDate in an inventory."
    )
