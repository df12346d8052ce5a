"""boto3, as Amazon publishes it, against the emulator: what people's own scripts do."""

import hashlib
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from botocore.utils import calculate_tree_hash

from casfs.treehash import SHA256, to_text
from tests.support.emulator.amazon import (
    boto3_at,
    boto3_client,
    glacier,
    inventory,
    no_settings_of_the_user,
    output,
    retrieve,
)
from tests.support.emulator.running import SECRET, RunningEmulator
from tests.support.random_data import random_bytes
from tests.system.sdk.reading import casfs_reads

MIB = 1 << 20
DATA = random_bytes(11 * MIB + 12345, seed=4)


@pytest.fixture(scope="module")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningEmulator]:
    with glacier(tmp_path_factory.mktemp("glacier")) as running:
        yield running


@pytest.fixture(scope="module")
def client(emulator: RunningEmulator) -> Iterator[Any]:
    with boto3_at(emulator.url) as boto3:
        boto3.create_vault(vaultName="v")
        yield boto3


@pytest.fixture(scope="module")
def archive(client: Any) -> str:
    """An archive of `DATA` in the vault `v`."""
    answer = client.upload_archive(vaultName="v", archiveDescription="dir/name", body=DATA)
    assert answer["checksum"] == calculate_tree_hash(io.BytesIO(DATA))
    found: str = answer["archiveId"]
    return found


def failed(error: pytest.ExceptionInfo[ClientError]) -> tuple[int, str]:
    response = error.value.response
    return response["ResponseMetadata"]["HTTPStatusCode"], response["Error"]["Code"]


def test_vaults_come_with_their_waiters_and_all_pages(client: Any) -> None:
    names = [f"page-{number:02}" for number in range(25)]
    for name in names:
        client.create_vault(vaultName=name)
    client.get_waiter("vault_exists").wait(vaultName=names[0])
    client.get_waiter("vault_not_exists").wait(vaultName="nosuch")
    assert len(client.list_vaults()["VaultList"]) == 10
    pages = client.get_paginator("list_vaults").paginate()
    found = [vault["VaultName"] for page in pages for vault in page["VaultList"]]
    assert set(names) <= set(found)
    assert len(found) == len(set(found))
    for name in names:
        client.delete_vault(vaultName=name)
    client.get_waiter("vault_not_exists").wait(vaultName=names[0])


def test_whole_and_ranged_output(emulator: RunningEmulator, client: Any, archive: str) -> None:
    job = retrieve(client, "v", archive, Tier="Bulk", Description="restore")
    assert casfs_reads(emulator, "glacier", "v", job) == DATA
    described = client.describe_job(vaultName="v", jobId=job)
    assert (described["StatusCode"], described["Tier"]) == ("Succeeded", "Bulk")
    assert described["SHA256TreeHash"] == to_text(SHA256.root(SHA256.leaves(DATA)))
    answer = client.get_job_output(vaultName="v", jobId=job)
    assert answer["status"] == 200
    assert answer["archiveDescription"] == "dir/name"
    assert answer["checksum"] == described["SHA256TreeHash"]
    assert answer["body"].read() == DATA
    part = client.get_job_output(vaultName="v", jobId=job, range=f"bytes=0-{8 * MIB - 1}")
    assert (part["status"], part["contentRange"]) == (206, f"bytes 0-{8 * MIB - 1}/{len(DATA)}")
    body = part["body"].read()
    assert body == DATA[: 8 * MIB]
    assert part["checksum"] == calculate_tree_hash(io.BytesIO(body))
    unaligned = client.get_job_output(vaultName="v", jobId=job, range="bytes=7-99")
    assert unaligned["body"].read() == DATA[7:100]
    assert "checksum" not in unaligned


def test_a_retrieval_of_a_range(client: Any, archive: str) -> None:
    job = retrieve(client, "v", archive, RetrievalByteRange=f"{MIB}-{3 * MIB - 1}")
    described = client.describe_job(vaultName="v", jobId=job)
    assert described["RetrievalByteRange"] == f"{MIB}-{3 * MIB - 1}"
    assert "SHA256TreeHash" not in described
    assert output(client, "v", job) == DATA[MIB : 3 * MIB]
    assert output(client, "v", job, range="bytes=5-9") == DATA[MIB + 5 : MIB + 10]


def test_a_multipart_upload(emulator: RunningEmulator, client: Any) -> None:
    size = 4 * MIB
    begun = client.initiate_multipart_upload(
        vaultName="v", archiveDescription="in parts", partSize=str(size)
    )
    upload = begun["uploadId"]
    firsts = list(range(0, len(DATA), size))
    for first in reversed(firsts):
        part = DATA[first : first + size]
        answer = client.upload_multipart_part(
            vaultName="v",
            uploadId=upload,
            range=f"bytes {first}-{first + len(part) - 1}/*",
            body=io.BytesIO(part),
        )
        assert answer["checksum"] == calculate_tree_hash(io.BytesIO(part))
    (listed,) = client.list_multipart_uploads(vaultName="v")["UploadsList"]
    assert (listed["MultipartUploadId"], listed["PartSizeInBytes"]) == (upload, size)
    pages = client.get_paginator("list_parts").paginate(
        vaultName="v", uploadId=upload, PaginationConfig={"PageSize": 2}
    )
    ranges = [part["RangeInBytes"] for page in pages for part in page["Parts"]]
    assert ranges == [f"{first}-{min(first + size, len(DATA)) - 1}" for first in firsts]
    checksum = calculate_tree_hash(io.BytesIO(DATA))
    with pytest.raises(ClientError) as error:
        client.complete_multipart_upload(
            vaultName="v", uploadId=upload, archiveSize=str(len(DATA)), checksum="0" * 64
        )
    assert failed(error) == (400, "InvalidParameterValueException")
    done = client.complete_multipart_upload(
        vaultName="v", uploadId=upload, archiveSize=str(len(DATA)), checksum=checksum
    )
    assert done["checksum"] == checksum
    job = retrieve(client, "v", done["archiveId"])
    assert output(client, "v", job) == DATA
    assert casfs_reads(emulator, "glacier", "v", job) == DATA
    assert client.list_multipart_uploads(vaultName="v")["UploadsList"] == []
    again = client.initiate_multipart_upload(vaultName="v", partSize=str(MIB))["uploadId"]
    client.abort_multipart_upload(vaultName="v", uploadId=again)
    assert client.list_multipart_uploads(vaultName="v")["UploadsList"] == []


