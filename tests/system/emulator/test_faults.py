"""Faults, rate and latency: what a client must live through."""

import hashlib
import http.client
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

from casfs.emulator.http.faults import NAMES, Faults
from casfs.emulator.settings import Fault
from tests.support.emulator.running import RunningEmulator, code, running_emulator

MIB = 1 << 20
DATA = b"".join(bytes([letter]) * MIB for letter in b"abcd")


@contextmanager
def seeded(tmp_path: Path, *options: str) -> Iterator[tuple[RunningEmulator, str]]:
    """An emulator with one archive of 4 MiB, and the job that reads it."""
    folder = tmp_path / "files"
    folder.mkdir(exist_ok=True)
    if not (folder / "file").exists():
        (folder / "file").write_bytes(DATA)
    seed = ["--seed", f"v={folder}", "--fault-seed", "1"]
    with running_emulator(tmp_path / "root", *seed, *options) as emulator:
        yield emulator, emulator.sql("SELECT id FROM jobs")[0][0]


def last_fault(emulator: RunningEmulator) -> str | None:
    return emulator.entries()[-1].fault


def test_wrong_byte(tmp_path: Path) -> None:
    with seeded(tmp_path, "--fault", "wrong-byte=1") as (emulator, job):
        answer = emulator.output("v", job, f"{MIB}-{2 * MIB - 1}")
        wanted = DATA[MIB : 2 * MIB]
        assert len(answer.content) == len(wanted)
        assert sum(a != b for a, b in zip(answer.content, wanted, strict=True)) == 1
        right = hashlib.sha256(wanted).hexdigest()
        assert answer.headers["x-cas-sha256-tree-hash"] == right
        assert last_fault(emulator) == "wrong-byte"
        assert len(emulator.output("v", job, "0-0").content) == 1
        assert emulator.describe("v", job)["StatusCode"] == "Succeeded"
        assert last_fault(emulator) is None


