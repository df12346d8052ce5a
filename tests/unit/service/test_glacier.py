"""What the Glacier dialect makes of answers, Amazon's and those of stand-ins for it."""

import json
from datetime import UTC, datetime

import pytest

from casfs import errors
from casfs.deadline import Deadline
from casfs.errors import NotFoundError, NotReadyError
from casfs.model import JobKind, JobState, Output, output_of
from casfs.ranges import Layout
from casfs.service.glacier import glacier
from tests.support.archive import MIB
from tests.support.server import Answer, in_turn, serving
from tests.support.service import KEY, refusal, service_at

DIALECT = glacier("-", KEY, "eu-west-1")
HASH = "ab" * 32
ARN = "arn:aws:glacier:eu-west-1:012345678901:vaults/photos"

ARCHIVE_JOB = {
    "Action": "ArchiveRetrieval",
    "ArchiveId": "-archive",
    "ArchiveSHA256TreeHash": HASH,
    "ArchiveSizeInBytes": 16 << 20,
    "Completed": True,
    "CompletionDate": "2012-05-15T17:21:39.339Z",
    "CreationDate": "2012-05-15T17:21:39Z",
    "InventoryRetrievalParameters": None,
    "InventorySizeInBytes": None,
    "JobDescription": None,
    "JobId": "-job",
    "RetrievalByteRange": "0-16777215",
    "SHA256TreeHash": HASH,
    "SNSTopic": None,
    "StatusCode": "Succeeded",
    "StatusMessage": "Succeeded",
    "Tier": "Bulk",
    "VaultARN": ARN,
}


def test_a_retrieval():
    job = DIALECT.job("photos", ARCHIVE_JOB)
    assert (job.kind, job.state, job.readable) == (JobKind.ARCHIVE, JobState.SUCCEEDED, True)
    assert (job.first_byte, job.size, job.description) == (0, 16 << 20, "")
    assert job.tree_hash == bytes.fromhex(HASH)
    assert job.completed == datetime(2012, 5, 15, 17, 21, 39, 339000, tzinfo=UTC)


def test_a_selection_has_no_output_of_its_own():
    facts = ARCHIVE_JOB | {"Action": "Select", "JobOutputPath": "x", "OutputLocation": {}}
    job = DIALECT.job("photos", facts)
    assert (job.kind, job.readable) == (JobKind.OTHER, False)


def test_a_job_of_moto_has_a_size_to_ask_for_and_no_hash():
    nothing = dict.fromkeys(
        ["ArchiveSHA256TreeHash", "SHA256TreeHash", "RetrievalByteRange", "JobDescription"]
    )
    job = DIALECT.job("photos", ARCHIVE_JOB | nothing | {"ArchiveSizeInBytes": 0})
    assert (job.size, job.tree_hash, job.readable) == (None, None, True)


@pytest.mark.parametrize("span", ["0-16777215", None, ""])
def test_the_hash_of_the_archive_is_that_of_a_job_that_covers_all_of_it(span):
    job = DIALECT.job("photos", ARCHIVE_JOB | {"SHA256TreeHash": None, "RetrievalByteRange": span})
    assert job.tree_hash == bytes.fromhex(HASH)
    assert output_of(job, 16 << 20, ("here",)).tree_hash == bytes.fromhex(HASH)


@pytest.mark.parametrize("span", ["0-1048575", "1048576-16777215", "0-16777216", "all of it"])
def test_the_hash_of_the_archive_is_not_that_of_a_part(span):
    job = DIALECT.job("photos", ARCHIVE_JOB | {"SHA256TreeHash": None, "RetrievalByteRange": span})
    assert job.tree_hash is None


def test_a_vault():
    facts = {
        "CreationDate": "2012-02-20T17:01:45.198Z",
        "LastInventoryDate": None,
        "NumberOfArchives": 0,
        "SizeInBytes": 0,
        "VaultARN": ARN,
        "VaultName": "photos",
    }
    vault = DIALECT.vault(facts)
    assert (vault.name, vault.address, vault.inventoried) == ("photos", "photos", None)
    assert (vault.archives, vault.size) == (0, 0)


