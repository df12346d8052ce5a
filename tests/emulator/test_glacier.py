"""The shapes of Glacier: what its answers say, and what it refuses."""

import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from casfs.treehash import SHA256, to_text
from tests.emulator.amazon import (
    ACCOUNT,
    ARN,
    VERSION,
    boto3_at,
    call,
    glacier,
    inventory,
    output,
    refused,
    retrieve,
)
from tests.emulator.running import RunningEmulator

MIB = 1 << 20
DATA = b"".join(bytes([letter]) * MIB for letter in b"ABCDEFG")[: 6 * MIB + 512 * 1024]
BAD = (400, "InvalidParameterValueException")
MISSING = (400, "MissingParameterValueException")
GONE = (404, "ResourceNotFoundException")
JOB_KEYS = {
    "Action",
    "ArchiveId",
    "ArchiveSHA256TreeHash",
    "ArchiveSizeInBytes",
    "Completed",
    "CompletionDate",
    "CreationDate",
    "InventoryRetrievalParameters",
    "InventorySizeInBytes",
    "JobDescription",
    "JobId",
    "JobOutputPath",
    "OutputLocation",
    "RetrievalByteRange",
    "SHA256TreeHash",
    "SNSTopic",
    "SelectParameters",
    "StatusCode",
    "StatusMessage",
    "Tier",
    "VaultARN",
}
"""The members of GlacierJobDescription in Amazon's service model."""


def tree_hash(data: bytes) -> str:
    return to_text(SHA256.root(SHA256.leaves(data)))


@pytest.fixture(scope="module")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningEmulator]:
    with glacier(tmp_path_factory.mktemp("glacier")) as running:
        assert call(running, "PUT", "/v").status_code == 201
        yield running


@pytest.fixture(scope="module")
def client(emulator: RunningEmulator) -> Iterator[Any]:
    with boto3_at(emulator.url) as boto3:
        yield boto3


@pytest.fixture(scope="module")
def archive(client: Any) -> str:
    """An archive of `DATA` in the vault `v`."""
    answer = client.upload_archive(vaultName="v", archiveDescription="dir/a file", body=DATA)
    found: str = answer["archiveId"]
    return found


def start(emulator: RunningEmulator, **fields: object) -> requests.Response:
    return call(emulator, "POST", "/v/jobs", data=json.dumps(fields))


def describe(emulator: RunningEmulator, job: str) -> dict[str, Any]:
    fields: dict[str, Any] = call(emulator, "GET", f"/v/jobs/{job}").json()
    return fields


def read(emulator: RunningEmulator, job: str, byte_range: str | None = None) -> requests.Response:
    headers = VERSION | ({} if byte_range is None else {"Range": byte_range})
    return call(emulator, "GET", f"/v/jobs/{job}/output", headers=headers)


def test_a_vault(emulator: RunningEmulator) -> None:
    made = call(emulator, "PUT", "/Some.Vault_1-x")
    assert (made.status_code, made.content) == (201, b"")
    assert made.headers["Location"] == f"/{ACCOUNT}/vaults/Some.Vault_1-x"
    fields = call(emulator, "GET", "/Some.Vault_1-x").json()
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", fields.pop("CreationDate"))
    assert fields == {
        "LastInventoryDate": None,
        "NumberOfArchives": None,
        "SizeInBytes": None,
        "VaultARN": ARN + "Some.Vault_1-x",
        "VaultName": "Some.Vault_1-x",
    }
    for name in ("a b", "x" * 256, "a:b"):
        assert refused(call(emulator, "PUT", f"/{name}")) == BAD
    unknown = call(emulator, "GET", "/nosuch")
    assert refused(unknown) == GONE
    assert unknown.json()["message"] == f"Vault not found for ARN: {ARN}nosuch"
    assert call(emulator, "DELETE", "/Some.Vault_1-x").status_code == 204
    assert refused(call(emulator, "DELETE", "/Some.Vault_1-x")) == GONE


def test_the_size_of_a_vault_has_an_overhead(emulator: RunningEmulator, client: Any) -> None:
    client.create_vault(vaultName="sized")
    for _ in range(2):
        client.upload_archive(vaultName="sized", body=b"data")
    inventory(client, "sized")
    client.list_jobs(vaultName="sized")
    fields = client.describe_vault(vaultName="sized")
    assert (fields["NumberOfArchives"], fields["SizeInBytes"]) == (2, 2 * (4 + 32768))
    full = call(emulator, "DELETE", "/sized")
    assert refused(full) == BAD
    assert full.json()["message"].startswith("Vault not empty or recently written to")


