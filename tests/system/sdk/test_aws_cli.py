"""The command line of AWS, as Amazon publishes it, in an environment of its own."""

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from casfs.treehash import SHA256, to_text
from tests.support.emulator.amazon import ACCOUNT, ARN, REGION, glacier
from tests.support.emulator.running import KEY_ID, SECRET, RunningEmulator
from tests.support.random_data import random_bytes
from tests.system.sdk.reading import casfs_reads

PYTHON = Path(__file__).parents[3] / ".venv-awscli" / "bin" / "python"
RUN_AWS = Path(__file__).parent / "sessions" / "run_aws.py"
MIB = 1 << 20
DATA = random_bytes(5 * MIB + 777, seed=5)


class Aws:
    """Runs `aws glacier` against one emulator."""

    def __init__(self, url: str, home: Path) -> None:
        assert PYTHON.exists(), f"{PYTHON} is missing: run scripts/setup --tests"
        self._url = url
        self._process = subprocess.Popen(
            [PYTHON, RUN_AWS],
            env={
                "PATH": os.environ["PATH"],
                "HOME": str(home),
                "AWS_ACCESS_KEY_ID": KEY_ID,
                "AWS_SECRET_ACCESS_KEY": SECRET,
                "AWS_DEFAULT_REGION": REGION,
                "AWS_MAX_ATTEMPTS": "1",
                "AWS_PAGER": "",
                "NO_PROXY": "127.0.0.1",
            },
            cwd=home,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.home = home

    def close(self) -> None:
        self._process.communicate(timeout=60)

    def run(self, *arguments: object) -> subprocess.CompletedProcess[str]:
        common = ["--account-id=-", "--output=json", f"--endpoint-url={self._url}"]
        output, errors = self.home / "stdout", self.home / "stderr"
        call = {
            "arguments": ["glacier", *map(str, arguments), *common],
            "output": str(output),
            "errors": str(errors),
        }
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(json.dumps(call), file=self._process.stdin, flush=True)
        status = int(self._process.stdout.readline())
        return subprocess.CompletedProcess(
            call["arguments"], status, output.read_text(), errors.read_text()
        )

    def __call__(self, *arguments: object) -> Any:
        """Run a command that must succeed; returns what it prints."""
        done = self.run(*arguments)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout) if done.stdout.strip() else None

    def start(self, vault: str, **fields: object) -> str:
        """Initiate a job; returns its id."""
        given = f"--job-parameters={json.dumps(fields)}"
        job: str = self("initiate-job", f"--vault-name={vault}", given)["jobId"]
        return job

    def output(self, vault: str, job: str, *more: str) -> tuple[dict[str, Any], bytes]:
        """Get an output; returns what is said of it, and its bytes."""
        target = self.home / "output"
        names = f"--vault-name={vault}", f"--job-id={job}"
        said = self("get-job-output", *names, *more, target)
        return said, target.read_bytes()


@pytest.fixture(scope="module")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningEmulator]:
    with glacier(tmp_path_factory.mktemp("glacier")) as running:
        yield running


@pytest.fixture(scope="module")
def aws(emulator: RunningEmulator, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Aws]:
    with closing(Aws(emulator.url, tmp_path_factory.mktemp("home"))) as command:
        (command.home / "data").write_bytes(DATA)
        command("create-vault", "--vault-name=v")
        yield command


@pytest.fixture(scope="module")
def archive(aws: Aws) -> str:
    """An archive of `DATA` in the vault `v`."""
    said = aws("upload-archive", "--vault-name=v", "--body=data", "--archive-description=dir/a, b")
    assert said["checksum"] == tree_hash(DATA)
    found: str = said["archiveId"]
    return found


def tree_hash(data: bytes) -> str:
    return to_text(SHA256.root(SHA256.leaves(data)))


def test_vaults(aws: Aws) -> None:
    names = [f"page-{number:02}" for number in range(11)]
    for name in names:
        made = aws("create-vault", f"--vault-name={name}")
        assert made == {"location": f"/{ACCOUNT}/vaults/{name}"}
    listed = [vault["VaultName"] for vault in aws("list-vaults")["VaultList"]]
    assert sorted(listed) == listed
    assert {*names, "v"} <= set(listed)
    few = aws("list-vaults", "--max-items=3", "--page-size=2")["VaultList"]
    assert [vault["VaultName"] for vault in few] == listed[:3]
    described = aws("describe-vault", "--vault-name=page-00")
    assert described["VaultARN"] == f"{ARN}page-00"
    aws("wait", "vault-exists", "--vault-name=page-00")
    aws("delete-vault", "--vault-name=page-00")
    gone = aws.run("describe-vault", "--vault-name=page-00")
    assert gone.returncode != 0
    assert "ResourceNotFoundException" in gone.stderr
    assert "page-00" not in json.dumps(aws("list-vaults"))