def test_an_error_means_what_its_code_says():
    assert DIALECT.error("ThrottlingException") is errors.ThrottledError
    assert DIALECT.error("InvalidSignatureException") is errors.DeniedError
    assert DIALECT.error("ResourceNotFoundException") is errors.NotFoundError
    assert DIALECT.error("ServiceUnavailableException") is errors.ServerError
    assert DIALECT.error("VaultNotFound") is errors.NotFoundError


def test_paths_hold_the_account():
    assert DIALECT.job_path("photos", "-j") == "/-/vaults/photos/jobs/-j"
    assert glacier("012345678901", KEY, "x").vaults_path() == "/012345678901/vaults"


def test_listings_ask_for_as_much_as_there_is_at_once():
    arns = [{"VaultName": f"v{n}", "VaultARN": f"arn{n}"} for n in range(11)]
    pages = [
        Answer(body=json.dumps({"VaultList": arns[:10], "Marker": "arn9"}).encode()),
        Answer(body=json.dumps({"VaultList": arns[10:], "Marker": None}).encode()),
        Answer(body=b'{"JobList": [], "Marker": null}'),
    ]
    with serving(in_turn(*pages)) as server, service_of_glacier(server.url) as service:
        assert len(list(service.vaults(Deadline(60)))) == 11
        assert list(service.jobs("v1", Deadline(60))) == []
    assert [request.query for request in server.requests] == [
        {"limit": "10"},
        {"limit": "10", "marker": "arn9"},
        {"limit": "50"},
    ]
    for request in server.requests:
        assert request.headers["x-amz-glacier-version"] == "2012-06-01"
        assert "/eu-west-1/glacier/aws4_request" in request.headers["authorization"]


def service_of_glacier(url):
    return service_at(url, dialect=DIALECT)


OUTPUT = Output.of_job("photos", "j", "k", Layout(MIB), None)


def read(*answers):
    with serving(in_turn(*answers)) as server, service_of_glacier(server.url) as service:
        return service.outputs.read(OUTPUT, (0, MIB), lambda body: None, Deadline(60))


def described(state: str) -> Answer:
    return Answer(body=json.dumps(ARCHIVE_JOB | {"StatusCode": state}).encode())


@pytest.mark.parametrize(
    ("sent", "told"),
    [(None, None), ("", None), ("a b.txt", "a b.txt"), ("\xc3\xbc", "ü"), ("\xff", "\udcff")],
)
def test_the_description_of_an_archive_comes_with_its_bytes(sent, told):
    answer = Answer(200, bytes(MIB), {"x-amz-archive-description": sent})
    with serving(in_turn(answer)) as server, service_of_glacier(server.url) as service:
        job = DIALECT.job("photos", ARCHIVE_JOB | {"JobId": "j"})
        assert service.descriptions.of_job(job.vault, job.id) is None
        service.outputs.read(OUTPUT, (0, MIB), lambda body: None, Deadline(60))
        assert service.descriptions.of_job(job.vault, job.id) == told


@pytest.mark.parametrize(
    "refused",
    [
        refusal(400, "InvalidParameterValueException", "not currently available for download"),
        Answer(404, b"archive not found", {"Content-Type": "text/plain"}),
    ],
    ids=["Amazon", "moto"],
)
def test_the_output_of_a_running_job_is_not_ready_however_that_is_said(refused):
    with pytest.raises(NotReadyError):
        read(refused, described("InProgress"))


def test_an_unknown_vault_of_moto_is_not_found():
    answer = Answer(400, b'{"__type": "VaultNotFound", "message": "Vault not found"}')
    with serving(in_turn(answer)) as server, service_of_glacier(server.url) as service:
        with pytest.raises(NotFoundError, match="Vault not found"):
            service.vault("photos", Deadline(60))
        assert len(server.requests) == 1
