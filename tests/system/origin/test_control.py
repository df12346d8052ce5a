"""The origin of the standard library: right when it behaves, and wrong just as it is told."""

import gzip
import http.client
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from casfs.client import Client
from casfs.config import Config
from casfs.credentials import Credentials
from casfs.ranges import BLOCK_SIZE
from tests.support.running_origin import RunningOrigin, content

ARCHIVE: dict[str, Any] = {"JobId": "j1", "@size": 5 * BLOCK_SIZE + 7, "@seed": 3}
RIGHT = content(ARCHIVE)
PATH = "/-/vaults/v/jobs/j1/output"
START, STOP = BLOCK_SIZE, 2 * BLOCK_SIZE


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningOrigin]:
    root = tmp_path_factory.mktemp("origin")
    with RunningOrigin(root, {"v": {"jobs": [ARCHIVE]}}) as running:
        yield running


def get(origin: RunningOrigin, path: str = PATH) -> tuple[int, dict[str, str], bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", origin.port, timeout=30)
    try:
        connection.request("GET", path, headers={"Range": f"bytes={START}-{STOP - 1}"})
        answer = connection.getresponse()
        return answer.status, dict(answer.getheaders()), answer.read()
    finally:
        connection.close()


def told(origin: RunningOrigin, **do: Any) -> tuple[int, dict[str, str], bytes]:
    origin.misbehave({"when": {"call": "output"}, "do": do})
    return get(origin)


@pytest.mark.parametrize("dialect", ["cas", "glacier"])
def test_casfs_reads_what_it_holds_when_it_behaves(tmp_path: Path, dialect: str) -> None:
    with RunningOrigin(tmp_path / "o", {"v": {"jobs": [ARCHIVE]}}, dialect=dialect) as origin:
        key = Credentials("AKID", "secret")
        config = Config(
            dialect=dialect,
            region="us-east-1",
            endpoint=origin.url,
            credentials=key,
            cache_dir=tmp_path / "cache",
        )
        client = Client(config)
        try:
            node = client.stat("/vaults/v/jobs/j1/output")
            file = client.open(node)
            assert bytes(file.pread(len(RIGHT), 0)) == RIGHT
            assert client.attributes(node)["verified"] == "yes"
            file.close()
        finally:
            client.close()
        assert {one["key"] for one in origin.requests()} == {"AKID"}


def test_a_rule_counts_the_requests_that_fit_it(origin: RunningOrigin) -> None:
    fit = {"call": "output", "job": "j1", "from": START}
    origin.misbehave({"when": fit, "skip": 1, "times": 1, "do": {"error": "Odd", "status": 418}})
    assert [get(origin)[0] for _ in range(3)] == [206, 418, 206]
    assert [one["status"] for one in origin.requests("output")[-3:]] == [206, 418, 206]


def test_an_answer_is_wrong_as_instructed(origin: RunningOrigin) -> None:
    part = RIGHT[START:STOP]
    assert told(origin)[::2] == (206, part)
    status, headers, body = told(origin, part=True, framing="chunked")
    assert (status, body, "Content-Range" in headers) == (200, part, False)
    assert told(origin, whole=True, framing="close")[::2] == (200, RIGHT)
    assert told(origin, shift=5)[2] == RIGHT[START + 5 : STOP + 5]
    assert told(origin, html="<p>no</p>", status=404)[::2] == (404, b"<p>no</p>")
    status, headers, body = told(origin, error="Gone", status=410)
    assert (status, json.loads(body)["code"]) == (410, "Gone")
    status, headers, body = told(origin, encode="gzip", headers={"Content-Range": None})
    assert (headers["Content-Encoding"], gzip.decompress(body)) == ("gzip", part)
    assert told(origin, flip=3)[2] == part[:3] + bytes([part[3] ^ 1]) + part[4:]
    assert len(told(origin, pad=9)[2]) == len(part) + 9
    right, wrong = told(origin)[1], told(origin, hash="wrong")[1]
    assert right["x-cas-sha256-tree-hash"] != wrong["x-cas-sha256-tree-hash"]
    assert "x-cas-sha256-tree-hash" not in told(origin, hash=None)[1]


@pytest.mark.parametrize("do", [{"cut": 10}, {"reset": 10}, {"length": "+5"}, {"drop": True}])
def test_an_answer_breaks_off_as_instructed(origin: RunningOrigin, do: dict[str, Any]) -> None:
    with pytest.raises((http.client.HTTPException, ConnectionError)):
        told(origin, **do)


@pytest.mark.parametrize("do", [{"stall": 10}, {"hang": True}])
def test_an_answer_stalls_as_instructed(origin: RunningOrigin, do: dict[str, Any]) -> None:
    origin.misbehave({"when": {"call": "output"}, "do": do})
    connection = http.client.HTTPConnection("127.0.0.1", origin.port, timeout=0.5)
    try:
        connection.request("GET", PATH)
        with pytest.raises(TimeoutError):
            connection.getresponse().read()
    finally:
        connection.close()
