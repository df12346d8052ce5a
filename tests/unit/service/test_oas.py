"""What the OAS dialect makes of answers, and how it finds vaults that requests take by their id."""

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casfs import errors
from casfs.credentials import Credentials
from casfs.deadline import Deadline
from casfs.errors import NotFoundError, NotReadyError, WrongAnswerError
from casfs.model import JobKind, JobState, Output
from casfs.ranges import Layout
from casfs.service.oas import oas
from casfs.treehash import MD5
from tests.support.archive import MIB, random_bytes
from tests.support.server import Answer, in_turn, serving
from tests.support.service import KEY, refusal, service_at
from tests.support.values import ANYTHING

DIALECT = oas("-", Credentials("id", "secret"), "")
ETAG = "8F293A2F6C19B345152F7A49BB4C643C"
WHOLE_ETAG = "82E7A1E2BB2570CFE4492AEE9A410617"

ARCHIVE_JOB = {
    "Action": "ArchiveRetrieval",
    "ArchiveId": "A" * 96,
    "ArchiveSizeInBytes": 5 << 20,
    "TreeEtag": ETAG,
    "ArchiveTreeEtag": WHOLE_ETAG,
    "Completed": True,
    "CompletionDate": "Tue, 25 Mar 2014 16:00:00 GMT",
    "CreationDate": "Tue, 25 Mar 2014 12:00:00 GMT",
    "InventorySizeInBytes": -1,
    "JobDescription": "",
    "JobId": "0123456789ABCDEF0123456789ABCDEF",
    "RetrievalByteRange": "1048576-3145727",
    "StatusCode": "Succeeded",
    "StatusMessage": "Succeeded",
}
RUNNING_JOB = ARCHIVE_JOB | {
    "ArchiveSizeInBytes": -1,
    "TreeEtag": "",
    "ArchiveTreeEtag": "",
    "Completed": False,
    "CompletionDate": "",
    "RetrievalByteRange": "",
    "StatusCode": "InProgress",
}
INVENTORY_JOB = ARCHIVE_JOB | {
    "Action": "InventoryRetrieval",
    "ArchiveId": "",
    "ArchiveSizeInBytes": -1,
    "TreeEtag": "",
    "ArchiveTreeEtag": "",
    "InventorySizeInBytes": 1234,
    "RetrievalByteRange": "",
}


def test_a_retrieval():
    job = DIALECT.job("v", ARCHIVE_JOB)
    assert (job.kind, job.state, job.readable) == (JobKind.ARCHIVE, JobState.SUCCEEDED, True)
    assert (job.first_byte, job.size, job.archive_size) == (1 << 20, 2 << 20, 5 << 20)
    assert job.tree_hash == bytes.fromhex(ETAG)
    assert job.completed == datetime(2014, 3, 25, 16, tzinfo=UTC)
    assert job.expires == datetime(2014, 3, 26, 16, tzinfo=UTC)
    assert json.loads(job.raw) == ARCHIVE_JOB


def test_what_does_not_apply_is_unknown_whether_it_is_empty_or_minus_one():
    running = DIALECT.job("v", RUNNING_JOB)
    assert running.state is JobState.RUNNING
    assert (running.size, running.archive_size, running.tree_hash) == (None, None, None)
    assert (running.completed, running.expires) == (None, None)
    inventory = DIALECT.job("v", INVENTORY_JOB)
    assert (inventory.kind, inventory.size) == (JobKind.INVENTORY, 1234)
    assert (inventory.archive_id, inventory.tree_hash) == (None, None)


def test_the_hash_of_the_whole_archive_serves_a_job_that_covers_all_of_it():
    whole = {"TreeEtag": "", "RetrievalByteRange": "0-5242879"}
    assert DIALECT.job("v", ARCHIVE_JOB | whole).tree_hash == bytes.fromhex(WHOLE_ETAG)
    part = {"TreeEtag": "", "RetrievalByteRange": "0-3145727"}
    assert DIALECT.job("v", ARCHIVE_JOB | part).tree_hash is None


@pytest.mark.parametrize("etag", ["ab" * 32, "ab" * 15, "no etag"])
def test_a_digest_of_another_length_is_none(etag):
    assert DIALECT.job("v", ARCHIVE_JOB | {"TreeEtag": etag}).tree_hash is None


