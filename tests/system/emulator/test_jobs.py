"""Jobs from start to expiry, their lists, and inventories."""

import json
import re
import time
from pathlib import Path
from typing import Any

import pytest

from casfs.treehash import SHA256, to_text
from tests.support.emulator.running import ACCOUNT, RunningEmulator, code, running_emulator

MIB = 1 << 20
KEYS = {
    "Action",
    "ArchiveId",
    "ArchiveSHA256TreeHash",
    "ArchiveSizeInBytes",
    "Bucket",
    "CallBackUrl",
    "Completed",
    "CompletionDate",
    "CreationDate",
    "InventoryRetrievalParameters",
    "InventorySizeInBytes",
    "JobCallBackUrl",
    "JobDescription",
    "JobId",
    "Object",
    "RetrievalByteRange",
    "SHA256TreeHash",
    "StatusCode",
    "StatusMessage",
    "Tier",
    "VaultQCS",
}
DATA = b"".join(bytes([letter]) * MIB for letter in b"abcde")[: 4 * MIB + 7]


def tree_hash(data: bytes) -> str:
    return to_text(SHA256.root(SHA256.leaves(data)))


def test_start_of_a_job_and_its_description(emulator: RunningEmulator) -> None:
    archive = emulator.upload("v", DATA, "a/b")
    fields = {"Type": "archive-retrieval", "ArchiveId": archive, "Description": "why"}
    answer = emulator.call("POST", "/v/jobs", data=json.dumps(fields))
    assert (answer.status_code, answer.content) == (202, b"")
    job = answer.headers["x-cas-job-id"]
    assert re.fullmatch(r"[A-Za-z0-9_-]{64}", job)
    assert answer.headers["Location"] == f"/{ACCOUNT}/vaults/v/jobs/{job}"
    described = emulator.describe("v", job)
    assert set(described) == KEYS
    dates = {described.pop("CreationDate"), described.pop("CompletionDate")}
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", date) for date in dates)
    assert described == {
        "Action": "ArchiveRetrieval",
        "ArchiveId": archive,
        "ArchiveSHA256TreeHash": tree_hash(DATA),
        "ArchiveSizeInBytes": len(DATA),
        "Bucket": None,
        "CallBackUrl": None,
        "Completed": True,
        "InventoryRetrievalParameters": None,
        "InventorySizeInBytes": None,
        "JobCallBackUrl": None,
        "JobDescription": "why",
        "JobId": job,
        "Object": None,
        "RetrievalByteRange": f"0-{len(DATA) - 1}",
        "SHA256TreeHash": tree_hash(DATA),
        "StatusCode": "Succeeded",
        "StatusMessage": "Succeeded",
        "Tier": "Standard",
        "VaultQCS": f"qcs:id/0:cas:ap-chengdu:uid/{ACCOUNT}:vaults/v",
    }


@pytest.mark.parametrize(
    ("body", "wanted"),
    [
        ("{", "SerializationException"),
        ("[]", "SerializationException"),
        ("", "SerializationException"),
        ("{}", "MissingParameterValueException"),
        ('{"Type": "nonsense"}', "InvalidParameterValueException"),
        ('{"Type": "archive-retrieval"}', "MissingParameterValueException"),
        ('{"Type": "push-to-cos", "ArchiveId": "x"}', "MissingParameterValueException"),
        ('{"Type": "pull-from-cos"}', "MissingParameterValueException"),
        ('{"Type": "archive-retrieval", "ArchiveId": 5}', "InvalidParameterValueException"),
        (
            '{"Type": "archive-retrieval", "ArchiveId": "x", "Tier": "Fast"}',
            "InvalidParameterValueException",
        ),
        ('{"Type": "inventory-retrieval", "Format": "XML"}', "InvalidParameterValueException"),
        (
            '{"Type": "inventory-retrieval", "InventoryRetrievalParameters": []}',
            None,
        ),
        (
            '{"Type": "inventory-retrieval", "InventoryRetrievalParameters": {"Limit": "10001"}}',
            "InvalidParameterValueException",
        ),
        (
            '{"Type": "inventory-retrieval", "InventoryRetrievalParameters": {"StartDate": "x"}}',
            "InvalidParameterValueException",
        ),
    ],
)
def test_bodies(emulator: RunningEmulator, body: str, wanted: str | None) -> None:
    answer = emulator.call("POST", "/v/jobs", data=body)
    if wanted is None:
        assert answer.status_code == 202
    else:
        assert code(answer) == (400, wanted)


