"""An origin that nobody here wrote: nginx, over plain files shaped like the service's answers.

Listings and descriptions are static JSON; outputs are files. The tree hash of a range is looked up
in a table of all subtrees by path and Range, so that nginx needs no module.
"""

import contextlib
import json
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from casfs.treehash import SHA256
from tests.support.nginx import running_nginx
from tests.support.random_data import random_bytes

MIB = 1 << 20
VAULT = "restored"

_SITE = """
    log_format ranges '$status "$http_range" $uri';
    map_hash_max_size 65536;
    map_hash_bucket_size 256;
    map "$uri $http_range" $tree_hash {{
        default "";
        include {root}/hashes;
    }}
    server {{
        listen 127.0.0.1:{port};
        root {root}/files;
        add_header x-cas-requestid $request_id;
        add_header x-cas-sha256-tree-hash $tree_hash;
        location = /-/vaults {{ default_type application/json; alias {root}/json/vaults; }}
        location ~ ^/-/vaults/([^/]+)$ {{
            default_type application/json; alias {root}/json/$1.vault;
        }}
        location ~ ^/-/vaults/([^/]+)/jobs$ {{
            default_type application/json; alias {root}/json/$1.jobs;
        }}
        location ~ ^/-/vaults/[^/]+/jobs/([^/]+)$ {{
            default_type application/json; alias {root}/json/$1.job;
        }}
        location ~ ^/-/vaults/[^/]+/jobs/([^/]+)/output$ {{
            default_type application/octet-stream; alias {root}/files/$1;
            access_log {root}/ranges.log ranges;
        }}
    }}
"""


class Origin:
    """A running nginx: where it is, what it serves, and what it was asked for."""

    def __init__(self, root: Path, port: int, files: Mapping[str, Path]) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.files = files
        self._log = root / "ranges.log"

    def ranges(self) -> list[tuple[str, int, int]]:
        """Job, first byte and byte behind the last one of every GET of an output so far."""
        found = []
        for line in self._log.read_text().splitlines():
            match = re.fullmatch(r'206 "bytes=(\d+)-(\d+)" .*/jobs/(.*)/output', line)
            assert match, f"not a ranged GET that was answered as such: {line}"
            found.append((match[3], int(match[1]), int(match[2]) + 1))
        return found

    def blocks(self) -> list[tuple[str, int]]:
        """Job and number of every block that was asked for, as often as it was."""
        return [
            (job, block)
            for job, first, stop in self.ranges()
            for block in range(first // MIB, -(-stop // MIB))
        ]

    def forget(self) -> None:
        """Forget what was asked for."""
        os.truncate(self._log, 0)


@contextlib.contextmanager
def nginx(root: Path, sizes: Mapping[str, int], hashes: bool = True) -> Iterator[Origin]:
    """Serve files of these sizes as outputs of jobs of these names, with or without tree hashes."""
    files = _write(root, sizes)
    if not hashes:
        (root / "hashes").write_text("")
    (root / "ranges.log").touch()
    with running_nginx(root, _SITE) as port:
        yield Origin(root, port, files)


def _write(root: Path, sizes: Mapping[str, int]) -> dict[str, Path]:
    for folder in ("files", "json"):
        (root / folder).mkdir()
    files, hashes, jobs = {}, {}, []
    for job, size in sizes.items():
        files[job] = root / "files" / job
        data = random_bytes(size, job)
        files[job].write_bytes(data)
        leaves = SHA256.leaves(data)
        path = f"/-/vaults/{VAULT}/jobs/{job}/output"
        for first, stop in _subtrees(len(leaves)):
            span = f"bytes={first * MIB}-{min(stop * MIB, size) - 1}"
            hashes[f"{path} {span}"] = SHA256.root(leaves[first:stop]).hex()
        facts = _job(job, size, SHA256.root(leaves).hex())
        jobs.append(facts)
        (root / "json" / f"{job}.job").write_text(json.dumps(facts))
    (root / "hashes").write_text("".join(f'"{key}" {hash_};\n' for key, hash_ in hashes.items()))
    vault = {
        "CreationDate": "2017-08-29T08:29:41.000Z",
        "LastInventoryDate": None,
        "NumberOfArchives": None,
        "SizeInBytes": None,
        "VaultName": VAULT,
        "VaultQCS": f"qcs:id/0:cas:ap-chengdu:uid/1250000000:vaults/{VAULT}",
    }
    listing = {"Marker": None, "VaultList": [vault]}
    (root / "json" / "vaults").write_text(json.dumps(listing))
    (root / "json" / f"{VAULT}.vault").write_text(json.dumps(vault))
    (root / "json" / f"{VAULT}.jobs").write_text(json.dumps({"JobList": jobs, "Marker": None}))
    return files


def _subtrees(leaves: int) -> Iterator[tuple[int, int]]:
    width = 1
    while True:
        for first in range(0, leaves, width):
            yield first, min(first + width, leaves)
        if width >= leaves:
            return
        width *= 2


def _job(job: str, size: int, tree_hash: str) -> dict[str, object]:
    return {
        "Action": "ArchiveRetrieval",
        "ArchiveId": f"archive-of-{job}",
        "ArchiveSHA256TreeHash": tree_hash,
        "ArchiveSizeInBytes": size,
        "Completed": True,
        "CompletionDate": "2017-08-30T12:00:00.000Z",
        "CreationDate": "2017-08-30T08:00:00.000Z",
        "InventorySizeInBytes": None,
        "JobDescription": "",
        "JobId": job,
        "RetrievalByteRange": f"0-{size - 1}",
        "SHA256TreeHash": tree_hash,
        "StatusCode": "Succeeded",
        "StatusMessage": "Succeeded",
        "Tier": "Standard",
        "VaultQCS": f"qcs:id/0:cas:ap-chengdu:uid/1250000000:vaults/{VAULT}",
    }
