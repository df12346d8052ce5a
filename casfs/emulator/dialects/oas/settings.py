"""The rules of Aliyun OAS, and the questions that its public documentation leaves open."""

import math
import re
from dataclasses import dataclass
from typing import Literal

from casfs.emulator.rules import Rules, new_hex_id
from casfs.emulator.settings import OpenQuestions, question
from casfs.treehash import MD5

RULES = Rules(
    service="oas",
    tree=MD5,  # official Python SDK (oassdk 0.2.5), merkle.py
    vault_name=re.compile(r"[a-z0-9](?:[a-z0-9_-]{1,61}[a-z0-9])"),  # interface description
    vault_id_length=32,  # sample in List Vaults
    vaults_limit=10,  # interface description
    new_id=new_hex_id,
    archive_id_length=96,  # sample in Get Job Output
    job_id_length=32,  # no sample; like the other ids
    upload_id_length=32,  # command line tool
    upload_seconds=math.inf,  # no source has a lifetime
    part_size_limit=5 << 30,  # single uploads end at 6 GB; no source has a limit for parts
    doubles_part_size=False,  # official Python SDK, oas_api.py
    expedited_limit=None,
    inventory_limit=None,
    includes_end_date=True,
    refuses_missing_archive=True,  # error code ArchiveNotExists
    has_policy=False,
)
"""Each with its source."""


@dataclass(frozen=True)
class OasQuestions(OpenQuestions):
    """The open questions of OAS, with its own defaults."""

    range_alignment: Literal["any", "mib", "strict"] = "strict"
    range_past_end: Literal["400", "416", "413"] = "413"
    hash_on_unaligned_range: Literal["absent", "present"] = "present"
    throttling: Literal["502", "503", "reset"] = "502"
    missing_marker: Literal["refused", "ignored"] = question(
        "refused", "Whether a marker of a missing item is refused, or the list continues after it."
    )