def test_a_body_that_is_too_large(emulator: RunningEmulator) -> None:
    body = json.dumps({"Type": "inventory-retrieval", "Description": "x" * (2 << 20)})
    answer = emulator.call("POST", "/v/jobs", data=body)
    assert code(answer) == (400, "SerializationException")


@pytest.mark.parametrize(
    ("asked", "begin", "end"),
    [
        ("0-1048575", 0, 1),
        ("1048576-3145727", 1, 3),
        ("2097152-4194303", 2, 4),
        (f"3145728-{len(DATA) - 1}", 3, 5),
        ("4194304-", 4, 5),
        ("0-", 0, 5),
    ],
)
def test_retrieval_of_a_range(emulator: RunningEmulator, asked: str, begin: int, end: int) -> None:
    archive = emulator.upload("v", DATA)
    job = emulator.retrieve("v", archive, RetrievalByteRange=asked)
    wanted = DATA[begin * MIB : end * MIB]
    described = emulator.describe("v", job)
    assert described["RetrievalByteRange"] == f"{begin * MIB}-{begin * MIB + len(wanted) - 1}"
    is_subtree = (begin, end) in {(0, 1), (2, 4), (4, 5), (0, 5)}
    assert described["SHA256TreeHash"] == (tree_hash(wanted) if is_subtree else None)
    answer = emulator.output("v", job)
    assert answer.content == wanted
    assert answer.headers.get("x-cas-sha256-tree-hash") == described["SHA256TreeHash"]


@pytest.mark.parametrize(
    "asked", ["1-1048575", "0-1048574", "0-9999999", "9999999-", "1048576-0", "x", "-5", "0-1,3-4"]
)
def test_ranges_a_retrieval_may_not_have(emulator: RunningEmulator, asked: str) -> None:
    archive = emulator.upload("v", DATA)
    fields = {"Type": "archive-retrieval", "ArchiveId": archive, "RetrievalByteRange": asked}
    answer = emulator.call("POST", "/v/jobs", data=json.dumps(fields))
    assert code(answer) == (400, "InvalidParameterValueException")


def test_expedited_takes_no_large_archive(emulator: RunningEmulator) -> None:
    archive = emulator.upload("v", b"x")
    assert emulator.describe("v", emulator.retrieve("v", archive, Tier="Expedited"))["Tier"]
    emulator.sql("UPDATE archives SET size = ? WHERE id = ?", (256 << 20) + 1, archive)
    fields = {"Type": "archive-retrieval", "ArchiveId": archive, "Tier": "Expedited"}
    answer = emulator.call("POST", "/v/jobs", data=json.dumps(fields))
    assert code(answer) == (400, "InvalidParameterValueException")


def test_a_job_for_an_unknown_archive_fails(emulator: RunningEmulator) -> None:
    job = emulator.retrieve("v", "x" * 128, RetrievalByteRange="0-")
    described = emulator.describe("v", job)
    assert set(described) == KEYS
    assert (described["StatusCode"], described["Completed"]) == ("Failed", True)
    assert "not found" in described["StatusMessage"]
    assert described["ArchiveSizeInBytes"] is None
    assert code(emulator.output("v", job)) == (400, "InvalidParameterValueException")


def test_a_deleted_archive_fails_its_running_jobs_and_serves_the_finished(tmp_path: Path) -> None:
    with running_emulator(tmp_path, "--job-seconds", "1000") as emulator:
        emulator.create_vault("v")
        archive = emulator.upload("v", b"data")
        done, running = (emulator.retrieve("v", archive) for _ in range(2))
        emulator.finish(done)
        assert emulator.call("DELETE", f"/v/archives/{archive}").status_code == 204
        assert emulator.output("v", done).content == b"data"
        assert emulator.describe("v", running)["StatusCode"] == "InProgress"
        emulator.finish(running)
        late = emulator.retrieve("v", archive)
        emulator.finish(late)
        assert [emulator.describe("v", job)["StatusCode"] for job in (running, late)] == [
            "Failed",
            "Failed",
        ]
        emulator.expire(done)
    with running_emulator(tmp_path) as emulator:
        assert not emulator.archive_file(archive).exists()


