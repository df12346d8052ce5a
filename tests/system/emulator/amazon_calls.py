"""Calls on an emulated Glacier, and what its answers must say."""

import json
from typing import Any

import requests

from casfs.treehash import SHA256, to_text
from tests.support.emulator.amazon import VERSION, call
from tests.support.emulator.running import RunningEmulator

MIB = 1 << 20
DATA = b"".join(bytes([letter]) * MIB for letter in b"ABCDEFG")[: 6 * MIB + 512 * 1024]
BAD = (400, "InvalidParameterValueException")
MISSING = (400, "MissingParameterValueException")
GONE = (404, "ResourceNotFoundException")
JOB_KEYS = {
    "Action",
    "ArchiveId",
    "ArchiveSHA256TreeHash",
    "ArchiveSizeInBytes",
    "Completed",
    "CompletionDate",
    "CreationDate",
    "InventoryRetrievalParameters",
    "InventorySizeInBytes",
    "JobDescription",
    "JobId",
    "JobOutputPath",
    "OutputLocation",
    "RetrievalByteRange",
    "SHA256TreeHash",
    "SNSTopic",
    "SelectParameters",
    "StatusCode",
    "StatusMessage",
    "Tier",
    "VaultARN",
}
"""The members of GlacierJobDescription in Amazon's service model."""


def tree_hash(data: bytes) -> str:
    return to_text(SHA256.root(SHA256.leaves(data)))


def start(emulator: RunningEmulator, **fields: object) -> requests.Response:
    return call(emulator, "POST", "/v/jobs", data=json.dumps(fields))


def describe(emulator: RunningEmulator, job: str) -> dict[str, Any]:
    fields: dict[str, Any] = call(emulator, "GET", f"/v/jobs/{job}").json()
    return fields


def read(emulator: RunningEmulator, job: str, byte_range: str | None = None) -> requests.Response:
    headers = VERSION | ({} if byte_range is None else {"Range": byte_range})
    return call(emulator, "GET", f"/v/jobs/{job}/output", headers=headers)
