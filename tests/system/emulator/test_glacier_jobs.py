"""Jobs of Glacier: what they say, and which are refused."""

import re
from pathlib import Path

import pytest

from tests.support.emulator.amazon import (
    ACCOUNT,
    ARN,
    boto3_at,
    call,
    glacier,
    inventory,
    refused,
    retrieve,
)
from tests.support.emulator.running import RunningEmulator
from tests.system.emulator.amazon_calls import (
    BAD,
    DATA,
    GONE,
    JOB_KEYS,
    MIB,
    MISSING,
    describe,
    read,
    start,
    tree_hash,
)


def test_a_retrieval(amazon: RunningEmulator, archive: str) -> None:
    topic = "arn:aws:sns:us-east-1:123456789012:done"
    answer = start(
        amazon, Type="archive-retrieval", ArchiveId=archive, Description="why", SNSTopic=topic
    )
    assert (answer.status_code, answer.content) == (202, b"")
    job = answer.headers["x-amz-job-id"]
    assert re.fullmatch(r"[A-Za-z0-9_-]{92}", job)
    assert answer.headers["Location"] == f"/{ACCOUNT}/vaults/v/jobs/{job}"
    described = describe(amazon, job)
    assert set(described) == JOB_KEYS
    assert [one for one in call(amazon, "GET", "/v/jobs").json()["JobList"] if one == described]
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
    amazon: RunningEmulator, archive: str, fields: dict[str, object], wanted: tuple[int, str]
) -> None:
    before = amazon.sql("SELECT count(*) FROM jobs")
    if fields.get("Type") != "inventory-retrieval" and len(fields) > 1:
        fields = {"ArchiveId": archive, **fields}
    assert refused(start(amazon, **fields)) == wanted
    assert amazon.sql("SELECT count(*) FROM jobs") == before


def test_a_body_that_is_no_object(amazon: RunningEmulator) -> None:
    for body in ("", "[]", "{"):
        answer = call(amazon, "POST", "/v/jobs", data=body)
        assert refused(answer) == (400, "SerializationException")


def test_a_select_job_has_a_description_and_no_output(
    amazon: RunningEmulator, archive: str
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
    answer = start(amazon, Type="select", ArchiveId=archive, Tier="Bulk", **asked)
    job = answer.headers["x-amz-job-id"]
    path = f"s3://bucket/found/{job}"
    assert (answer.status_code, answer.headers["x-amz-job-output-path"]) == (202, path)
    described = describe(amazon, job)
    assert set(described) == JOB_KEYS
    for name, value in {**asked, "JobOutputPath": path, "Action": "Select", "Tier": "Bulk"}.items():
        assert described[name] == value
    assert described["RetrievalByteRange"] is described["SHA256TreeHash"] is None
    assert described["StatusCode"] == "Failed"
    assert refused(read(amazon, job)) == BAD
    amazon.sql("UPDATE jobs SET failure = NULL WHERE id = ?", job)
    assert describe(amazon, job)["StatusCode"] == "Succeeded"
    assert refused(read(amazon, job)) == BAD