def test_vaults_come_by_tens_behind_their_marker(tmp_path: Path) -> None:
    names = sorted(f"v{number}" for number in range(23))
    with glacier(tmp_path) as emulator:
        for name in reversed(names):
            call(emulator, "PUT", f"/{name}")
        for asked in ({}, {"limit": "10"}):
            pages, params = [], dict(asked)
            while True:
                page = call(emulator, "GET", "", params=params).json()
                assert set(page) == {"Marker", "VaultList"}
                pages.append([vault["VaultName"] for vault in page["VaultList"]])
                if page["Marker"] is None:
                    break
                assert page["Marker"] == ARN + pages[-1][-1]
                params["marker"] = page["Marker"]
            assert pages == [names[:10], names[10:20], names[20:]]
        assert len(call(emulator, "GET", "", params={"limit": "50"}).json()["VaultList"]) == 10
        for bad in ({"limit": "0"}, {"limit": "x"}, {"marker": "v1"}):
            assert refused(call(emulator, "GET", "", params=bad)) == BAD


def test_jobs_come_by_fifties(emulator: RunningEmulator) -> None:
    call(emulator, "PUT", "/many")
    emulator.sql(
        "WITH RECURSIVE n(i) AS (SELECT 101 UNION ALL SELECT i + 1 FROM n WHERE i < 220)"
        " INSERT INTO jobs (id, vault, kind, created, completed, failure, description, item_limit)"
        " SELECT 'job' || i, 'many', 'inventory', ?, ?, iif(i % 2, 'no', NULL), '', 0 FROM n",
        time.time(),
        time.time(),
    )
    for asked, wanted in [
        ({}, [50, 50, 20]),
        ({"limit": "50"}, [50, 50, 20]),
        ({"limit": "100"}, [50, 50, 20]),
        ({"statuscode": "Failed"}, [50, 10]),
        ({"completed": "true", "statuscode": "Succeeded"}, [50, 10]),
        ({"completed": "false"}, [0]),
    ]:
        sizes, seen, params = [], [], dict(asked)
        while True:
            page = call(emulator, "GET", "/many/jobs", params=params).json()
            sizes.append(len(page["JobList"]))
            seen += [job["JobId"] for job in page["JobList"]]
            if page["Marker"] is None:
                break
            assert page["Marker"] == seen[-1]
            params["marker"] = page["Marker"]
        assert sizes == wanted
        assert len(set(seen)) == len(seen)


def test_upload_answers_with_id_and_hash(emulator: RunningEmulator) -> None:
    hashes = {"x-amz-content-sha256": tree_hash(b"x"), "x-amz-sha256-tree-hash": tree_hash(b"x")}
    every = {**VERSION, **hashes}
    answer = call(emulator, "POST", "/v/archives", headers=every, data=b"x")
    assert answer.status_code == 201
    archive = answer.headers["x-amz-archive-id"]
    assert re.fullmatch(r"[A-Za-z0-9_-]{138}", archive)
    assert answer.headers["Location"] == f"/{ACCOUNT}/vaults/v/archives/{archive}"
    assert answer.headers["x-amz-sha256-tree-hash"] == tree_hash(b"x")
    for name in hashes:
        less = {key: value for key, value in every.items() if key != name}
        answer = call(emulator, "POST", "/v/archives", headers=less, data=b"x")
        assert refused(answer) == MISSING
        wrong = {**every, name: "0" * 64}
        answer = call(emulator, "POST", "/v/archives", headers=wrong, data=b"x")
        assert refused(answer) == BAD
    for text, status in [("~ " * 512, 201), ("d" * 1025, 400), ("tab\t", 201), ("t\tb", 400)]:
        described = {**every, "x-amz-archive-description": text}
        answer = call(emulator, "POST", "/v/archives", headers=described, data=b"x")
        assert answer.status_code == status, text
    described = {**every, "x-amz-archive-description": "\xfc".encode().decode("latin-1")}
    assert refused(call(emulator, "POST", "/v/archives", headers=described, data=b"x")) == BAD
    large = {key: value for key, value in every.items() if key != "x-amz-content-sha256"}
    answer = call(emulator, "POST", "/v/archives", headers=large, data=bytes(2 * MIB))
    assert refused(answer) == (400, "SerializationException")


