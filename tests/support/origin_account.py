"""What the origin holds: vaults, jobs and bytes, as a JSON file describes them.

    {"vaults": {"photos": {"jobs": [
        {"JobId": "j1", "@size": 5000000, "@seed": 7},
        {"JobId": "j2", "Action": "InventoryRetrieval", "@text": "..."},
        {"JobId": "j3", "@file": "/some/file", "@of": [0, 3, 9]}]}}}

A job's bytes are `@size` bytes made from `@seed`, or `@text`, or those of `@file`. `@of: [first,
stop, leaves]` places the output in a larger archive: it is leaves `first` to `stop - 1` of
`leaves`, so hashes come where that archive has them. `@hashes: false` leaves hashes out. Every
other key replaces what the job or the vault would say by itself.
"""

import hashlib
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

from tests.support.random_data import random_bytes

MIB = 1 << 20
_STARTED = datetime.now(UTC)


@lru_cache(maxsize=64)
def made_bytes(size: int, seed: int) -> bytes:
    """Bytes that are the same for the same size and seed, in any process."""
    return random_bytes(size, seed)


def leaves(data: bytes) -> list[bytes]:
    starts = range(0, max(len(data), 1), MIB)
    return [hashlib.sha256(data[start : start + MIB]).digest() for start in starts]


def root(level: list[bytes]) -> bytes:
    """The tree hash above these leaves."""
    while len(level) > 1:
        pairs = [level[at : at + 2] for at in range(0, len(level), 2)]
        level = [hashlib.sha256(b"".join(p)).digest() if len(p) == 2 else p[0] for p in pairs]
    return level[0]


def is_node(first: int, stop: int, count: int) -> bool:
    """Whether leaves `first` to `stop - 1` are all those below one node of a tree of `count`."""
    width = 1
    while width < stop - first:
        width *= 2
    return first % width == 0 and stop == min(first + width, count)


@dataclass(frozen=True)
class Bytes:
    """The output of a job, and the leaves that it is of its archive."""

    data: bytes
    first: int
    count: int
    hashes: bool

    @cached_property
    def leaves(self) -> list[bytes]:
        return leaves(self.data)

    def tree_hash(self, start: int, stop: int) -> str | None:
        """The hash of bytes `start` to `stop - 1`, None where the service would send none."""
        if not self.hashes or not self.data or start % MIB:
            return None
        if stop % MIB and stop != len(self.data):
            return None
        first, last = start // MIB, -(-stop // MIB)
        whole = is_node(self.first, self.first + len(self.leaves), self.count)
        if not whole or not is_node(self.first + first, self.first + last, self.count):
            return None
        return root(self.leaves[first:last]).hex()


class Account:
    """The vaults of an account; the file is read again when it has changed."""

    def __init__(self, path: Path, arn: str, arn_key: str) -> None:
        self._path = path
        self._arn, self._arn_key = arn, arn_key
        self._read: tuple[int, dict[str, Any]] | None = None
        self._made: dict[str, Bytes] = {}

    @property
    def vaults(self) -> Mapping[str, Any]:
        changed = self._path.stat().st_mtime_ns
        if self._read is None or self._read[0] != changed:
            self._read = changed, json.loads(self._path.read_text())
        vaults: dict[str, Any] = self._read[1]["vaults"]
        return vaults

    def vault(self, name: str) -> dict[str, Any] | None:
        """Describe Vault; None if there is none."""
        told = self.vaults.get(name)
        if told is None:
            return None
        facts = {
            "CreationDate": _iso(-30),
            "LastInventoryDate": _iso(-1),
            "NumberOfArchives": len(told.get("jobs", [])),
            "SizeInBytes": 0,
            self._arn_key: f"{self._arn}{name}",
            "VaultName": name,
        }
        return facts | {key: value for key, value in told.items() if key != "jobs"}

    def jobs(self, vault: str) -> list[dict[str, Any]]:
        """List Jobs, in the order of the file."""
        return [self._job(vault, told) for told in self.vaults[vault].get("jobs", [])]

    def job(self, vault: str, job_id: str) -> dict[str, Any] | None:
        """Describe Job; None if there is none."""
        return next((job for job in self.jobs(vault) if job["JobId"] == job_id), None)

    def output(self, vault: str, job_id: str) -> Bytes:
        """The output of a job that there is."""
        jobs = self.vaults[vault]["jobs"]
        return self._bytes(next(job for job in jobs if job["JobId"] == job_id))

    def _bytes(self, told: Mapping[str, Any]) -> Bytes:
        key = json.dumps({k: v for k, v in told.items() if k.startswith("@")}, sort_keys=True)
        key = key if key != "{}" else str(told["JobId"])
        if key not in self._made:
            if "@file" in told:
                data = Path(told["@file"]).read_bytes()
            elif "@text" in told:
                data = told["@text"].encode("utf-8", "surrogateescape")
            else:
                data = made_bytes(told.get("@size", 0), told.get("@seed", 1))
            first, stop, count = told.get("@of", [0, -(-len(data) // MIB), -(-len(data) // MIB)])
            assert stop - first == -(-len(data) // MIB), f"{told['JobId']}: @of and size differ"
            inventory = told.get("Action") == "InventoryRetrieval"
            hashes = told.get("@hashes", not inventory)
            self._made[key] = Bytes(data, first, count, hashes)
        return self._made[key]

    def _job(self, vault: str, told: Mapping[str, Any]) -> dict[str, Any]:
        output, size = self._bytes(told), len(self._bytes(told).data)
        inventory = told.get("Action") == "InventoryRetrieval"
        whole = output.first == 0 and output.count == len(output.leaves)
        digest = output.tree_hash(0, size)
        start = output.first * MIB
        facts: dict[str, Any] = {
            "Action": "ArchiveRetrieval",
            "ArchiveId": None if inventory else f"archive-of-{told['JobId']}",
            "ArchiveSHA256TreeHash": digest if whole else None,
            "ArchiveSizeInBytes": None if inventory else size,
            "Completed": True,
            "CompletionDate": _iso(0),
            "CreationDate": _iso(-1),
            "InventorySizeInBytes": size if inventory else None,
            "JobDescription": "",
            "RetrievalByteRange": None if inventory else f"{start}-{start + size - 1}",
            "SHA256TreeHash": digest,
            "StatusCode": "Succeeded",
            "StatusMessage": "Succeeded",
            "Tier": None if inventory else "Standard",
            self._arn_key: f"{self._arn}{vault}",
        }
        if inventory:
            facts["InventoryRetrievalParameters"] = {"Format": "JSON", "Limit": 0, "Marker": None}
        return facts | {key: value for key, value in told.items() if not key.startswith("@")}


def _iso(days: float) -> str:
    return (_STARTED + timedelta(days=days)).strftime("%Y-%m-%dT%H:%M:%S.000Z")


def wait_for(path: Path, seconds: float) -> None:
    """Wait until a file is gone."""
    end = time.monotonic() + seconds
    while path.exists() and time.monotonic() < end:
        time.sleep(0.02)