def test_cut_body(tmp_path: Path) -> None:
    with seeded(tmp_path, "--fault", "cut-body=1") as (emulator, job):
        with pytest.raises(requests.exceptions.ChunkedEncodingError):
            emulator.output("v", job)
        entry = emulator.outputs()[-1]
        assert (entry.fault, entry.bytes, entry.status) == ("cut-body", len(DATA) // 2, 200)


def test_error_500_and_its_limit_to_outputs(tmp_path: Path) -> None:
    with seeded(tmp_path, "--fault", "error-500@output=1") as (emulator, job):
        answer = emulator.output("v", job)
        assert answer.status_code == 500
        assert answer.json()["code"] == "ServiceUnavailableException"
        assert answer.json()["type"] == "Server"
        assert answer.headers["x-cas-requestid"] == emulator.entries()[-1].request_id
        assert emulator.call("GET", "").status_code == 200
    with seeded(tmp_path, "--fault", "error-500=1") as (emulator, job):
        assert emulator.call("GET", "").status_code == 500


def test_throttling_in_its_three_forms(tmp_path: Path) -> None:
    with seeded(tmp_path, "--fault", "throttle=1") as (emulator, job):
        assert code(emulator.output("v", job)) == (400, "ThrottlingException")
        assert code(emulator.call("GET", "")) == (400, "ThrottlingException")
        assert last_fault(emulator) == "throttle"
    with seeded(tmp_path, "--fault", "throttle=1", "--throttling", "503") as (emulator, job):
        assert code(emulator.output("v", job)) == (503, "ThrottlingException")
    with seeded(tmp_path, "--fault", "throttle=1", "--throttling", "reset") as (emulator, job):
        with pytest.raises(requests.exceptions.ConnectionError):
            emulator.output("v", job)
        assert last_fault(emulator) == "throttle"


def test_reset_is_a_tcp_reset(tmp_path: Path) -> None:
    with seeded(tmp_path, "--fault", "reset=1") as (emulator, job):
        connection = http.client.HTTPConnection("127.0.0.1", emulator.port, timeout=30)
        connection.request("GET", f"/-/vaults/v/jobs/{job}/output")
        with pytest.raises(ConnectionResetError):
            connection.getresponse()
        connection.close()
        entry = emulator.entries()[-1]
        assert (entry.fault, entry.status, entry.bytes) == ("reset", None, 0)


def test_stall_of_an_output_and_of_another_call(tmp_path: Path) -> None:
    with seeded(tmp_path, "--fault", "stall=1") as (emulator, job):
        answer = emulator.output("v", job, stream=True, timeout=0.5)
        assert answer.headers["Content-Length"] == str(len(DATA))
        assert answer.raw.read(len(DATA) // 2) == DATA[: len(DATA) // 2]
        with pytest.raises(requests.exceptions.ConnectionError):
            answer.content  # noqa: B018 - reading it is the test
        answer.close()
        with pytest.raises(requests.exceptions.ConnectionError):
            emulator.call("GET", "", timeout=0.5)
        assert [entry.fault for entry in emulator.entries()] == ["stall", "stall"]
        assert emulator.outputs()[0].bytes == len(DATA) // 2
    assert emulator.errors().count("\n") == 1


def test_a_stall_is_bounded_and_does_not_delay_the_end(tmp_path: Path) -> None:
    with (
        seeded(tmp_path, "--fault", "stall=1", "--stall-seconds", "0.1") as (emulator, job),
        pytest.raises(requests.exceptions.ChunkedEncodingError),
    ):
        emulator.output("v", job, timeout=30)
    with seeded(tmp_path, "--fault", "stall=1") as (emulator, job):
        answers = [emulator.output("v", job, stream=True) for _ in range(3)]
        begun = time.monotonic()
        assert emulator.stop() == 0
        assert time.monotonic() - begun < 3
        for answer in answers:
            answer.close()


def test_ignored_range(tmp_path: Path) -> None:
    with seeded(tmp_path, "--fault", "ignore-range=1") as (emulator, job):
        answer = emulator.output("v", job, f"{MIB}-{2 * MIB - 1}")
        assert (answer.status_code, answer.content) == (200, DATA)
        assert "Content-Range" not in answer.headers
        assert answer.headers["x-cas-sha256-tree-hash"]
        assert last_fault(emulator) == "ignore-range"
        assert emulator.output("v", job).status_code == 200
        assert last_fault(emulator) is None


def test_wrong_content_range(tmp_path: Path) -> None:
    with seeded(tmp_path, "--fault", "wrong-content-range=1") as (emulator, job):
        answer = emulator.output("v", job, f"0-{MIB - 1}")
        assert (answer.status_code, answer.content) == (206, DATA[:MIB])
        assert answer.headers["Content-Range"] == f"bytes 1-{MIB}/{len(DATA)}"
        assert emulator.entries()[-1].content_range == answer.headers["Content-Range"]


def test_wrong_hash(tmp_path: Path) -> None:
    with seeded(tmp_path, "--fault", "wrong-hash=1") as (emulator, job):
        answer = emulator.output("v", job, f"0-{MIB - 1}")
        assert answer.content == DATA[:MIB]
        right = hashlib.sha256(DATA[:MIB]).hexdigest()
        wrong = answer.headers["x-cas-sha256-tree-hash"]
        assert len(wrong) == 64
        assert wrong != right
        assert "x-cas-sha256-tree-hash" not in emulator.output("v", job, "1-2").headers
        assert last_fault(emulator) is None


def test_missing_hash(tmp_path: Path) -> None:
    with seeded(tmp_path, "--fault", "missing-hash=1") as (emulator, job):
        answer = emulator.output("v", job, f"0-{MIB - 1}")
        assert answer.content == DATA[:MIB]
        assert "x-cas-sha256-tree-hash" not in answer.headers
        assert last_fault(emulator) == "missing-hash"
        emulator.output("v", job, "1-2")
        assert last_fault(emulator) is None


def test_a_fault_ends_with_a_request_that_met_it_often_enough(tmp_path: Path) -> None:
    with seeded(tmp_path, "--fault", "throttle@output=1,2") as (emulator, job):
        for wanted in (f"0-{MIB - 1}", "1-2"):
            answers = [emulator.output("v", job, wanted).status_code for _ in range(4)]
            assert answers == [400, 400, 206, 206]


def test_a_run_can_be_repeated(tmp_path: Path) -> None:
    runs = []
    options = ["--fault", "throttle=0.3", "--fault", "wrong-hash=0.3"]
    for _ in range(2):
        with seeded(tmp_path, *options) as (emulator, job):
            before = len(emulator.entries())
            for number in range(40):
                emulator.output("v", job, f"0-{MIB * (1 + number % 2) - 1}")
            runs.append([entry.fault for entry in emulator.entries()[before:]])
    assert runs[0] == runs[1]
    assert set(runs[0]) == {None, "throttle", "wrong-hash"}


@given(st.integers(0, 5), st.permutations(list("aabbbc")))
def test_draws_do_not_depend_on_the_order_of_other_requests(seed: int, order: list[str]) -> None:
    every = [Fault(name, 0.5) for name in NAMES]
    one, other = Faults(every, seed), Faults(every, seed)
    wanted = {name: [one.draw(name, True) for _ in range(3)] for name in "abc"}
    seen: dict[str, list[tuple[str, ...]]] = {"a": [], "b": [], "c": []}
    for name in order:
        seen[name].append(other.draw(name, True))
    assert all(wanted[name][: len(found)] == found for name, found in seen.items())


def test_faults_are_as_frequent_as_asked() -> None:
    faults = Faults([Fault("reset", 0.25)], 7)
    hits = sum(bool(faults.draw("GET /", False)) for _ in range(4000))
    assert 850 < hits < 1150


def test_rate_is_for_each_connection(tmp_path: Path) -> None:
    with seeded(tmp_path, "--rate", str(2 * MIB)) as (emulator, job):
        begun = time.monotonic()
        answer = emulator.output("v", job, f"0-{MIB - 1}")
        took = time.monotonic() - begun
        assert answer.content == DATA[:MIB]
        assert 0.4 < took < 5


def test_latency_comes_before_every_answer(tmp_path: Path) -> None:
    with seeded(tmp_path, "--latency-ms", "150") as (emulator, job):
        begun = time.monotonic()
        emulator.call("GET", "")
        assert time.monotonic() - begun >= 0.15
        begun = time.monotonic()
        assert emulator.output("v", job).content == DATA
        assert time.monotonic() - begun >= 0.15


def test_an_archive_file_that_was_cut_off_ends_the_body_early(tmp_path: Path) -> None:
    with seeded(tmp_path) as (emulator, job):
        archive = emulator.describe("v", job)["ArchiveId"]
        with emulator.archive_file(archive).open("r+b") as file:
            file.truncate(3 * MIB)
        with pytest.raises(requests.exceptions.ChunkedEncodingError):
            emulator.output("v", job)
        assert emulator.output("v", job, f"0-{MIB - 1}").content == DATA[:MIB]


def test_a_refusal_is_not_spoiled_as_an_output_would_be(tmp_path: Path) -> None:
    with seeded(tmp_path, "--fault", "wrong-byte=1", "--fault", "cut-body=1") as (emulator, _):
        assert code(emulator.output("v", "nosuch")) == (404, "ResourceNotFoundException")
        assert last_fault(emulator) is None


def test_a_lost_archive_file_is_a_failure_of_the_service(tmp_path: Path) -> None:
    with seeded(tmp_path) as (emulator, job):
        emulator.archive_file(emulator.describe("v", job)["ArchiveId"]).unlink()
        assert emulator.output("v", job).json()["code"] == "ServiceUnavailableException"
        assert "FileNotFoundError" in emulator.errors()
        assert emulator.describe("v", job)["StatusCode"] == "Succeeded"