def test_a_retrieval_and_its_output(aws: Aws, emulator: RunningEmulator, archive: str) -> None:
    job = aws.start("v", Type="archive-retrieval", ArchiveId=archive, Tier="Expedited")
    described = aws("describe-job", "--vault-name=v", f"--job-id={job}")
    assert (described["StatusCode"], described["Tier"]) == ("Succeeded", "Expedited")
    assert described["SHA256TreeHash"] == tree_hash(DATA)
    said, data = aws.output("v", job)
    assert data == DATA
    assert (said["status"], said["checksum"]) == (200, tree_hash(DATA))
    assert said["archiveDescription"] == "dir/a, b"
    assert casfs_reads(emulator, "glacier", "v", job) == DATA
    said, data = aws.output("v", job, f"--range=bytes={4 * MIB}-{len(DATA) - 1}")
    assert data == DATA[4 * MIB :]
    assert (said["status"], said["checksum"]) == (206, tree_hash(data))
    assert said["contentRange"] == f"bytes {4 * MIB}-{len(DATA) - 1}/{len(DATA)}"


def test_a_retrieval_of_a_range(aws: Aws, archive: str) -> None:
    spans = f"{2 * MIB}-{4 * MIB - 1}"
    job = aws.start("v", Type="archive-retrieval", ArchiveId=archive, RetrievalByteRange=spans)
    said, data = aws.output("v", job)
    assert (data, said["checksum"]) == (DATA[2 * MIB : 4 * MIB], tree_hash(data))
    assert aws.output("v", job, "--range=bytes=0-9")[1] == DATA[2 * MIB :][:10]
    bad = {"Type": "archive-retrieval", "ArchiveId": archive, "RetrievalByteRange": "1-2"}
    given = f"--job-parameters={json.dumps(bad)}"
    refused = aws.run("initiate-job", "--vault-name=v", given)
    assert "InvalidParameterValueException" in refused.stderr


def test_inventories(aws: Aws, archive: str) -> None:
    said, data = aws.output("v", aws.start("v", Type="inventory-retrieval"))
    assert said["contentType"] == "application/json"
    found = {one["ArchiveId"]: one for one in json.loads(data)["ArchiveList"]}[archive]
    assert (found["Size"], found["ArchiveDescription"]) == (len(DATA), "dir/a, b")
    said, data = aws.output("v", aws.start("v", Type="inventory-retrieval", Format="CSV"))
    assert said["contentType"] == "text/csv"
    line = f'{archive},"dir/a, b",{found["CreationDate"]},{len(DATA)},{tree_hash(DATA)}'
    assert line in data.decode().splitlines()


def test_all_pages_of_jobs(aws: Aws, emulator: RunningEmulator, archive: str) -> None:
    job = aws.start("v", Type="archive-retrieval", ArchiveId=archive)
    columns = "vault, kind, created, completed, failure, archive, first, last, tree_hash, tier"
    emulator.sql(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 120)"
        f" INSERT INTO jobs (id, {columns}, description, item_limit)"
        f" SELECT 'more' || i, {columns}, 'more', 0 FROM n, jobs WHERE jobs.id = ?",
        job,
    )
    listed = aws("list-jobs", "--vault-name=v", "--statuscode=Succeeded")["JobList"]
    more = [one for one in listed if one.get("JobDescription") == "more"]
    assert len({one["JobId"] for one in more}) == len(more) == 120
    first = aws("list-jobs", "--vault-name=v", "--no-paginate")
    assert (len(first["JobList"]), bool(first["Marker"])) == (50, True)


def test_a_multipart_upload_and_its_end(aws: Aws) -> None:
    size = 2 * MIB
    begun = aws(
        "initiate-multipart-upload",
        "--vault-name=v",
        f"--part-size={size}",
        "--archive-description=in parts",
    )
    names = "--vault-name=v", f"--upload-id={begun['uploadId']}"
    for first in range(0, len(DATA), size):
        part = DATA[first : first + size]
        (aws.home / "part").write_bytes(part)
        span = f"--range=bytes {first}-{first + len(part) - 1}/*"
        said = aws("upload-multipart-part", *names, "--body=part", span)
        assert said["checksum"] == tree_hash(part)
    parts = aws("list-parts", *names)["Parts"]
    assert [part["SHA256TreeHash"] for part in parts] == [
        tree_hash(DATA[first : first + size]) for first in range(0, len(DATA), size)
    ]
    (listed,) = aws("list-multipart-uploads", "--vault-name=v")["UploadsList"]
    assert listed["ArchiveDescription"] == "in parts"
    total = f"--archive-size={len(DATA)}"
    done = aws("complete-multipart-upload", *names, total, f"--checksum={tree_hash(DATA)}")
    archive = done["archiveId"]
    job = aws.start("v", Type="archive-retrieval", ArchiveId=archive)
    assert aws.output("v", job)[1] == DATA
    aws("delete-archive", "--vault-name=v", f"--archive-id={archive}")
    given = json.dumps({"Type": "archive-retrieval", "ArchiveId": archive})
    gone = aws.run("initiate-job", "--vault-name=v", f"--job-parameters={given}")
    assert "ResourceNotFoundException" in gone.stderr
    assert aws.output("v", job)[1] == DATA
