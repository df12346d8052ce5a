"""What a client meets that requests jobs: answers that are lost, tiers, policies and limits."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests

from casfs.credentials import Credentials
from casfs.deadline import Deadline
from casfs.job_requests import (
    JobRequest,
    NotAccepted,
    Outcome,
    PolicyKind,
    Refusal,
    RetrievalPolicy,
    Started,
    Tier,
    Unknown,
)
from casfs.model import Job, JobState
from casfs.service.registry import DIALECTS
from casfs.service.service import Service
from tests.support.emulated_service import REGION, VAULT, serving
from tests.support.emulated_service import Service as Emulated
from tests.support.emulator import amazon
from tests.support.emulator.running import KEY_ID, SECRET, RunningEmulator
from tests.support.server import Answer, in_turn
from tests.support.server import serving as listening
from tests.support.service import service_at

MIB = 1 << 20
SIZES = {f"file-{number}": 1000 + number for number in range(6)}


def client_of(emulator: RunningEmulator, dialect: str, region: str = REGION) -> Any:
    made = DIALECTS[dialect].dialect("-", Credentials(KEY_ID, SECRET), region)
    return service_at(emulator.url, dialect=made)


@contextmanager
def emulated(
    tmp_path: Path, *options: str, dialect: str = "cas", sizes: dict[str, int] = SIZES
) -> Iterator[tuple[Emulated, Service]]:
    """An emulator with archives and no jobs, and a client of it."""
    with serving(dialect, tmp_path, sizes, *options) as there:
        there.emulator.sql("DELETE FROM jobs")
        with client_of(there.emulator, dialect) as client:
            yield there, client


def ask(client: Service, there: Emulated, name: str, tier: Tier | None = None) -> Outcome:
    request = JobRequest(vault=VAULT, archive_id=there.archives[name], tier=tier)
    return client.start_job(request, Deadline(20))


def listed(client: Service) -> list[Job]:
    return list(client.jobs(VAULT, Deadline(20)))


def until(condition: Callable[[], bool]) -> None:
    """Wait until something holds."""
    deadline = Deadline(20)
    while not condition():
        deadline.check("the condition")
        time.sleep(0.02)


def refusal(outcome: Outcome) -> Refusal:
    assert isinstance(outcome, NotAccepted), outcome
    return outcome.why


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("fault", ["lost-answer", "error-after"])
def test_an_answer_is_lost_and_the_job_is_there(tmp_path: Path, dialect: str, fault: str) -> None:
    with emulated(tmp_path, "--fault", f"{fault}@post=1,1", dialect=dialect) as (there, client):
        assert isinstance(ask(client, there, "file-1"), Unknown)
        (job,) = listed(client)
        assert job.archive_id == there.archives["file-1"]
        (entry,) = there.emulator.job_requests()
        assert (entry.fault, entry.archive, entry.job) == (fault, job.archive_id, job.id)
        assert entry.tier == (None if dialect == "oas" else "Standard")
        # At most once for the same archive, and once for another one.
        assert isinstance(ask(client, there, "file-1"), Started)
        assert isinstance(ask(client, there, "file-2"), Unknown)


def test_the_faults_before_and_after_are_distinguished(tmp_path: Path) -> None:
    with emulated(tmp_path, "--fault", "error-500@post=1,1") as (there, client):
        assert isinstance(ask(client, there, "file-1"), Unknown)
        assert listed(client) == []
        (entry,) = there.emulator.job_requests()
        assert (entry.fault, entry.job) == ("error-500", None)
        assert entry.archive == there.archives["file-1"]


def test_late_faults_affect_every_call_and_are_drawn_for_each_archive(tmp_path: Path) -> None:
    options = ("--fault", "lost-answer=0.5")
    with emulated(tmp_path, *options, sizes={f"{n}": n + 1 for n in range(40)}) as (there, client):
        outcomes = [ask(client, there, name) for name in there.archives]
        lost = sum(isinstance(outcome, Unknown) for outcome in outcomes)
        assert 5 <= lost <= 35
        assert all(len(listed(client)) == 40 for _ in range(10))
        assert {entry.fault for entry in there.emulator.entries() if entry.method == "GET"} > {None}


def test_the_log_has_range_tier_and_job(tmp_path: Path) -> None:
    with emulated(tmp_path, sizes={"big": 3 * MIB}) as (there, client):
        archive = there.archives["big"]
        request = JobRequest(
            vault=VAULT, archive_id=archive, byte_range=(MIB, 2 * MIB - 1), tier=Tier.BULK
        )
        started = client.start_job(request, Deadline(20))
        inventory = client.start_job(JobRequest(vault=VAULT), Deadline(20))
        assert isinstance(started, Started)
        assert isinstance(inventory, Started)
        first, second = there.emulator.job_requests()
        told = (first.archive, first.tier, first.part, first.job)
        assert told == (archive, "Bulk", "1048576-2097151", started.job_id)
        assert (second.archive, second.tier, second.job) == (None, None, inventory.job_id)
        listed(client)
        assert "archive" not in json.loads(there.emulator.access_log.read_text().splitlines()[-1])


def test_a_job_runs_as_long_as_its_tier(tmp_path: Path) -> None:
    options = ("--tier-seconds", "expedited=10,standard=50,bulk=80,inventory=7")
    with emulated(tmp_path, *options, "--job-seconds", "3") as (there, client):
        for name, tier in zip(SIZES, [*Tier, None], strict=False):
            assert isinstance(ask(client, there, name, tier), Started)
        assert isinstance(client.start_job(JobRequest(vault=VAULT), Deadline(20)), Started)
        rows = there.emulator.sql("SELECT tier, completed - created FROM jobs ORDER BY created")
        found = [(tier, round(seconds)) for tier, seconds in rows]
        assert found[:3] == [("Expedited", 10), ("Standard", 50), ("Bulk", 80)]
        assert found[3:] == [("Standard", 50), (None, 7)]


@pytest.mark.parametrize(("dialect", "slow"), [("cas", False), ("glacier", True)])
def test_expedited_over_its_limit(tmp_path: Path, dialect: str, slow: bool) -> None:
    def over(options: tuple[str, ...], path: Path) -> tuple[Outcome, list[tuple[Any, ...]]]:
        with emulated(path, *options, dialect=dialect) as (there, client):
            there.emulator.sql("UPDATE archives SET size = ?", (256 << 20) + 1)
            outcome = ask(client, there, "file-1", Tier.EXPEDITED)
            return outcome, there.emulator.sql("SELECT completed - created FROM jobs")

    options = ("--tier-seconds", "expedited=1,standard=50")
    outcome, rows = over(options, tmp_path / "default")
    assert isinstance(outcome, Started) is slow
    if slow:
        assert round(rows[0][0]) == 50
    other = ("--expedited-over-limit", "refused" if slow else "slow")
    outcome, _ = over((*options, *other), tmp_path / "other")
    assert isinstance(outcome, Started) is not slow
    if slow:
        assert refusal(outcome) is Refusal.INVALID


@pytest.mark.parametrize("status", ["503", "400"])
def test_expedited_capacity(tmp_path: Path, status: str) -> None:
    options = ("--expedited-capacity", "1", "--job-seconds", "60", "--capacity-status", status)
    with emulated(tmp_path, *options, dialect="glacier") as (there, client):
        assert isinstance(ask(client, there, "file-1", Tier.EXPEDITED), Started)
        assert refusal(ask(client, there, "file-2", Tier.EXPEDITED)) is Refusal.CAPACITY
        assert there.emulator.job_requests()[-1].status == int(status)
        assert isinstance(ask(client, there, "file-2", Tier.STANDARD), Started)
        there.emulator.sql("UPDATE jobs SET completed = created")
        assert isinstance(ask(client, there, "file-3", Tier.EXPEDITED), Started)


@pytest.mark.parametrize("dialect", ["cas", "glacier"])
def test_a_policy_of_bytes_per_hour_lasts_until_jobs_have_ended(
    tmp_path: Path, dialect: str
) -> None:
    options = ("--policy", "bytes-per-hour=2500", "--job-seconds", "60")
    with emulated(tmp_path, *options, dialect=dialect) as (there, client):
        assert isinstance(ask(client, there, "file-1"), Started)
        assert isinstance(ask(client, there, "file-2"), Started)
        assert refusal(ask(client, there, "file-3")) is Refusal.POLICY
        assert isinstance(ask(client, there, "file-3", Tier.BULK), Started)
        there.emulator.sql("UPDATE jobs SET completed = created")
        assert isinstance(ask(client, there, "file-4"), Started)


def test_a_policy_of_the_free_tier_lasts_until_tomorrow(tmp_path: Path) -> None:
    with emulated(tmp_path, "--policy", "free-tier=1500", dialect="glacier") as (there, client):
        assert isinstance(ask(client, there, "file-1"), Started)
        assert refusal(ask(client, there, "file-2")) is Refusal.POLICY
        there.emulator.sql("UPDATE jobs SET created = created - 86400")
        assert isinstance(ask(client, there, "file-2"), Started)


def test_a_policy_is_set_read_and_kept(tmp_path: Path) -> None:
    def policy(client: Service) -> RetrievalPolicy | None:
        return client.retrieval_policy(Deadline(20))

    with (
        emulated(tmp_path, "--region", amazon.REGION, dialect="glacier") as (there, _),
        client_of(there.emulator, "glacier", amazon.REGION) as client,
    ):
        assert policy(client) == RetrievalPolicy(PolicyKind.NONE)
        with amazon.boto3_at(there.emulator.url) as boto3:
            rule: dict[str, Any] = {"Strategy": "BytesPerHour", "BytesPerHour": 1000}
            boto3.set_data_retrieval_policy(Policy={"Rules": [rule]})
            assert boto3.get_data_retrieval_policy()["Policy"] == {"Rules": [rule]}
            assert policy(client) == RetrievalPolicy(PolicyKind.BYTES_PER_HOUR, 1000)
            assert refusal(ask(client, there, "file-1")) is Refusal.POLICY
            boto3.set_data_retrieval_policy(Policy={"Rules": [{"Strategy": "FreeTier"}]})
            assert policy(client) == RetrievalPolicy(PolicyKind.FREE_TIER)
            with pytest.raises(boto3.exceptions.InvalidParameterValueException):
                boto3.set_data_retrieval_policy(Policy={"Rules": [{"Strategy": "BytesPerHour"}]})


def test_jobs_fail_when_they_complete(tmp_path: Path) -> None:
    with emulated(tmp_path, "--fail-jobs", "1", "--job-seconds", "60") as (there, client):
        assert isinstance(ask(client, there, "file-1"), Started)
        assert listed(client)[0].state is JobState.RUNNING
        there.emulator.sql("UPDATE jobs SET completed = created")
        (job,) = listed(client)
        assert job.state is JobState.FAILED
        assert "internal failure" in json.loads(job.raw)["StatusMessage"]


def test_a_list_shows_a_new_job_late(tmp_path: Path) -> None:
    with emulated(tmp_path, "--listing-lag", "300") as (there, client):
        started = ask(client, there, "file-1")
        assert isinstance(started, Started)
        assert listed(client) == []
        assert client.job(VAULT, started.job_id, Deadline(20)).id == started.job_id
        there.emulator.sql("UPDATE jobs SET created = created - 301")
        assert [job.id for job in listed(client)] == [started.job_id]


@pytest.mark.parametrize("dialect", DIALECTS)
def test_too_many_requests_for_jobs_are_throttled(tmp_path: Path, dialect: str) -> None:
    with emulated(tmp_path, "--job-rate", "0.5", dialect=dialect) as (there, client):
        assert isinstance(ask(client, there, "file-1"), Started)
        assert refusal(ask(client, there, "file-2")) is Refusal.THROTTLED
        entry = there.emulator.job_requests()[-1]
        assert (entry.fault, entry.archive, entry.job) == (None, there.archives["file-2"], None)
        assert len(listed(client)) == 1
        until(lambda: isinstance(ask(client, there, "file-2"), Started))


def test_the_url_of_a_job_is_called_once_when_it_is_complete(tmp_path: Path) -> None:
    with (
        listening(in_turn(Answer())) as listener,
        emulated(tmp_path, "--job-seconds", "0.3") as (there, client),
    ):
        for name in ("file-1", "file-2"):
            request = JobRequest(
                vault=VAULT, archive_id=there.archives[name], call_back=f"{listener.url}/{name}"
            )
            assert isinstance(client.start_job(request, Deadline(20)), Started)
        until(lambda: len(listener.requests) == 2)
        told = {request.path: json.loads(request.body) for request in listener.requests}
        assert told["/file-1"]["ArchiveId"] == there.archives["file-1"]
        assert told["/file-1"]["StatusCode"] == "Succeeded"
        described = there.emulator.describe(VAULT, told["/file-2"]["JobId"])
        assert told["/file-2"] == described


@pytest.mark.parametrize(
    ("dialect", "options"),
    [
        ("oas", ("--policy", "none")),
        ("oas", ("--expedited-capacity", "1")),
        ("oas", ("--expedited-over-limit", "slow")),
        ("cas", ("--policy", "free-tier")),
        ("cas", ("--policy", "none=1")),
        ("cas", ("--tier-seconds", "fast=1")),
        ("cas", ("--tier-seconds", "bulk=soon")),
        ("cas", ("--fault", "lost-answer@get=1")),
        ("cas", ("--fail-jobs", "2")),
    ],
)
def test_impossible_switches(tmp_path: Path, dialect: str, options: tuple[str, ...]) -> None:
    with (
        pytest.raises(RuntimeError, match=options[0]),
        RunningEmulator(tmp_path, *options, dialect=dialect),
    ):
        pass


def test_a_body_that_is_no_job_is_refused_as_before(tmp_path: Path) -> None:
    with emulated(tmp_path) as (there, _):
        for body in (b"", b"[]", b"{", b'{"ArchiveId": 1, "Type": "archive-retrieval"}'):
            answer = there.emulator.call("POST", f"/{VAULT}/jobs", data=body)
            assert answer.status_code == 400
        headers = {"Expect": "100-continue"}
        data = json.dumps({"Type": "inventory-retrieval"})
        answer = there.emulator.call("POST", f"/{VAULT}/jobs", data=data, headers=headers)
        assert answer.status_code == requests.codes.accepted


def test_a_request_whose_client_is_gone_is_handled_and_logged(tmp_path: Path) -> None:
    with emulated(tmp_path, "--latency-ms", "700") as (there, client):
        listed(client)
        request = JobRequest(vault=VAULT, archive_id=there.archives["file-1"])
        assert isinstance(client.start_job(request, Deadline(0.3)), Unknown)
        until(lambda: len(there.emulator.job_requests()) == 1)
        (entry,) = there.emulator.job_requests()
        ((job,),) = there.emulator.sql("SELECT id FROM jobs")
        assert (entry.archive, entry.job, entry.status) == (request.archive_id, job, None)