def test_a_retrieval(emulator: RunningEmulator, archive: str) -> None:
    topic = "arn:aws:sns:us-east-1:123456789012:done"
    answer = start(
        emulator, Type="archive-retrieval", ArchiveId=archive, Description="why", SNSTopic=topic
    )
    assert (answer.status_code, answer.content) == (202, b"")
    job = answer.headers["x-amz-job-id"]
    assert re.fullmatch(r"[A-Za-z0-9_-]{92}", job)
    assert answer.headers["Location"] == f"/{ACCOUNT}/vaults/v/jobs/{job}"
    described = describe(emulator, job)
    assert set(described) == JOB_KEYS
    assert [one for one in call(emulator, "GET", "/v/jobs").json()["JobList"] if one == described]
    dates = {described.pop("CreationDate"), described.pop("CompletionDate")}
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", date) for date in dates)
    given = {name: value for name, value in described.items() if value is not None}
    assert given == {
        "Action": "ArchiveRetrieval",
        "ArchiveId": archive,
        "ArchiveSHA256TreeHash": tree_hash(DATA),
        "ArchiveSizeInBytes": len(DATA),
        "Completed": True,
        "JobDescription": "why",
        "JobId": job,
        "RetrievalByteRange": f"0-{len(DATA) - 1}",
        "SHA256TreeHash": tree_hash(DATA),
        "SNSTopic": topic,
        "StatusCode": "Succeeded",
        "StatusMessage": "Succeeded",
        "Tier": "Standard",
        "VaultARN": ARN + "v",
    }


@pytest.mark.parametrize("switch", ["present", "absent"])
def test_a_running_retrieval(tmp_path: Path, switch: str) -> None:
    options = ["--job-seconds", "1000", "--hash-of-running-job", switch]
    with glacier(tmp_path, *options) as emulator, boto3_at(emulator.url) as client:
        client.create_vault(vaultName="v")
        archive = client.upload_archive(vaultName="v", body=DATA)["archiveId"]
        whole = retrieve(client, "v", archive)
        part = retrieve(client, "v", archive, RetrievalByteRange=f"0-{4 * MIB - 1}")
        listing = inventory(client, "v")
        hashes = {job: describe(emulator, job)["SHA256TreeHash"] for job in (whole, part)}
        assert hashes == {whole: tree_hash(DATA) if switch == "present" else None, part: None}
        for job in (whole, part, listing):
            fields = describe(emulator, job)
            assert (fields["StatusCode"], fields["Completed"]) == ("InProgress", False)
            assert fields["CompletionDate"] is fields["InventorySizeInBytes"] is None
            answer = read(emulator, job)
            assert refused(answer) == BAD
            assert "not currently available for download" in answer.json()["message"]
            emulator.finish(job)
        assert describe(emulator, part)["SHA256TreeHash"] == tree_hash(DATA[: 4 * MIB])
        assert describe(emulator, listing)["InventorySizeInBytes"] == len(
            read(emulator, listing).content
        )


@pytest.mark.parametrize(
    ("fields", "wanted"),
    [
        ({}, MISSING),
        ({"Type": "archive-retrieval"}, MISSING),
        ({"Type": "archive-retrieval", "ArchiveId": "nosuch"}, GONE),
        ({"Type": "archive-retrieval", "RetrievalByteRange": "1-1048575"}, BAD),
        ({"Type": "archive-retrieval", "RetrievalByteRange": "0-1048574"}, BAD),
        ({"Type": "archive-retrieval", "RetrievalByteRange": "0-999999999"}, BAD),
        ({"Type": "archive-retrieval", "Tier": "Slow"}, BAD),
        ({"Type": "archive-retrieval", "Description": "ü"}, BAD),
        ({"Type": "archive-retrieval", "Description": "d" * 1025}, BAD),
        ({"Type": "inventory-retrieval", "RetrievalByteRange": "0-1048575"}, BAD),
        ({"Type": "inventory-retrieval", "ArchiveId": "any"}, BAD),
        ({"Type": "inventory-retrieval", "Format": "XML"}, BAD),
        ({"Type": "inventory-retrieval", "InventoryRetrievalParameters": {"Limit": "0"}}, BAD),
        (
            {"Type": "inventory-retrieval", "InventoryRetrievalParameters": {"EndDate": "now"}},
            BAD,
        ),
        ({"Type": "select"}, MISSING),
        ({"Type": "select", "SelectParameters": {}, "OutputLocation": {"S3": {}}}, MISSING),
        ({"Type": "push-to-cos"}, BAD),
    ],
)
def test_jobs_that_are_refused(
    emulator: RunningEmulator, archive: str, fields: dict[str, object], wanted: tuple[int, str]
) -> None:
    before = emulator.sql("SELECT count(*) FROM jobs")
    if fields.get("Type") != "inventory-retrieval" and len(fields) > 1:
        fields = {"ArchiveId": archive, **fields}
    assert refused(start(emulator, **fields)) == wanted
    assert emulator.sql("SELECT count(*) FROM jobs") == before


