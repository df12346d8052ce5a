"""What the CAS dialect makes of answers: as documented, as seen live, and as nobody promised."""

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casfs import errors
from casfs.credentials import Credentials
from casfs.errors import WrongAnswerError
from casfs.model import JobKind, JobState, output_of
from casfs.ranges import BLOCK_SIZE
from casfs.service.cas import cas
from tests.support.values import ANYTHING

DIALECT = cas("-", Credentials("AKID", "secret"), "")
HASH = "ab" * 32

ARCHIVE_JOB = {
    "Action": "ArchiveRetrieval",
    "ArchiveId": "archive",
    "ArchiveSHA256TreeHash": HASH,
    "ArchiveSizeInBytes": 5 << 20,
    "Bucket": None,
    "Completed": True,
    "CompletionDate": "2017-08-29T12:29:41.000Z",
    "CreationDate": "2017-08-29T08:29:41.000Z",
    "InventoryRetrievalParameters": None,
    "InventorySizeInBytes": None,
    "JobDescription": "",
    "JobId": "-job",
    "RetrievalByteRange": "1048576-3145727",
    "SHA256TreeHash": HASH.upper(),
    "StatusCode": "Succeeded",
    "StatusMessage": "Succeeded",
    "Tier": "Standard",
    "VaultQCS": "qcs:id/0:cas:ap-chengdu:uid/1:vaults/v",
}
INVENTORY_JOB = ARCHIVE_JOB | {
    "Action": "InventoryRetrieval",
    "ArchiveId": None,
    "ArchiveSHA256TreeHash": None,
    "ArchiveSizeInBytes": None,
    "InventorySizeInBytes": 1234,
    "RetrievalByteRange": None,
    "SHA256TreeHash": None,
}


def test_a_retrieval():
    job = DIALECT.job("v", ARCHIVE_JOB)
    assert (job.vault, job.id, job.kind) == ("v", "-job", JobKind.ARCHIVE)
    assert (job.first_byte, job.size, job.archive_size) == (1 << 20, 2 << 20, 5 << 20)
    assert job.tree_hash == job.archive_tree_hash == bytes.fromhex(HASH)
    assert job.completed == datetime(2017, 8, 29, 12, 29, 41, tzinfo=UTC)
    assert job.expires == datetime(2017, 8, 30, 12, 29, 41, tzinfo=UTC)
    assert job.readable
    assert json.loads(job.raw) == ARCHIVE_JOB
    assert list(json.loads(job.raw)) == list(ARCHIVE_JOB)


def test_an_inventory():
    job = DIALECT.job("v", INVENTORY_JOB)
    assert (job.kind, job.size, job.first_byte, job.tree_hash) == (
        JobKind.INVENTORY,
        1234,
        0,
        None,
    )
    assert job.readable


@pytest.mark.parametrize("base", [ARCHIVE_JOB, INVENTORY_JOB])
def test_numbers_may_be_strings_of_digits(base):
    digits = {
        key: str(value) if isinstance(value, int) and not isinstance(value, bool) else value
        for key, value in base.items()
    }
    a, b = DIALECT.job("v", base), DIALECT.job("v", digits)
    assert (a.size, a.archive_size) == (b.size, b.archive_size)


@pytest.mark.parametrize("change", ["missing", "null", "empty"])
def test_only_the_jobs_name_is_needed(change):
    facts = {"missing": {}, "null": dict.fromkeys(ARCHIVE_JOB), "empty": {}}[change]
    if change == "empty":
        facts = dict.fromkeys(ARCHIVE_JOB, "")
    job = DIALECT.job("v", facts | {"JobId": "j"})
    assert (job.size, job.archive_size, job.tree_hash, job.completed) == (None,) * 4
    assert (job.kind, job.description) == (JobKind.OTHER, "")
    assert not job.readable
    assert job.expires is None


@pytest.mark.parametrize(
    ("status", "completed", "state"),
    [
        ("InProgress", False, JobState.RUNNING),
        ("Succeeded", True, JobState.SUCCEEDED),
        # Completed is true for failed jobs, too.
        ("Failed", True, JobState.FAILED),
        ("succeeded", True, JobState.SUCCEEDED),
        (None, True, JobState.SUCCEEDED),
        (None, False, JobState.RUNNING),
        ("Queued", False, JobState.RUNNING),
        (None, None, JobState.RUNNING),
    ],
)
def test_the_state_is_the_status_code(status, completed, state):
    job = DIALECT.job("v", ARCHIVE_JOB | {"StatusCode": status, "Completed": completed})
    assert job.state is state
    assert job.readable == (state is JobState.SUCCEEDED)


@pytest.mark.parametrize("action", ["PushToCOS", "PullFromCOS", None, 7])
def test_other_kinds_have_no_output(action):
    assert not DIALECT.job("v", ARCHIVE_JOB | {"Action": action}).readable


def test_a_size_of_zero_is_unknown():
    """An inventory that is running has 0; no archive is empty."""
    assert DIALECT.job("v", INVENTORY_JOB | {"InventorySizeInBytes": 0}).size is None
    sizeless = {"ArchiveSizeInBytes": 0, "RetrievalByteRange": None}
    assert DIALECT.job("v", ARCHIVE_JOB | sizeless).size is None


