"""A server that knows no tree hashes, and sends a wrong byte once."""

import errno
import json
import os
from pathlib import Path

import pytest

from tests.support.archive import MIB, Archive, Spoil, once, random_bytes, root, wrong_at
from tests.support.mounting import mounted
from tests.support.server import Answer, Behaviour, Request, Wire, serving

DATA = random_bytes(20 * MIB + 777, seed=2)
VAULT = {"VaultName": "v", "CreationDate": "2017-08-29T08:29:41.000Z"}
JOB = {
    "Action": "ArchiveRetrieval",
    "ArchiveId": "a",
    "ArchiveSHA256TreeHash": root(DATA).hex(),
    "ArchiveSizeInBytes": len(DATA),
    "Completed": True,
    "CompletionDate": "2017-08-30T12:00:00.000Z",
    "CreationDate": "2017-08-30T08:00:00.000Z",
    "RetrievalByteRange": f"0-{len(DATA) - 1}",
    "SHA256TreeHash": root(DATA).hex(),
    "StatusCode": "Succeeded",
}
JOBS = {name: JOB | {"JobId": name} for name in ("j", "k")}
"""Two jobs for one archive, which share what is cached."""
ANSWERS = {
    "/-/vaults": {"VaultList": [VAULT], "Marker": None},
    "/-/vaults/v": VAULT,
    "/-/vaults/v/jobs": {"JobList": list(JOBS.values()), "Marker": None},
    **{f"/-/vaults/v/jobs/{name}": job for name, job in JOBS.items()},
}
PLACE = 5 * MIB + 3


def account(archive: Archive) -> Behaviour:
    def behave(request: Request, wire: Wire) -> Answer | None:
        if request.path in ANSWERS:
            return Answer(body=json.dumps(ANSWERS[request.path]).encode())
        return archive(request, wire)

    return behave


# Which of the first answers is read, and who waits for it, differs from run to run.
@pytest.mark.parametrize("run", range(4))
def test_no_copy_succeeds_with_a_byte_of_a_wrong_pass(tmp_path: Path, run: int) -> None:
    archive = Archive(DATA, ranges=False, hashes=False, spoil=once(wrong_at(PLACE)))
    with (
        serving(account(archive)) as server,
        mounted(tmp_path / "home", server.url, CASFS_CONNECTIONS=1) as mount,
    ):
        output = mount.job("v", "j", "output")
        done = mount.run("cp", output, tmp_path / "copy")
        if done.returncode != 0:
            assert os.strerror(errno.EIO) in done.stderr
            mount.good("cp", output, tmp_path / "copy")
        assert (tmp_path / "copy").read_bytes() == DATA
        assert mount.ask(os.getxattr, output, "user.casfs.verified") == b"yes"


def test_the_kernel_keeps_nothing_that_a_mismatch_took_back(tmp_path: Path) -> None:
    """The right bytes come for another file; what the kernel has of the first one stays wrong."""
    left: list[Spoil] = [wrong_at(PLACE)]

    def spoil(request: Request, answer: Answer) -> Answer | Behaviour:
        first, stop = request.span or (0, len(DATA))
        return left.pop()(request, answer) if left and first <= PLACE < stop else answer

    archive = Archive(DATA, hashes=False, spoil=spoil)
    with serving(account(archive)) as server, mounted(tmp_path / "home", server.url) as mount:
        outcomes = []
        for job in ("j", "k", "j", "j"):
            copy = tmp_path / "copy"
            done = mount.run("cp", mount.job("v", job, "output"), copy)
            outcomes.append((job, done.returncode, copy.read_bytes() == DATA))
    assert outcomes == [("j", 1, False), ("k", 0, True), ("j", 0, True), ("j", 0, True)]
