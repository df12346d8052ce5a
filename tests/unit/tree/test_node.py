"""Entries of the tree: stable inodes, times of the service, small files as JSON."""

import contextlib
import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casfs.client import Client
from casfs.config import Config
from casfs.errors import CasfsError, NotFoundError
from casfs.sanitize import pretty
from casfs.tree.node import Directory, SmallFile
from tests.support.server import Answer, serving
from tests.support.service import KEY

VAULT = {
    "VaultName": "..",
    "CreationDate": "2020-01-01T00:00:00.000Z",
    "LastInventoryDate": "2021-01-01T00:00:00.500Z",
}
JOB: dict[str, object] = {
    "JobId": "-rf /",
    "Action": "ArchiveRetrieval",
    "StatusCode": "Succeeded",
    "ArchiveId": "a",
    "ArchiveSizeInBytes": "12",
    "RetrievalByteRange": "0-11",
    "CreationDate": "2022-01-01T00:00:00.000Z",
    "CompletionDate": "2022-01-02T00:00:00.000Z",
    "JobDescription": "é \ud83d",
}
FAILED: dict[str, object] = JOB | {"JobId": "failed", "StatusCode": "Failed", "Completed": True}
RUNNING: dict[str, object] = {
    "JobId": "running",
    "Action": "ArchiveRetrieval",
    "StatusCode": "InProgress",
}
OTHER = JOB | {"JobId": "push", "Action": "PushToCOS"}
JOBS: list[dict[str, object]] = [JOB, FAILED, RUNNING, OTHER]


def behave(request, wire):
    if request.path.endswith("/jobs"):
        return Answer(body=json.dumps({"JobList": JOBS}).encode())
    for job in JOBS:
        if request.path.endswith(f"/jobs/{job['JobId']}"):
            return Answer(body=json.dumps(job).encode())
    return Answer(body=json.dumps({"VaultList": [VAULT]}).encode())


@pytest.fixture
def client(tmp_path):
    with (
        serving(behave) as server,
        contextlib.closing(Client(Config(server.url, KEY, tmp_path))) as client,
    ):
        yield client


FOLDER = "/vaults/%2E%2E/jobs/-rf %2F"


def test_odd_names_have_paths(client):
    assert [node.path for node in client.list("/vaults")] == ["/vaults/%2E%2E"]
    assert client.stat(FOLDER).is_directory
    assert client.stat(f"{FOLDER}/output").size == 12


def test_times_are_those_of_the_service(client):
    assert client.stat(f"{FOLDER}/output").mtime == 1641081600 * 10**9
    assert client.stat(f"{FOLDER}/job.json").mtime == 1641081600 * 10**9
    assert client.stat("/vaults/%2E%2E/vault.json").mtime == 1609459200 * 10**9 + 500_000_000
    # A job without a time is as old as what is known of it.
    known = client.stat("/vaults/%2E%2E/jobs/running").mtime
    assert abs(known / 10**9 - time.time()) < 600
    assert client.stat("/vaults/%2E%2E/jobs/running/job.json").mtime == known


@pytest.mark.parametrize("name", ["failed", "running", "push"])
def test_only_what_can_be_read_has_an_output(client, name):
    folder = f"/vaults/%2E%2E/jobs/{name}"
    assert [node.path for node in client.list(folder)] == [f"{folder}/job.json"]
    with pytest.raises(NotFoundError):
        client.stat(f"{folder}/output")


def test_a_description_is_shown_as_the_service_sent_it(client):
    node = client.stat(f"{FOLDER}/job.json")
    assert isinstance(node, SmallFile)
    shown = node.content()
    assert len(shown) == node.size
    assert list(json.loads(shown)) == list(JOB)
    assert json.loads(shown) == JOB
    assert "é".encode() in shown


@pytest.mark.parametrize("path", ["", "/", "//", "/vaults/", "//vaults//%2E%2E/"])
def test_slashes_do_not_count(client, path):
    assert client.stat(path).is_directory


@given(st.lists(st.text(min_size=1), unique=True, min_size=2, max_size=20))
def test_inodes_depend_on_the_path_alone(paths):
    inodes = {Directory(path, number).inode for number, path in enumerate(paths)}
    assert len(inodes) == len(paths)
    assert all(1 < inode < 1 << 64 for inode in inodes)
    assert SmallFile(paths[0], 5, 1, bytes).inode == Directory(paths[0], 6).inode


@given(st.dictionaries(st.text(), st.text() | st.integers() | st.none()))
def test_json_for_people_is_json(facts):
    assert json.loads(pretty(facts)) == facts
    assert pretty(facts).endswith(b"}\n")


def test_the_root_and_the_status_answer_while_the_catalog_fails(client, monkeypatch):
    paths = ("/", "/vaults", "/.casfs", "/.casfs/status.json")
    before = [client.stat(path).mtime for path in paths]

    def fail(*_: object) -> None:
        raise CasfsError("the catalog failed")

    monkeypatch.setattr(client._database, "rows", fail)
    assert [client.stat(path).mtime for path in paths] == before
    assert [node.path for node in client.list("/")] == ["/vaults", "/.casfs"]