def test_a_completion_at_the_end_of_the_calendar_never_expires():
    job = DIALECT.job("v", ARCHIVE_JOB | {"CompletionDate": "9999-12-31T23:59:59Z"})
    assert job.expires is None


def test_a_vault():
    facts = {
        "CreationDate": "2017-08-29T08:29:41.000Z",
        "LastInventoryDate": None,
        "NumberOfArchives": None,
        "SizeInBytes": "12",
        "VaultName": "v",
    }
    vault = DIALECT.vault(facts)
    assert (vault.name, vault.archives, vault.size, vault.inventoried) == ("v", None, 12, None)
    assert json.loads(vault.raw) == facts


@given(st.dictionaries(st.sampled_from(sorted(ARCHIVE_JOB)), ANYTHING))
def test_any_object_is_a_job_or_a_wrong_answer(answer):
    if isinstance(answer.get("JobId"), str) and answer["JobId"]:
        job = DIALECT.job("v", answer)
        _ = job.expires
        assert job.size is None or job.size > 0
        assert json.loads(job.raw).keys() == answer.keys()
    else:
        with pytest.raises(WrongAnswerError):
            DIALECT.job("v", answer)


DENIED = [
    "ExpiredTokenException",
    "InvalidSignatureException",
    "MissingAuthenticationTokenException",
    "UnrecognizedClientException",
]


@pytest.mark.parametrize("code", DENIED)
def test_refused_credentials_are_known_by_code(code):
    assert DIALECT.error(code) is errors.DeniedError


def test_a_key_that_may_not_do_this_is_no_wrong_key():
    assert DIALECT.error("AccessDeniedException") is errors.ForbiddenError


def test_an_error_means_what_its_code_says():
    assert DIALECT.error("ThrottlingException") is errors.ThrottledError
    assert DIALECT.error("ResourceNotFoundException") is errors.NotFoundError
    assert DIALECT.error("RequestTimeoutException") is errors.ServerError
    assert DIALECT.error("ServiceUnavailableException") is errors.ServerError
    assert DIALECT.error("InvalidParameterValueException") is errors.RequestError
    assert DIALECT.error("PolicyEnforcedException") is errors.RequestError
    assert DIALECT.error("SomethingNew") is None


def test_paths_hold_the_account_and_any_legal_name():
    mine = cas("1250000000", Credentials("a", "b"), "")
    assert mine.vaults_path() == "/1250000000/vaults"
    assert DIALECT.vaults_path() == "/-/vaults"
    assert DIALECT.vault_path("..") == "/-/vaults/.."
    assert DIALECT.job_path("a b/c", "-_~x") == "/-/vaults/a%20b%2Fc/jobs/-_~x"


ORIGIN = ("cas", "https://one.example", "-")


def key_of(facts: dict[str, object], origin: tuple[str, ...] = ORIGIN, vault: str = "v") -> str:
    job = DIALECT.job(vault, facts)
    assert job.size is not None
    return output_of(job, job.size, origin).key


def test_a_later_job_for_the_same_archive_finds_the_same_blocks():
    later = {"JobId": "later", "CompletionDate": "2018-01-01T00:00:00Z", "Tier": "Bulk"}
    assert key_of(ARCHIVE_JOB) == key_of(ARCHIVE_JOB | later)


@pytest.mark.parametrize(
    "other",
    [
        {"ArchiveId": "another"},
        {"RetrievalByteRange": "0-2097151"},
        {"RetrievalByteRange": "1048576-4194303"},
        {"SHA256TreeHash": "cd" * 32},
        {"SHA256TreeHash": None},
    ],
)
def test_other_bytes_have_another_key(other):
    assert key_of(ARCHIVE_JOB) != key_of(ARCHIVE_JOB | other)


def test_another_service_account_or_vault_has_another_key():
    mine = key_of(ARCHIVE_JOB)
    assert mine != key_of(ARCHIVE_JOB, ("cas", "https://two.example", "-"))
    assert mine != key_of(ARCHIVE_JOB, ("cas", "https://one.example", "7"))
    assert mine != key_of(ARCHIVE_JOB, vault="w")


def test_inventories_and_nameless_archives_are_known_by_their_job():
    assert key_of(INVENTORY_JOB) != key_of(INVENTORY_JOB | {"JobId": "later"})
    nameless = ARCHIVE_JOB | {"ArchiveId": None}
    assert key_of(nameless) != key_of(nameless | {"JobId": "later"})


@pytest.mark.parametrize(
    ("span", "first_leaf"),
    [("1048576-3145727", 1), ("0-5242879", 0), ("4194304-5242879", 4), ("5-3145727", None)],
)
def test_blocks_are_leaves_only_where_the_range_begins_on_one(span, first_leaf):
    job = DIALECT.job("v", ARCHIVE_JOB | {"RetrievalByteRange": span})
    assert job.size is not None
    layout = output_of(job, job.size, ORIGIN).layout
    assert layout.first_leaf == first_leaf
    assert layout.archive_leaves == 5
    assert layout.size % BLOCK_SIZE == 0 or first_leaf is None
