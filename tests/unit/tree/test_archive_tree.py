"""Archives as files: what a listing asks of the service, and what it makes of odd jobs."""

import contextlib
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from casfs.client import Client
from casfs.config import Config
from casfs.errors import NotFoundError
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


@pytest.fixture
def jobs() -> list[dict[str, object]]:
    """The jobs of the vault; a test may change them."""
    return [WHOLE, UNSIZED]


@pytest.fixture
def server(jobs: list[dict[str, object]]) -> Iterator[Server]:
    def behave(request: Request, wire: Wire) -> Answer:
        answer: dict[str, Any] = {"VaultList": [{"VaultName": "v"}]}
        if request.path.endswith("/jobs"):
            answer = {"JobList": jobs}
        return Answer(body=json.dumps(answer).encode())

    with serving(behave) as running:
        yield running


@pytest.fixture
def client(server: Server, tmp_path: Path) -> Iterator[Client]:
    with contextlib.closing(Client(Config(server.url, KEY, tmp_path))) as made:
        yield made


def test_an_archive_whose_size_nobody_knows_hides_no_other(client: Client) -> None:
    assert [node.path for node in client.list("/vaults/v/archives")] == ["/vaults/v/archives/by-id"]
    (node,) = client.list("/vaults/v/archives/by-id")
    assert (node.path, node.size) == ("/vaults/v/archives/by-id/a", 12)


def test_who_sees_the_folder_lists_no_jobs(client: Client, server: Server) -> None:
    for node in client.list("/vaults/v"):
        assert client.stat(node.path).path == node.path
    assert not [request for request in server.requests if request.path.endswith("/jobs")]


def test_the_jobs_of_an_archive_fit_into_an_attribute(
    client: Client, jobs: list[dict[str, object]]
) -> None:
    jobs[:] = [
        {
            **WHOLE,
            "JobId": f"{number:092}",
            "ArchiveSizeInBytes": 50 << 20,
            "RetrievalByteRange": f"{number << 20}-{(number + 1 << 20) - 1}",
        }
        for number in range(50)
    ]
    attributes = client.attributes(client.stat("/vaults/v/archives/by-id/a"))
    told = attributes["job-id"].split(" ")
    assert told[:16] == [f"{number:092}" for number in range(16)]
    assert told[16:] == ["and", "34", "more"]


def test_an_id_too_long_for_a_file_name_is_reached(
    client: Client, jobs: list[dict[str, object]]
) -> None:
    jobs[:] = [WHOLE | {"ArchiveId": "x" * 300}]
    (node,) = client.list("/vaults/v/archives/by-id")
    assert client.stat(node.path) == node


RUNNING = {**WHOLE, "StatusCode": "InProgress"}
BY_ID = "/vaults/v/archives/by-id/a"


def test_an_archive_is_there_once_its_job_was_listed(client: Client) -> None:
    client.list("/vaults/v/jobs")
    assert client.stat(BY_ID).size == 12


def test_an_archive_is_there_once_another_process_listed_its_job(
    client: Client, server: Server, jobs: list[dict[str, object]]
) -> None:
    jobs[:] = [RUNNING]
    with pytest.raises(NotFoundError):
        client.stat(BY_ID)
    jobs[:] = [WHOLE]
    with contextlib.closing(Client(replace(client.config, listing_ttl=0))) as other:
        list(other.jobs("v"))
    assert client.stat(BY_ID).size == 12


def test_an_archive_is_there_once_its_job_has_finished(
    server: Server, jobs: list[dict[str, object]], tmp_path: Path
) -> None:
    jobs[:] = [RUNNING]
    with contextlib.closing(Client(Config(server.url, KEY, tmp_path, listing_ttl=0))) as client:
        assert client.list("/vaults/v/archives") == []
        with pytest.raises(NotFoundError):
            client.stat(BY_ID)
        jobs[:] = [WHOLE]
        assert client.stat(BY_ID).size == 12


def test_an_archive_is_there_though_the_list_of_jobs_is_young(
    client: Client, jobs: list[dict[str, object]]
) -> None:
    jobs[:] = [RUNNING]
    client.list("/vaults/v/jobs")
    assert client.list("/vaults/v/archives") == []
    jobs[:] = [WHOLE]
    assert client.stat(BY_ID).size == 12


def test_what_is_not_there_is_asked_for_once_in_a_while(client: Client, server: Server) -> None:
    asked = []
    for name in ("by-id/nope", "nope", "deep/er/nope", "by-id/nope"):
        with pytest.raises(NotFoundError):
            client.stat(f"/vaults/v/archives/{name}")
        asked.append(len(server.requests))
    assert asked[0] == asked[-1]


def test_an_archive_with_a_long_id_has_one_name_in_the_mount_and_in_listings(
    client: Client, jobs: list[dict[str, object]]
) -> None:
    jobs[:] = [{**WHOLE, "ArchiveId": "a" * 300}]
    (node,) = client.list("/vaults/v/archives/by-id")
    place = node.path.removeprefix("/vaults/v/archives/")
    assert client.stat(node.path).size == 12
    (listed,) = client.archives.entries("v", "by-id", everything=False)
    assert listed.place == place
    (found,) = client.archives.entries("v", place, everything=False)
    assert found.archive is not None
    assert found.archive.id == "a" * 300