@pytest.mark.parametrize("action", ["PullFromOSS", "PushToOSS"])
def test_transfers_have_no_output(action):
    job = DIALECT.job("v", ARCHIVE_JOB | {"Action": action})
    assert (job.kind, job.readable) == (JobKind.OTHER, False)


def test_a_vault():
    facts = {
        "VaultId": "79D2D8F33B7C287037286185863B6823",
        "VaultName": "photos",
        "CreationDate": "Tue, 25 Mar 2014 12:00:00 GMT",
        "LastInventoryDate": "",
        "NumberOfArchives": 3,
        "SizeInBytes": 17,
    }
    vault = DIALECT.vault(facts)
    assert (vault.name, vault.address) == ("photos", "79D2D8F33B7C287037286185863B6823")
    assert (vault.created, vault.inventoried) == (datetime(2014, 3, 25, 12, tzinfo=UTC), None)
    assert (vault.archives, vault.size) == (3, 17)
    for needed in ("VaultId", "VaultName"):
        with pytest.raises(WrongAnswerError, match=needed):
            DIALECT.vault(facts | {needed: ""})


@given(st.dictionaries(st.sampled_from(sorted(ARCHIVE_JOB)), ANYTHING))
def test_any_object_is_a_job_or_a_wrong_answer(answer):
    if isinstance(answer.get("JobId"), str) and answer["JobId"]:
        job = DIALECT.job("v", answer)
        assert job.size is None or job.size > 0
        assert json.loads(job.raw).keys() == answer.keys()
    else:
        with pytest.raises(WrongAnswerError):
            DIALECT.job("v", answer)


def test_an_error_means_what_its_code_says():
    assert DIALECT.error("JobNotReady") is errors.NotReadyError
    assert DIALECT.error("RequestTimeout") is errors.ServerError
    assert DIALECT.error("ServiceUnavailable") is errors.ServerError
    assert DIALECT.error("JobNotExists") is errors.NotFoundError
    assert DIALECT.error("VaultNotExists") is errors.NotFoundError
    assert DIALECT.error("InvalidRange") is errors.RequestError
    assert DIALECT.error("AccessDenied") is errors.ForbiddenError
    assert DIALECT.error("ResourceNotFoundException") is None


# vaults: a name for people, an id for requests


def vault(name: str, vault_id: str) -> dict[str, object]:
    return {"VaultName": name, "VaultId": vault_id}


def listing(*vaults: dict[str, object], marker: str = "") -> Answer:
    return Answer(body=json.dumps({"Marker": marker, "VaultList": vaults}).encode())


NO_JOBS = Answer(body=b'{"Marker": "", "JobList": []}')


def test_an_id_that_is_not_known_is_looked_up_once_in_all_pages():
    first = listing(*(vault(f"v{n}", f"ID{n}") for n in range(10)), marker="ID10")
    answers = in_turn(first, listing(vault("v10", "ID10")), NO_JOBS)
    with serving(answers) as server, service_at(server.url, dialect=DIALECT) as service:
        for _ in range(2):
            assert list(service.jobs("v10", Deadline(60))) == []
    assert server.paths() == ["/vaults", "/vaults", "/vaults/ID10/jobs", "/vaults/ID10/jobs"]


def test_a_description_from_an_earlier_day_tells_the_id_without_asking():
    with serving(in_turn(NO_JOBS)) as server, service_at(server.url, dialect=DIALECT) as service:
        known = service.parse_vault(json.dumps(vault("photos", "OLD")))
        assert known.name == "photos"
        assert list(service.jobs("photos", Deadline(60))) == []
    assert server.paths() == ["/vaults/OLD/jobs"]


def test_a_vault_that_was_recreated_is_found_by_the_next_listing():
    answers = in_turn(listing(vault("photos", "NEW")), NO_JOBS)
    with serving(answers) as server, service_at(server.url, dialect=DIALECT) as service:
        service.parse_vault(json.dumps(vault("photos", "OLD")))
        assert [found.name for found in service.vaults(Deadline(60))] == ["photos"]
        assert list(service.jobs("photos", Deadline(60))) == []
    assert server.paths() == ["/vaults", "/vaults/NEW/jobs"]


