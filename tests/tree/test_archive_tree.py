"""Archives as files: what a listing asks of the service, and what it makes of odd jobs."""

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from casfs.client import Client
from casfs.config import Config
from tests.support.server import Answer, Request, Server, Wire, serving
from tests.support.service import KEY

WHOLE: dict[str, object] = {
    "JobId": "whole",
    "Action": "ArchiveRetrieval",
    "StatusCode": "Succeeded",
    "ArchiveId": "a",
    "ArchiveSizeInBytes": 12,
    "RetrievalByteRange": "0-11",
}
UNSIZED = {**WHOLE, "JobId": "unsized", "ArchiveId": "b"}
del UNSIZED["ArchiveSizeInBytes"], UNSIZED["RetrievalByteRange"]


def behave(request: Request, wire: Wire) -> Answer:
    answer: dict[str, Any] = {"VaultList": [{"VaultName": "v"}]}
    if request.path.endswith("/jobs"):
        answer = {"JobList": [WHOLE, UNSIZED]}
    return Answer(body=json.dumps(answer).encode())


@pytest.fixture
def server() -> Iterator[Server]:
    with serving(behave) as running:
        yield running


@pytest.fixture
def client(server: Server, tmp_path: Path) -> Iterator[Client]:
    with contextlib.closing(Client(Config(server.url, KEY, tmp_path))) as made:
        yield made


def test_an_archive_whose_size_nobody_tells_hides_no_other(client: Client) -> None:
    assert [node.path for node in client.list("/vaults/v/archives")] == ["/vaults/v/archives/by-id"]
    (node,) = client.list("/vaults/v/archives/by-id")
    assert (node.path, node.size) == ("/vaults/v/archives/by-id/a", 12)


def test_who_sees_the_folder_lists_no_jobs(client: Client, server: Server) -> None:
    for node in client.list("/vaults/v"):
        assert client.stat(node.path).path == node.path
    assert not [request for request in server.requests if request.path.endswith("/jobs")]