@pytest.mark.parametrize("kind", ["push-to-cos", "pull-from-cos"])
def test_jobs_of_the_object_store_fail_and_have_no_output(
    emulator: RunningEmulator, kind: str
) -> None:
    archive = emulator.upload("v", b"data")
    fields: dict[str, object] = {"Type": kind, "Bucket": "b", "Object": "o", "CallBackUrl": "http"}
    if kind == "push-to-cos":
        fields["ArchiveId"] = archive
    job = emulator.start("v", **fields)
    described = emulator.describe("v", job)
    assert set(described) == KEYS
    assert described["Action"] == {"push": "PushToCOS", "pull": "PullFromCOS"}[kind[:4]]
    assert (described["StatusCode"], described["Bucket"], described["Object"]) == (
        "Failed",
        "b",
        "o",
    )
    assert described["CallBackUrl"] == described["JobCallBackUrl"] == "http"
    assert code(emulator.output("v", job)) == (400, "InvalidParameterValueException")


def test_a_running_job(tmp_path: Path) -> None:
    with running_emulator(tmp_path, "--job-seconds", "1000") as emulator:
        emulator.create_vault("v")
        archive = emulator.upload("v", DATA)
        whole = emulator.retrieve("v", archive)
        part = emulator.retrieve("v", archive, RetrievalByteRange="0-1048575")
        listed = emulator.start("v", Type="inventory-retrieval")
        for job in (whole, part, listed):
            described = emulator.describe("v", job)
            assert (described["StatusCode"], described["Completed"]) == ("InProgress", False)
            assert described["StatusMessage"] == "InProgress"
            assert described["CompletionDate"] is None
            assert code(emulator.output("v", job)) == (400, "InvalidParameterValueException")
        assert emulator.describe("v", whole)["SHA256TreeHash"] == tree_hash(DATA)
        assert emulator.describe("v", part)["SHA256TreeHash"] is None
        assert emulator.describe("v", listed)["InventorySizeInBytes"] == 0
        for job in (whole, part, listed):
            emulator.finish(job)
            assert emulator.describe("v", job)["StatusCode"] == "Succeeded"
            assert emulator.output("v", job).status_code == 200
        assert emulator.describe("v", part)["SHA256TreeHash"] == tree_hash(DATA[:MIB])


def test_a_running_job_completes_by_the_clock(tmp_path: Path) -> None:
    with running_emulator(tmp_path, "--job-seconds", "0.2") as emulator:
        emulator.create_vault("v")
        job = emulator.retrieve("v", emulator.upload("v", b"data"))
        end = time.monotonic() + 30
        while emulator.output("v", job).status_code != 200:
            assert time.monotonic() < end
        described = emulator.describe("v", job)
        assert described["CreationDate"] < described["CompletionDate"]


def test_an_expired_job_is_gone(emulator: RunningEmulator) -> None:
    job = emulator.retrieve("v", emulator.upload("v", b"data"))
    assert job in [one["JobId"] for one in emulator.jobs("v")]
    emulator.expire(job)
    for path in (f"/v/jobs/{job}", f"/v/jobs/{job}/output"):
        assert code(emulator.call("GET", path)) == (404, "ResourceNotFoundException")
    assert job not in [one["JobId"] for one in emulator.jobs("v")]
    for path in ("/v/jobs/nosuch", "/v/jobs/nosuch/output"):
        assert code(emulator.call("GET", path)) == (404, "ResourceNotFoundException")


def test_a_job_belongs_to_its_vault(emulator: RunningEmulator) -> None:
    emulator.create_vault("w")
    archive = emulator.upload("v", b"data")
    job = emulator.retrieve("v", archive)
    assert emulator.call("GET", f"/w/jobs/{job}").status_code == 404
    other = emulator.retrieve("w", archive)
    assert emulator.describe("w", other)["StatusCode"] == "Failed"
    assert emulator.describe("w", other)["ArchiveSizeInBytes"] is None