def test_a_body_that_is_no_object(emulator: RunningEmulator) -> None:
    for body in ("", "[]", "{"):
        answer = call(emulator, "POST", "/v/jobs", data=body)
        assert refused(answer) == (400, "SerializationException")


def test_a_select_job_has_a_description_and_no_output(
    emulator: RunningEmulator, archive: str
) -> None:
    asked = {
        "SelectParameters": {
            "InputSerialization": {"csv": {"FileHeaderInfo": "USE"}},
            "ExpressionType": "SQL",
            "Expression": "SELECT * FROM archive",
            "OutputSerialization": {"csv": {}},
        },
        "OutputLocation": {"S3": {"BucketName": "bucket", "Prefix": "found"}},
    }
    answer = start(emulator, Type="select", ArchiveId=archive, Tier="Bulk", **asked)
    job = answer.headers["x-amz-job-id"]
    path = f"s3://bucket/found/{job}"
    assert (answer.status_code, answer.headers["x-amz-job-output-path"]) == (202, path)
    described = describe(emulator, job)
    assert set(described) == JOB_KEYS
    for name, value in {**asked, "JobOutputPath": path, "Action": "Select", "Tier": "Bulk"}.items():
        assert described[name] == value
    assert described["RetrievalByteRange"] is described["SHA256TreeHash"] is None
    assert described["StatusCode"] == "Failed"
    assert refused(read(emulator, job)) == BAD
    emulator.sql("UPDATE jobs SET failure = NULL WHERE id = ?", job)
    assert describe(emulator, job)["StatusCode"] == "Succeeded"
    assert refused(read(emulator, job)) == BAD


def test_output_whole_and_in_parts(emulator: RunningEmulator, client: Any, archive: str) -> None:
    job = retrieve(client, "v", archive)
    whole = read(emulator, job)
    assert (whole.status_code, whole.content) == (200, DATA)
    assert whole.headers["Content-Type"] == "application/octet-stream"
    assert whole.headers["Accept-Ranges"] == "bytes"
    assert whole.headers["x-amz-archive-description"] == "dir/a file"
    assert whole.headers["x-amz-sha256-tree-hash"] == tree_hash(DATA)
    for first, last, hashed in [
        (0, 0, False),
        (5, 2 * MIB, False),
        (0, MIB - 1, True),
        (4 * MIB, len(DATA) - 1, True),
        (3 * MIB, len(DATA) - 1, False),
        (0, len(DATA) - 1, True),
    ]:
        part = read(emulator, job, f"bytes={first}-{last}")
        wanted = DATA[first : last + 1]
        assert (part.status_code, part.content) == (206, wanted)
        assert part.headers["Content-Range"] == f"bytes {first}-{last}/{len(DATA)}"
        found = part.headers.get("x-amz-sha256-tree-hash")
        assert found == (tree_hash(wanted) if hashed else None)


@pytest.mark.parametrize("text", ["0-5", "bytes=5-1", "bytes=a-b", "bytes=0-1,3-4", "bytes=-"])
def test_a_range_that_cannot_be_read_is_ignored(
    emulator: RunningEmulator, client: Any, archive: str, text: str
) -> None:
    answer = read(emulator, retrieve(client, "v", archive), text)
    assert (answer.status_code, answer.content) == (200, DATA)
    assert "Content-Range" not in answer.headers