def test_a_name_that_no_listing_has_is_not_found():
    answers = in_turn(listing(vault("photos", "ID")))
    with serving(answers) as server, service_at(server.url, dialect=DIALECT) as service:
        for ask in (service.vault, lambda *a: list(service.jobs(*a))):
            with pytest.raises(NotFoundError, match="no vault fotos"):
                ask("fotos", Deadline(60))


def test_blocks_go_by_the_name_whatever_the_id():
    """The id stands in requests; what is cached is found again though the vault has another one."""
    with service_at("http://127.0.0.1:1", dialect=DIALECT) as service:
        job = service.parse_job("photos", json.dumps(ARCHIVE_JOB))
        keys = set()
        for vault_id in ("OLD", "NEW"):
            service.parse_vault(json.dumps(vault("photos", vault_id)))
            keys.add(service.output(job, 2 << 20).key)
    assert len(keys) == 1


# outputs


def test_the_etag_of_an_answer_is_read_and_ranges_are_whole_mib():
    data = random_bytes(3 * MIB)
    etag = MD5.root(MD5.leaves(data)).hex().upper()
    headers = {"x-oas-tree-etag": etag, "Content-Range": f"bytes=0-{3 * MIB - 1}/{3 * MIB}"}
    found = []
    with (
        serving(in_turn(Answer(206, data, headers))) as server,
        service_at(server.url, dialect=DIALECT) as service,
    ):
        service.parse_vault(json.dumps(vault("photos", "ID")))
        output = Output.of_job("photos", "J", "k", Layout(3 * MIB), None)
        service.outputs.read(
            output, (0, 3 * MIB), lambda body: found.append(body.tree_hash), Deadline(60)
        )
    assert found == [bytes.fromhex(etag)]
    assert server.requests[0].path == "/vaults/ID/jobs/J/output"
    assert server.requests[0].headers["range"] == f"bytes=0-{3 * MIB - 1}"


def test_outputs_of_a_vault_that_was_recreated_are_asked_for_at_its_new_address():
    output = Output.of_job("photos", "J", "k", Layout(MIB), None)
    answers = in_turn(*[Answer(206, bytes(MIB), {"Content-Range": f"bytes=0-{MIB - 1}/{MIB}"})] * 2)
    with serving(answers) as server, service_at(server.url, dialect=DIALECT) as service:
        for address in ("OLD", "NEW"):
            service.parse_vault(json.dumps(vault("photos", address)))
            service.outputs.read(output, (0, MIB), lambda body: None, Deadline(60))
    asked = [request.path for request in server.requests]
    assert asked == ["/vaults/OLD/jobs/J/output", "/vaults/NEW/jobs/J/output"]


def test_a_key_that_may_list_vaults_later_finds_their_addresses():
    """Until then only the name can be tried, which is an address for keys of one vault."""
    output = Output.of_job("photos", "J", "k", Layout(MIB), None)
    part = Answer(206, bytes(MIB), {"Content-Range": f"bytes=0-{MIB - 1}/{MIB}"})
    answers = in_turn(refusal(403, "AccessDenied"), part, listing(vault("photos", "ID")), part)
    with serving(answers) as server, service_at(server.url, dialect=DIALECT) as service:
        for _ in range(2):
            service.outputs.read(output, (0, MIB), lambda body: None, Deadline(60))
    jobs = [request.path for request in server.requests if "jobs" in request.path]
    assert jobs == ["/vaults/photos/jobs/J/output", "/vaults/ID/jobs/J/output"]


def test_a_job_that_runs_is_not_ready_without_asking_again():
    answers = in_turn(refusal(400, "JobNotReady"))
    with serving(answers) as server, service_at(server.url, dialect=DIALECT) as service:
        service.parse_vault(json.dumps(vault("photos", "ID")))
        output = Output.of_job("photos", "J", "k", Layout(MIB), None)
        with pytest.raises(NotReadyError):
            service.outputs.read(output, (0, MIB), lambda body: None, Deadline(60))
    assert len(server.requests) == 1


def test_signing_with_this_key_is_wired():
    with (
        serving(in_turn(listing())) as server,
        service_at(server.url, dialect=oas("-", KEY, "")) as service,
    ):
        assert list(service.vaults(Deadline(60))) == []
    assert server.requests[0].headers["authorization"].startswith(f"OAS {KEY.access_key_id}:")
    assert server.requests[0].query["limit"] == "10"