def pages(emulator: RunningEmulator, limit: int, **params: str) -> list[list[dict[str, Any]]]:
    found: list[list[dict[str, Any]]] = []
    marker = None
    while True:
        more: dict[str, str] = {"marker": marker} if marker else {}
        answer = emulator.call("GET", "/v/jobs", params={"limit": str(limit), **params, **more})
        page = answer.json()
        assert set(page) == {"JobList", "Marker"}
        found.append(page["JobList"])
        marker = page["Marker"]
        if marker is None:
            return found


@pytest.mark.parametrize("marker", ["inclusive", "exclusive"])
def test_pages_and_filters_of_jobs(tmp_path: Path, marker: str) -> None:
    with running_emulator(tmp_path, "--marker", marker, "--job-seconds", "1000") as emulator:
        emulator.create_vault("v")
        archive = emulator.upload("v", b"data")
        running = [emulator.retrieve("v", archive) for _ in range(4)]
        done = [emulator.retrieve("v", archive) for _ in range(5)]
        failed = [emulator.retrieve("v", "nosuch") for _ in range(3)]
        for job in done + failed:
            emulator.finish(job)
        everything = sorted(running + done + failed)
        for limit in (1, 2, 5, 12, 1000, 5000):
            found = pages(emulator, limit)
            assert [job["JobId"] for page in found for job in page] == everything
            assert all(len(page) == limit for page in found[:-1])
        for params, wanted in [
            ({"completed": "true"}, done + failed),
            ({"completed": "True"}, done + failed),
            ({"completed": "false"}, running),
            ({"statuscode": "InProgress"}, running),
            ({"statuscode": "Succeeded"}, done),
            ({"statuscode": "Failed"}, failed),
            ({"statuscode": "Failed", "completed": "true"}, failed),
            ({"statuscode": "Failed", "completed": "false"}, []),
        ]:
            found = pages(emulator, 2, **params)
            assert [job["JobId"] for page in found for job in page] == sorted(wanted), params
        first = emulator.call("GET", "/v/jobs", params={"limit": "3"}).json()
        assert first["Marker"] == everything[3 if marker == "inclusive" else 2]
        for bad in ({"completed": "maybe"}, {"statuscode": "Done"}, {"limit": "0"}, {"limit": "x"}):
            answer = emulator.call("GET", "/v/jobs", params=bad)
            assert code(answer) == (400, "InvalidParameterValueException")
        assert emulator.call("GET", "/none/jobs").status_code == 404


def test_a_list_has_at_most_1000_jobs(emulator: RunningEmulator) -> None:
    emulator.create_vault("many")
    emulator.sql(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1001)"
        " INSERT INTO jobs (id, vault, kind, created, completed, failure, description, item_limit)"
        " SELECT 'job' || i, 'many', 'pull', ?, ?, 'no', '', 0 FROM n",
        time.time(),
        time.time(),
    )
    for params in ({}, {"limit": "2000"}):
        answer = emulator.call("GET", "/many/jobs", params=params).json()
        assert len(answer["JobList"]) == 1000
        assert answer["Marker"]


def test_inventory_as_json(emulator: RunningEmulator) -> None:
    emulator.create_vault("inventory")
    texts = ["plain", None, 'a,"b"\\c']
    ids = {emulator.upload("inventory", b"data", text): text for text in texts}
    gone = emulator.upload("inventory", b"gone")
    emulator.call("DELETE", f"/inventory/archives/{gone}")
    job = emulator.start("inventory", Type="inventory-retrieval", Tier="Bulk")
    emulator.upload("inventory", b"too late")
    answer = emulator.output("inventory", job)
    assert answer.headers["Content-Type"] == "application/json"
    assert "x-cas-sha256-tree-hash" not in answer.headers
    found = answer.json()
    assert list(found) == ["VaultQCS", "InventoryDate", "ArchiveList"]
    assert {one["ArchiveId"]: one["ArchiveDescription"] for one in found["ArchiveList"]} == ids
    for one in found["ArchiveList"]:
        assert one["Size"] == 4
        assert one["SHA256TreeHash"] == tree_hash(b"data")
        assert one["CreationDate"].endswith("Z")
    described = emulator.describe("inventory", job)
    assert set(described) == KEYS
    assert described["Action"] == "InventoryRetrieval"
    assert described["InventorySizeInBytes"] == len(answer.content)
    assert described["Tier"] is described["ArchiveId"] is described["RetrievalByteRange"] is None
    assert described["InventoryRetrievalParameters"] == {
        "EndDate": None,
        "Format": "JSON",
        "Limit": 0,
        "Marker": None,
        "StartDate": None,
    }
    part = emulator.output("inventory", job, "5-9")
    assert (part.status_code, part.content) == (206, answer.content[5:10])
    assert emulator.output("inventory", job).content == answer.content
    assert emulator.call("GET", "/inventory").json()["NumberOfArchives"] == 3
    assert emulator.call("GET", "/inventory").json()["SizeInBytes"] == 12