def test_a_range_behind_the_end_is_refused(
    emulator: RunningEmulator, client: Any, archive: str
) -> None:
    answer = read(emulator, retrieve(client, "v", archive), f"bytes={len(DATA)}-")
    assert refused(answer) == BAD
    assert "larger than size of retrieved data" in answer.json()["message"]


def test_a_ranged_retrieval_counts_from_its_own_begin(
    emulator: RunningEmulator, client: Any, archive: str
) -> None:
    for first, last, is_node in [(4, 6, True), (3, 5, False)]:
        end = min((last + 1) * MIB, len(DATA)) - 1
        job = retrieve(client, "v", archive, RetrievalByteRange=f"{first * MIB}-{end}")
        wanted = DATA[first * MIB : end + 1]
        described = describe(emulator, job)
        assert described["SHA256TreeHash"] == (tree_hash(wanted) if is_node else None)
        assert described["ArchiveSizeInBytes"] == len(DATA)
        assert read(emulator, job).content == wanted
        part = read(emulator, job, f"bytes=0-{MIB - 1}")
        assert part.content == wanted[:MIB]
        assert part.headers["Content-Range"] == f"bytes 0-{MIB - 1}/{len(wanted)}"
        assert ("x-amz-sha256-tree-hash" in part.headers) == is_node


def test_an_expired_job_is_gone(emulator: RunningEmulator, client: Any, archive: str) -> None:
    job = retrieve(client, "v", archive)
    emulator.expire(job)
    assert refused(call(emulator, "GET", f"/v/jobs/{job}")) == GONE
    assert refused(read(emulator, job)) == GONE


TEXTS = {
    "plain": "plain",
    "a,b": '"a,b"',
    'say "hi"': r'"say \"hi\""',
    "C:\\dir\\": "C:\\dir\\",
    "C:\\a,b\\": '"C:\\a,b\\"',
    '\\"': '"\\\\""',
    " blank ": "blank",
}
"""Descriptions, and how Amazon's inventories write them in CSV; blanks at the ends are lost."""


def test_an_inventory_in_the_csv_of_amazon(emulator: RunningEmulator, client: Any) -> None:
    client.create_vault(vaultName="csv")
    ids = {
        client.upload_archive(vaultName="csv", archiveDescription=text, body=b"data")["archiveId"]:
        text
        for text in TEXTS
    }  # fmt: skip
    ids[client.upload_archive(vaultName="csv", body=b"data")["archiveId"]] = ""
    job = inventory(client, "csv", Format="CSV")
    answer = call(emulator, "GET", f"/csv/jobs/{job}/output")
    assert answer.headers["Content-Type"] == "text/csv"
    assert "x-amz-archive-description" not in answer.headers
    first, *rows = answer.text.split("\n")
    assert first == "ArchiveId,ArchiveDescription,CreationDate,Size,SHA256TreeHash"
    assert rows.pop() == ""
    assert len(rows) == len(ids)
    for row in rows:
        archive, rest = row.split(",", 1)
        text, _, size, found = rest.rsplit(",", 3)
        assert text == TEXTS.get(ids[archive], "")
        assert (size, found) == ("4", tree_hash(b"data"))


@pytest.mark.parametrize("form", ["seconds", "milliseconds"])
def test_an_inventory_in_json(tmp_path: Path, form: str) -> None:
    with glacier(tmp_path, "--inventory-date", form) as emulator, boto3_at(emulator.url) as client:
        client.create_vault(vaultName="v")
        archive = client.upload_archive(vaultName="v", body=b"data")
        job = inventory(client, "v")
        answer = read(emulator, job)
        assert answer.headers["Content-Type"] == "application/json"
        assert "\n" not in answer.text
        fields = answer.json()
        assert list(fields) == ["VaultARN", "InventoryDate", "ArchiveList"]
        assert fields["VaultARN"] == ARN + "v"
        assert len(fields["InventoryDate"]) == {"seconds": 20, "milliseconds": 24}[form]
        (one,) = fields["ArchiveList"]
        assert list(one) == [
            "ArchiveId",
            "ArchiveDescription",
            "CreationDate",
            "Size",
            "SHA256TreeHash",
        ]
        assert one["ArchiveId"] == archive["archiveId"]
        described = describe(emulator, job)
        assert set(described) == JOB_KEYS
        assert described["Action"] == "InventoryRetrieval"
        assert (
            described["Tier"] is described["ArchiveId"] is described["RetrievalByteRange"] is None
        )
        assert described["InventoryRetrievalParameters"] == {
            "EndDate": None,
            "Format": "JSON",
            "Limit": None,
            "Marker": None,
            "StartDate": None,
        }