def test_a_body_that_does_not_match_its_hash_is_refused(client: Any) -> None:
    with pytest.raises(ClientError) as error:
        client.upload_archive(vaultName="v", body=b"data", checksum="0" * 64)
    assert failed(error) == (400, "InvalidParameterValueException")


def test_inventories(client: Any, archive: str) -> None:
    listed = client.get_job_output(vaultName="v", jobId=inventory(client, "v"))
    assert listed["contentType"] == "application/json"
    (found,) = [
        one for one in json.loads(listed["body"].read())["ArchiveList"]
        if one["ArchiveId"] == archive
    ]  # fmt: skip
    assert (found["Size"], found["ArchiveDescription"]) == (len(DATA), "dir/name")
    table = client.get_job_output(vaultName="v", jobId=inventory(client, "v", Format="CSV"))
    assert table["contentType"] == "text/csv"
    line = f"{archive},dir/name,{found['CreationDate']},{len(DATA)},{found['SHA256TreeHash']}"
    assert line in table["body"].read().decode().splitlines()


def test_all_pages_of_jobs(client: Any) -> None:
    client.create_vault(vaultName="jobs")
    archive = client.upload_archive(vaultName="jobs", body=b"data")["archiveId"]
    jobs = {retrieve(client, "jobs", archive) for _ in range(60)}
    for options in ({}, {"statuscode": "Succeeded"}, {"completed": "true"}):
        first = client.list_jobs(vaultName="jobs", **options)
        assert len(first["JobList"]) == 50
        pages = client.get_paginator("list_jobs").paginate(vaultName="jobs", **options)
        found = [job["JobId"] for page in pages for job in page["JobList"]]
        assert sorted(found) == sorted(jobs)
    assert client.list_jobs(vaultName="jobs", completed="false")["JobList"] == []


def test_the_resource_interface(emulator: RunningEmulator, client: Any) -> None:
    with no_settings_of_the_user():
        import boto3

        service = boto3.resource(
            "glacier",
            region_name="us-east-1",
            endpoint_url=emulator.url,
            aws_access_key_id=client._request_signer._credentials.access_key,
            aws_secret_access_key=SECRET,
        )
    vault = service.create_vault(vaultName="objects")
    archive = vault.upload_archive(archiveDescription="text", body=b"data")
    job = archive.initiate_archive_retrieval()
    assert job.status_code == "Succeeded"
    assert job.get_output()["body"].read() == b"data"
    assert [one.id for one in vault.succeeded_jobs.all()] == [job.id]
    listing = vault.initiate_inventory_retrieval()
    (found,) = json.loads(listing.get_output()["body"].read())["ArchiveList"]
    assert found["ArchiveId"] == archive.id
    archive.delete()
    vault.delete()
    service.meta.client.close()


def test_errors_are_those_that_scripts_catch(client: Any, archive: str) -> None:
    job = retrieve(client, "v", archive)
    for call, wanted in [
        (lambda: client.describe_vault(vaultName="no"), (404, "ResourceNotFoundException")),
        (
            lambda: client.describe_job(vaultName="v", jobId="no"),
            (404, "ResourceNotFoundException"),
        ),
        (lambda: retrieve(client, "v", "no"), (404, "ResourceNotFoundException")),
        (lambda: client.delete_vault(vaultName="v"), (400, "InvalidParameterValueException")),
        (
            lambda: client.get_job_output(vaultName="v", jobId=job, range="bytes=99999999-"),
            (400, "InvalidParameterValueException"),
        ),
        (
            lambda: client.describe_vault(accountId="123456789013", vaultName="v"),
            (403, "AccessDeniedException"),
        ),
    ]:
        with pytest.raises(ClientError) as error:
            call()
        assert failed(error) == wanted
    with pytest.raises(client.exceptions.ResourceNotFoundException):
        client.describe_vault(vaultName="no")


def test_a_wrong_secret_is_refused(emulator: RunningEmulator) -> None:
    wrong = boto3_client(emulator.url, secret=SECRET + "x")
    with pytest.raises(ClientError) as error:
        wrong.list_vaults()
    assert failed(error) == (403, "InvalidSignatureException")
    wrong.close()


def test_its_retries_overcome_throttling(tmp_path: Path) -> None:
    faults = ["--fault", "throttle=1,2"]
    with glacier(tmp_path, *faults) as emulator, boto3_at(emulator.url, attempts=9) as client:
        client.create_vault(vaultName="v")
        for number in range(3):
            body = hashlib.sha256(str(number).encode()).digest()
            archive = client.upload_archive(vaultName="v", body=body)["archiveId"]
            assert output(client, "v", retrieve(client, "v", archive)) == body
        assert any(entry.fault == "throttle" for entry in emulator.entries())