def test_inventory_as_csv(emulator: RunningEmulator) -> None:
    emulator.create_vault("csv")
    for text in ("plain", "", 'a,"b"\\c'):
        emulator.upload("csv", b"data", text)
    job = emulator.start("csv", Type="inventory-retrieval", Format="CSV")
    answer = emulator.output("csv", job)
    assert answer.headers["Content-Type"] == "text/csv"
    lines = answer.text.splitlines()
    assert lines[0] == "ArchiveId,ArchiveDescription,CreationDate,Size,SHA256TreeHash"
    fields = [line.partition(",")[2].rsplit(",", 3) for line in lines[1:]]
    # As Amazon does: a backslash before a quote, and none before a backslash.
    assert {text for text, *_ in fields} == {"plain", "", r'"a,\"b\"\c"'}
    assert {tuple(rest) for _, _, *rest in fields} == {("4", tree_hash(b"data"))}


@pytest.mark.parametrize("marker", ["inclusive", "exclusive"])
def test_inventories_continue_at_their_marker(tmp_path: Path, marker: str) -> None:
    with running_emulator(tmp_path, "--marker", marker) as emulator:
        emulator.create_vault("v")
        ids = sorted(emulator.upload("v", b"data") for _ in range(5))
        seen, parameters = [], {"Limit": "2"}
        while True:
            job = emulator.start(
                "v", Type="inventory-retrieval", InventoryRetrievalParameters=parameters
            )
            seen += [one["ArchiveId"] for one in emulator.output("v", job).json()["ArchiveList"]]
            answered = emulator.describe("v", job)["InventoryRetrievalParameters"]
            assert answered["Limit"] == 2
            if not answered["Marker"]:
                break
            parameters["Marker"] = answered["Marker"]
        assert seen == ids


def test_inventory_between_dates(emulator: RunningEmulator) -> None:
    emulator.create_vault("dates")
    ids = [emulator.upload("dates", b"data") for _ in range(3)]
    for day, archive in enumerate(ids):
        emulator.sql("UPDATE archives SET created = ? WHERE id = ?", day * 86400, archive)
    for begin, end, wanted in [
        ("1970-01-02T00:00:00Z", "1970-01-02T00:00:00Z", ids[1:2]),
        ("1970-01-02T00:00:00Z", None, ids[1:]),
        (None, "1970-01-02T23:59:59Z", ids[:2]),
    ]:
        job = emulator.start(
            "dates",
            Type="inventory-retrieval",
            InventoryRetrievalParameters={"StartDate": begin, "EndDate": end},
        )
        found = emulator.output("dates", job).json()["ArchiveList"]
        assert [one["ArchiveId"] for one in found] == sorted(wanted)
        answered = emulator.describe("dates", job)["InventoryRetrievalParameters"]
        assert (answered["StartDate"], answered["EndDate"]) == (begin, end)


def test_counts_of_a_vault_are_taken_daily(emulator: RunningEmulator) -> None:
    emulator.create_vault("counts")
    emulator.upload("counts", b"data")
    assert emulator.call("GET", "/counts").json()["NumberOfArchives"] is None
    emulator.sql("UPDATE vaults SET created = created - 86401 WHERE name = 'counts'")
    assert emulator.call("GET", "/counts").json()["NumberOfArchives"] == 1
    emulator.upload("counts", b"more")
    assert emulator.call("GET", "/counts").json()["NumberOfArchives"] == 1
