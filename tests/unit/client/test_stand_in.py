"""A stand-in for Glacier such as moto: no sizes, no hashes, no ranges, answers of any type."""

import contextlib
import json
import os
import threading

import pytest

from casfs.client import Client
from casfs.config import load
from tests.support.archive import MIB, random_bytes
from tests.support.client_reading import content, names
from tests.support.server import Answer, Request, Wire, serving

DATA = random_bytes(41 * MIB + 7, seed=21)
OUTPUT = "/vaults/v/jobs/j/output"


class StandIn:
    """Serves one job; `finished` lets it succeed."""

    def __init__(self) -> None:
        self.finished = True
        self.outputs = 0

    def job(self) -> dict[str, object]:
        facts: dict[str, object] = {
            "Action": "ArchiveRetrieval",
            "ArchiveId": "0123",
            "ArchiveSizeInBytes": 0,
            "ArchiveSHA256TreeHash": None,
            "Completed": self.finished,
            "CreationDate": "2026-01-01T00:00:00.000Z",
            "InventorySizeInBytes": 10000 if self.finished else 0,
            "JobDescription": None,
            "JobId": "j",
            "RetrievalByteRange": None,
            "SHA256TreeHash": None,
            "StatusCode": "Succeeded" if self.finished else "InProgress",
            "StatusMessage": None,
        }
        return facts | ({"CompletionDate": "2026-01-01T00:00:02.000Z"} if self.finished else {})

    def __call__(self, request: Request, wire: Wire) -> Answer:
        if request.path.endswith("/output"):
            self.outputs += 1
            return Answer(200, DATA) if self.finished else Answer(404, b"archive not found")
        vault = {"VaultName": "v", "VaultARN": "arn:v", "NumberOfArchives": 1, "SizeInBytes": 1}
        found: dict[str, object] = {
            "/-/vaults": {"Marker": None, "VaultList": [vault]},
            "/-/vaults/v/jobs": {"Marker": None, "JobList": [self.job()]},
            "/-/vaults/v/jobs/j": self.job(),
        }
        if request.path not in found:
            return Answer(500, b"<html>internal error</html>", {"Content-Type": "text/html"})
        return Answer(200, json.dumps(found[request.path]).encode(), {"Content-Type": "text/html"})


@pytest.fixture
def stand_in():
    return StandIn()


@pytest.fixture
def client_at(stand_in, tmp_path):
    """Make clients of the stand-in that share a cache."""
    with serving(stand_in) as server, contextlib.ExitStack() as stack:

        def made() -> Client:
            environment = {
                "CASFS_CONFIG": os.devnull,
                "CASFS_CACHE_DIR": str(tmp_path / "cache"),
                "CASFS_DIALECT": "glacier",
                "CASFS_REGION": "eu-west-1",
                "CASFS_ENDPOINT": server.url,
                "CASFS_ACCESS_KEY_ID": "any",
                "CASFS_SECRET_ACCESS_KEY": "thing",
                "CASFS_ATTEMPTS": "2",
                "CASFS_LISTING_TTL": "0",
            }
            client = Client(load(None, None, environment, tmp_path))
            stack.callback(client.close)
            return client

        yield made


def counted(client: Client, name: str) -> object:
    return client.metrics.as_dict()[name]


def test_an_output_of_unknown_size_is_read_in_one_pass_and_stays_unverified(client_at, stand_in):
    client = client_at()
    node = client.stat(OUTPUT)
    assert node.size == len(DATA)
    assert content(client, OUTPUT) == DATA
    assert counted(client, "received_bytes") == len(DATA)
    assert client.attributes(node)["verified"] == "no"
    client.close()

    asked = stand_in.outputs
    again = client_at()
    assert content(again, OUTPUT) == DATA
    assert again.attributes(again.stat(OUTPUT))["verified"] == "no"
    assert stand_in.outputs == asked


def test_readers_everywhere_share_the_pass(client_at, stand_in):
    client = client_at()
    wrong = []

    def read(at: int) -> None:
        file = client.open(client.stat(OUTPUT))
        if bytes(file.pread(3 * MIB, at)) != DATA[at : at + 3 * MIB]:
            wrong.append(at)
        file.close()

    threads = [
        threading.Thread(target=read, args=(at,)) for at in range(0, len(DATA), 5 * MIB + 11)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert counted(client, "received_bytes") == len(DATA)


def test_a_running_job_shows_no_output_and_no_file_of_zero_bytes(client_at, stand_in):
    stand_in.finished = False
    client = client_at()
    assert names(client, "/vaults/v/jobs/j") == ["job.json"]
    stand_in.finished = True
    client.list("/vaults/v/jobs")
    assert names(client, "/vaults/v/jobs/j") == ["job.json", "output"]


def test_what_is_not_there_is_an_error_whatever_its_form(client_at):
    client = client_at()
    for path in ("/vaults/nothing", "/vaults/v/jobs/nothing"):
        with pytest.raises(OSError, match="nothing"):
            client.stat(path)
