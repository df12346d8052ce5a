"""Jobs, outputs and inventories of OAS."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.emulator.oas import DATA, DATE, MIB, WHOLE, Oas, code, running_oas, tree_etag

KEYS = {
    "Action",
    "ArchiveId",
    "ArchiveSizeInBytes",
    "ArchiveTreeEtag",
    "Completed",
    "CompletionDate",
    "CreationDate",
    "InventorySizeInBytes",
    "JobDescription",
    "JobId",
    "RetrievalByteRange",
    "StatusCode",
    "StatusMessage",
    "TreeEtag",
}
TO_OSS = {"OSSHost": "oss-cn-hangzhou-internal.aliyuncs.com", "Bucket": "b", "Object": "o"}


@pytest.fixture(scope="module")
def oas(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Oas]:
    with running_oas(tmp_path_factory.mktemp("oas")) as running:
        yield running


@pytest.fixture(scope="module")
def vault(oas: Oas) -> str:
    return oas.create_vault("vault")


@pytest.fixture(scope="module")
def archive(oas: Oas, vault: str) -> str:
    return oas.upload(vault, DATA, "dir/über")


def test_an_archive_job(oas: Oas, vault: str, archive: str) -> None:
    fields = {"Type": "archive-retrieval", "ArchiveId": archive, "Description": "why"}
    # The official SDK sends no Content-Type.
    answer = oas.call("POST", f"/{vault}/jobs", data=json.dumps(fields).encode())
    job = answer.headers["x-oas-job-id"]
    assert (answer.status_code, answer.content) == (202, b"")
    assert answer.headers["Location"] == f"/vaults/{vault}/jobs/{job}"
    described = oas.describe(vault, job)
    for name in ("CreationDate", "CompletionDate"):
        assert re.fullmatch(DATE, described.pop(name))
    assert described == {
        "Action": "ArchiveRetrieval",
        "ArchiveId": archive,
        "ArchiveSizeInBytes": len(DATA),
        "ArchiveTreeEtag": WHOLE,
        "Completed": True,
        "InventorySizeInBytes": -1,
        "JobDescription": "why",
        "JobId": job,
        "RetrievalByteRange": f"0-{len(DATA) - 1}",
        "StatusCode": "Succeeded",
        "StatusMessage": "Succeeded",
        "TreeEtag": WHOLE,
    }


def test_an_inventory_job(oas: Oas) -> None:
    vault = oas.create_vault("inventory")
    archives = {oas.upload(vault, data, text): (data, text) for data, text in [
        (DATA, "dir/über, \"x\""), (b"small", None)
    ]}  # fmt: skip
    job = oas.start(vault, Type="inventory-retrieval")
    described = oas.describe(vault, job)
    assert set(described) == KEYS
    output = oas.output(vault, job)
    assert output.status_code == 200
    assert output.headers["Content-Type"] == "application/json"
    assert "x-oas-tree-etag" not in output.headers
    assert {name: described[name] for name in KEYS - {"CreationDate", "CompletionDate"}} == {
        "Action": "InventoryRetrieval",
        "ArchiveId": "",
        "ArchiveSizeInBytes": -1,
        "ArchiveTreeEtag": "",
        "Completed": True,
        "InventorySizeInBytes": len(output.content),
        "JobDescription": "",
        "JobId": job,
        "RetrievalByteRange": "",
        "StatusCode": "Succeeded",
        "StatusMessage": "Succeeded",
        "TreeEtag": "",
    }
    listed = output.json()
    assert list(listed) == ["VaultId", "InventoryDate", "ArchiveList"]
    assert listed["VaultId"] == vault
    assert listed["InventoryDate"] == described["CompletionDate"]
    for one in listed["ArchiveList"]:
        data, text = archives.pop(one["ArchiveId"])
        assert re.fullmatch(DATE, one.pop("CreationDate"))
        assert one == {
            "ArchiveId": one["ArchiveId"],
            "ArchiveTreeEtag": tree_etag(data),
            "ArchiveDescription": text or "",
            "Size": len(data),
        }
    assert not archives
    shown = oas.good("GET", f"/{vault}").json()
    assert shown["LastInventoryDate"] == described["CompletionDate"]
    assert (shown["NumberOfArchives"], shown["SizeInBytes"]) == (2, len(DATA) + 5)
    last = len(output.content) - 1
    part = oas.output(vault, job, f"0-{last}")
    assert (part.status_code, part.content) == (206, output.content)
    assert code(oas.output(vault, job, "0-9")) == (413, "InvalidRange")


def test_an_inventory_of_nothing(oas: Oas) -> None:
    vault = oas.create_vault("nothing")
    job = oas.start(vault, Type="inventory-retrieval")
    assert oas.output(vault, job).json()["ArchiveList"] == []


def test_a_running_job(tmp_path: Path) -> None:
    with running_oas(tmp_path, "--job-seconds", "10000") as oas:
        vault = oas.create_vault("vault")
        archive = oas.upload(vault, DATA)
        job = oas.retrieve(vault, archive)
        part = oas.retrieve(vault, archive, RetrievalByteRange=f"{MIB}-{2 * MIB - 1}")
        running = oas.describe(vault, job)
        assert set(running) == KEYS
        assert re.fullmatch(DATE, running.pop("CreationDate"))
        assert running == {
            "Action": "ArchiveRetrieval",
            "ArchiveId": archive,
            "ArchiveSizeInBytes": -1,
            "ArchiveTreeEtag": "",
            "Completed": False,
            "CompletionDate": "",
            "InventorySizeInBytes": -1,
            "JobDescription": "",
            "JobId": job,
            "RetrievalByteRange": "",
            "StatusCode": "InProgress",
            "StatusMessage": "InProgress",
            "TreeEtag": "",
        }
        assert oas.describe(vault, part)["RetrievalByteRange"] == f"{MIB}-{2 * MIB - 1}"
        inventory = oas.start(vault, Type="inventory-retrieval")
        assert oas.describe(vault, inventory)["InventorySizeInBytes"] == -1
        for one in (job, inventory):
            assert code(oas.output(vault, one)) == (400, "JobNotReady")
        oas.emulator.finish(job)
        assert oas.output(vault, job).content == DATA
        oas.good("DELETE", f"/{vault}/archives/{archive}")
        oas.emulator.finish(part)
        failed = oas.describe(vault, part)
        assert (failed["Completed"], failed["StatusCode"]) == (True, "Failed")
        assert code(oas.output(vault, part)) == (400, "JobNoOutput")


def test_an_expired_job_is_gone(oas: Oas, vault: str, archive: str) -> None:
    job = oas.retrieve(vault, archive)
    oas.emulator.expire(job)
    for path in ("", "/output"):
        assert code(oas.call("GET", f"/{vault}/jobs/{job}{path}")) == (404, "JobNotExists")
    assert job not in oas.good("GET", f"/{vault}/jobs").text


def test_jobs_are_listed_by_id_without_filters(oas: Oas, archive: str) -> None:
    vault = oas.create_vault("listed")
    small = oas.upload(vault, b"data")
    jobs = sorted(oas.retrieve(vault, small) for _ in range(5))
    answer = oas.good("GET", f"/{vault}/jobs", params="marker&limit=2000")
    assert [job["JobId"] for job in answer.json()["JobList"]] == jobs
    assert answer.json()["Marker"] == ""
    assert all(job == oas.describe(vault, job["JobId"]) for job in answer.json()["JobList"])
    page = oas.good("GET", f"/{vault}/jobs", params={"limit": "3"}).json()
    assert page["Marker"] == jobs[3]
    rest = oas.good("GET", f"/{vault}/jobs", params={"marker": jobs[3], "limit": "3"}).json()
    assert [job["JobId"] for job in rest["JobList"]] == jobs[3:]
    filtered = oas.good("GET", f"/{vault}/jobs", params={"completed": "false", "statuscode": "x"})
    assert len(filtered.json()["JobList"]) == 5


@pytest.mark.parametrize(
    ("body", "wanted"),
    [
        ("no JSON", "JobJsonFormatError"),
        ("[]", "JobJsonFormatError"),
        ("{}", "MissingArgument"),
        ('{"Type": "select"}', "InvalidArgument"),
        ('{"Type": "archive-retrieval"}', "MissingArgument"),
        ('{"Type": "inventory-retrieval", "RetrievalByteRange": "0-1"}', "InvalidArgument"),
        ('{"Type": "pull-from-oss", "OSSHost": "h", "Bucket": "b"}', "MissingArgument"),
        ('{"Type": "push-to-oss", "OSSHost": "h", "Bucket": "b", "Object": "o"}',
         "MissingArgument"),
    ],
)  # fmt: skip
def test_jobs_that_are_refused(oas: Oas, vault: str, body: str, wanted: str) -> None:
    assert code(oas.call("POST", f"/{vault}/jobs", data=body)) == (400, wanted)


@pytest.mark.parametrize(
    "span", ["0", "0-", "-5", "1-4", "0-1", f"{MIB}-{MIB}", f"0-{len(DATA)}", f"{MIB}-0", "a-b"]
)
def test_ranges_that_no_job_has(oas: Oas, vault: str, archive: str, span: str) -> None:
    fields = {"Type": "archive-retrieval", "ArchiveId": archive, "RetrievalByteRange": span}
    answer = oas.call("POST", f"/{vault}/jobs", data=json.dumps(fields))
    assert code(answer) == (400, "InvalidArgument")


def test_a_job_needs_an_archive_that_is_there(oas: Oas, vault: str) -> None:
    body = json.dumps({"Type": "archive-retrieval", "ArchiveId": "0" * 96})
    assert code(oas.call("POST", f"/{vault}/jobs", data=body)) == (404, "ArchiveNotExists")


def test_transfers_have_no_output(oas: Oas, vault: str, archive: str) -> None:
    pull = oas.start(vault, Type="pull-from-oss", **TO_OSS)
    push = oas.start(vault, Type="push-to-oss", ArchiveId=archive, **TO_OSS)
    for job, action, about in [(pull, "PullFromOSS", ""), (push, "PushToOSS", archive)]:
        described = oas.describe(vault, job)
        assert set(described) == KEYS
        assert (described["Action"], described["ArchiveId"]) == (action, about)
        assert described["RetrievalByteRange"] == ""
        assert described["StatusCode"] == "Failed"
        assert code(oas.output(vault, job)) == (400, "InvalidArgument")


# outputs


def test_an_output(oas: Oas, vault: str, archive: str) -> None:
    answer = oas.output(vault, oas.retrieve(vault, archive))
    assert (answer.status_code, answer.content) == (200, DATA)
    assert answer.headers["Content-Type"] == "application/octet-stream"
    assert answer.headers["Content-Length"] == str(len(DATA))
    assert answer.headers["x-oas-tree-etag"] == WHOLE
    assert answer.headers["x-oas-request-id"]
    assert "Content-Range" not in answer.headers


@pytest.mark.parametrize("form", ["blank", "equals"])
def test_an_output_without_range_may_be_a_206(tmp_path: Path, form: str) -> None:
    options = ("--output-without-range", "206", "--content-range", form)
    with running_oas(tmp_path, *options) as oas:
        vault = oas.create_vault("vault")
        answer = oas.output(vault, oas.retrieve(vault, oas.upload(vault, DATA)))
        assert (answer.status_code, answer.content) == (206, DATA)
        sign = " " if form == "blank" else "="
        end = len(DATA)
        assert answer.headers["Content-Range"] == f"bytes{sign}0-{end - 1}/{end}"
        inventory = oas.start(vault, Type="inventory-retrieval")
        assert oas.output(vault, inventory).status_code == 200


END = len(DATA)


@pytest.mark.parametrize("first", [0, MIB, 2 * MIB, 3 * MIB])
@pytest.mark.parametrize("end", [MIB, 2 * MIB, 3 * MIB, END])
def test_aligned_ranges_carry_the_etag_of_their_bytes(
    oas: Oas, vault: str, archive: str, first: int, end: int
) -> None:
    if first >= end:
        return
    job = oas.retrieve(vault, archive)
    answer = oas.output(vault, job, f"{first}-{end - 1}")
    assert answer.status_code == 206
    assert answer.headers["Content-Range"] == f"bytes {first}-{end - 1}/{END}"
    assert answer.content == DATA[first:end]
    assert answer.headers["x-oas-tree-etag"] == tree_etag(DATA[first:end])


@pytest.mark.parametrize(
    "span",
    [
        "0-9",
        f"1-{MIB - 1}",
        f"0-{MIB}",
        f"0-{END - 2}",
        f"0-{END}",
        "0-",
        f"-{MIB}",
        f"{MIB}-",
        f"{MIB}-0",
        f"0-{MIB - 1},{MIB}-{2 * MIB - 1}",
        f"{4 * MIB}-{5 * MIB - 1}",
        "x",
    ],
)
def test_ranges_that_are_not_aligned(oas: Oas, vault: str, archive: str, span: str) -> None:
    job = oas.retrieve(vault, archive)
    assert code(oas.output(vault, job, span)) == (413, "InvalidRange")


def test_ranges_are_of_the_jobs_own_output(oas: Oas, vault: str, archive: str) -> None:
    job = oas.retrieve(vault, archive, RetrievalByteRange=f"{2 * MIB}-{END - 1}")
    own = DATA[2 * MIB :]
    described = oas.describe(vault, job)
    assert described["TreeEtag"] == "88D90ABB0E15B7B03DBEBAD69275C349"
    assert described["ArchiveTreeEtag"] == WHOLE
    assert described["ArchiveSizeInBytes"] == END
    last = oas.output(vault, job, f"{MIB}-{len(own) - 1}")
    assert last.content == own[MIB:]
    assert last.headers["x-oas-tree-etag"] == "44472E52640E6DBCAF84967A4D34A1F3"
    assert code(oas.output(vault, job, f"{2 * MIB}-{END - 1}")) == (413, "InvalidRange")


@pytest.mark.parametrize(("first", "end"), [(1, 3), (0, 3), (1, END / MIB)])
def test_a_job_that_is_no_subtree_has_no_etag(
    oas: Oas, vault: str, archive: str, first: int, end: float
) -> None:
    span = f"{first * MIB}-{int(end * MIB) - 1}"
    job = oas.retrieve(vault, archive, RetrievalByteRange=span)
    assert oas.describe(vault, job)["TreeEtag"] == ""
    for part in (None, f"0-{MIB - 1}"):
        assert "x-oas-tree-etag" not in oas.output(vault, job, part).headers


def test_the_etag_of_a_range_that_is_no_subtree_is_a_switch(tmp_path: Path) -> None:
    with running_oas(tmp_path, "--hash-on-unaligned-range", "absent") as oas:
        vault = oas.create_vault("vault")
        job = oas.retrieve(vault, oas.upload(vault, DATA))
        assert "x-oas-tree-etag" not in oas.output(vault, job, f"{MIB}-{3 * MIB - 1}").headers
        assert "x-oas-tree-etag" in oas.output(vault, job, f"0-{2 * MIB - 1}").headers


# faults


@pytest.mark.parametrize(
    ("option", "wanted"),
    [("502", (502, "ServiceUnavailable")), ("503", (503, "ServiceUnavailable"))],
)
def test_throttling(tmp_path: Path, option: str, wanted: tuple[int, str]) -> None:
    with running_oas(tmp_path, "--fault", "throttle=1", "--throttling", option) as oas:
        assert code(oas.call("GET")) == wanted


def test_a_service_that_has_failed(tmp_path: Path) -> None:
    with running_oas(tmp_path, "--fault", "error-500=1") as oas:
        assert code(oas.call("GET")) == (500, "InternalError")


@pytest.mark.parametrize(
    ("fault", "status", "has_hash"),
    [("wrong-hash", 206, True), ("missing-hash", 206, False), ("ignore-range", 200, True)],
)
def test_faults_of_outputs(tmp_path: Path, fault: str, status: int, has_hash: bool) -> None:
    with running_oas(tmp_path, "--fault", f"{fault}=1") as oas:
        vault = oas.create_vault("vault")
        job = oas.retrieve(vault, oas.upload(vault, DATA))
        answer = oas.output(vault, job, f"0-{MIB - 1}")
        assert answer.status_code == status
        given = answer.headers.get("x-oas-tree-etag")
        assert (given is not None) == has_hash
        if fault == "wrong-hash":
            assert given != tree_etag(DATA[:MIB])


def test_seeds(tmp_path: Path) -> None:
    folder = tmp_path / "files"
    folder.mkdir()
    (folder / "a").write_bytes(DATA)
    with running_oas(tmp_path / "root", "--seed", f"photos={folder}") as oas:
        [vault] = oas.good("GET").json()["VaultList"]
        assert (vault["VaultName"], vault["NumberOfArchives"]) == ("photos", 1)
        [job] = oas.good("GET", f"/{vault['VaultId']}/jobs").json()["JobList"]
        assert job["TreeEtag"] == WHOLE
        assert oas.output(vault["VaultId"], job["JobId"]).content == DATA