def test_inventories_continue_behind_their_marker(client: Any) -> None:
    client.create_vault(vaultName="parts")
    ids = {client.upload_archive(vaultName="parts", body=b"data")["archiveId"] for _ in range(5)}
    seen: list[str] = []
    parameters: dict[str, str] = {"Limit": "2"}
    while True:
        job = inventory(client, "parts", InventoryRetrievalParameters=parameters)
        listed = json.loads(output(client, "parts", job))["ArchiveList"]
        seen += [one["ArchiveId"] for one in listed]
        answered = client.describe_job(vaultName="parts", jobId=job)
        assert answered["InventoryRetrievalParameters"]["Limit"] == "2"
        if "Marker" not in answered["InventoryRetrievalParameters"]:
            break
        parameters["Marker"] = answered["InventoryRetrievalParameters"]["Marker"]
        assert parameters["Marker"] == seen[-1]
    assert seen == sorted(ids)


def test_the_end_date_of_an_inventory_is_exclusive(emulator: RunningEmulator, client: Any) -> None:
    client.create_vault(vaultName="dates")
    ids = [client.upload_archive(vaultName="dates", body=b"data")["archiveId"] for _ in range(3)]
    for day, archive in enumerate(ids):
        emulator.sql("UPDATE archives SET created = ? WHERE id = ?", day * 86400, archive)
    for begin, end, wanted in [
        ("1970-01-02T00:00:00Z", "1970-01-03T00:00:00Z", ids[1:2]),
        ("1970-01-02", None, ids[1:]),
        (None, "1970-01-02T00:00:00.001Z", ids[:2]),
    ]:
        given = {"StartDate": begin, "EndDate": end}
        parameters = {name: date for name, date in given.items() if date}
        job = inventory(client, "dates", InventoryRetrievalParameters=parameters)
        listed = json.loads(output(client, "dates", job))["ArchiveList"]
        assert [one["ArchiveId"] for one in listed] == sorted(wanted)


def test_faults_have_the_form_of_glacier(tmp_path: Path) -> None:
    folder = tmp_path / "files"
    folder.mkdir()
    (folder / "ü\n").write_bytes(DATA)
    seed = ["--seed", f"v={folder}"]
    for fault, wanted in [
        ("throttle", (400, "ThrottlingException")),
        ("error-500", (500, "ServiceUnavailableException")),
    ]:
        with glacier(tmp_path / "root", *seed, "--fault", f"{fault}=1") as emulator:
            answer = call(emulator, "GET", "")
            assert refused(answer) == wanted
            assert emulator.entries()[-1].request_id == answer.headers["x-amzn-RequestId"]
    header = "x-amz-sha256-tree-hash"
    with glacier(tmp_path / "root", *seed) as emulator:
        ((job,),) = emulator.sql("SELECT id FROM jobs")
        right = read(emulator, job)
        assert (right.content, right.headers[header]) == (DATA, tree_hash(DATA))
        # The service would not have taken that description; a header cannot hold it.
        assert "x-amz-archive-description" not in right.headers
    for fault, found in [("wrong-hash", True), ("missing-hash", False)]:
        with glacier(tmp_path / "root", *seed, "--fault", f"{fault}=1") as emulator:
            answer = read(emulator, job, f"bytes=0-{MIB - 1}")
            assert answer.content == DATA[:MIB]
            assert (header in answer.headers) == found
            assert answer.headers.get(header) != tree_hash(DATA[:MIB])
    with glacier(tmp_path / "root", *seed, "--fault", "ignore-range=1") as emulator:
        assert read(emulator, job, "bytes=0-5").status_code == 200


def test_a_question_of_another_service_is_a_usage_error(tmp_path: Path) -> None:
    told = "--callback-key is no question of glacier"
    with pytest.raises(RuntimeError, match=told), glacier(tmp_path, "--callback-key", "both"):
        pass
