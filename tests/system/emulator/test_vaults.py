"""Vaults, archives and multipart uploads."""

import re
from pathlib import Path

import pytest

from casfs.treehash import SHA256, to_text
from tests.support.emulator.running import ACCOUNT, RunningEmulator, code, hashes, running_emulator

MIB = 1 << 20
KEYS = {
    "CreationDate",
    "LastInventoryDate",
    "NumberOfArchives",
    "SizeInBytes",
    "VaultName",
    "VaultQCS",
}


def test_life_of_a_vault(emulator: RunningEmulator) -> None:
    made = emulator.call("PUT", "/Some.Vault_1-x")
    assert made.status_code == 201
    assert made.headers["Location"] == f"/{ACCOUNT}/vaults/Some.Vault_1-x"
    assert emulator.call("PUT", "/Some.Vault_1-x").status_code == 201
    fields = emulator.call("GET", "/Some.Vault_1-x").json()
    assert set(fields) == KEYS
    assert fields["VaultQCS"] == f"qcs:id/0:cas:ap-chengdu:uid/{ACCOUNT}:vaults/Some.Vault_1-x"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", fields["CreationDate"])
    assert fields["NumberOfArchives"] is None
    archive = emulator.upload("Some.Vault_1-x", b"data")
    full = emulator.call("DELETE", "/Some.Vault_1-x")
    assert code(full) == (400, "BadRequest")
    assert full.json()["message"] == "vault is not empty, only empty vault can be delete"
    gone = emulator.call("DELETE", f"/Some.Vault_1-x/archives/{archive}")
    assert gone.status_code == 204
    assert emulator.call("DELETE", "/Some.Vault_1-x").status_code == 204
    assert code(emulator.call("GET", "/Some.Vault_1-x")) == (404, "ResourceNotFoundException")
    assert code(emulator.call("DELETE", "/Some.Vault_1-x")) == (404, "ResourceNotFoundException")


def test_the_error_body_has_the_layout_of_the_documented_sample(emulator: RunningEmulator) -> None:
    text = emulator.call("GET", "/none").text
    assert text == (
        '{\n   "code" : "ResourceNotFoundException",\n'
        '   "message" : "The vault was not found: none",\n   "type" : "Client"\n}\n'
    )


@pytest.mark.parametrize("name", ["a b", "x" * 256, "ü", "a:b"])
def test_a_vault_has_a_legal_name(emulator: RunningEmulator, name: str) -> None:
    assert code(emulator.call("PUT", f"/{name}")) == (400, "InvalidParameterValueException")


@pytest.mark.parametrize("marker", ["inclusive", "exclusive"])
def test_pages_of_vaults(tmp_path: Path, marker: str) -> None:
    with running_emulator(tmp_path, "--marker", marker) as emulator:
        names = ["B", "a", "a-1", "b", "c"]
        for name in names:
            emulator.create_vault(name)
        seen, params = [], {"limit": "2"}
        while True:
            page = emulator.call("GET", "", params=params).json()
            assert set(page) == {"Marker", "VaultList"}
            seen += [vault["VaultName"] for vault in page["VaultList"]]
            if page["Marker"] is None:
                break
            last_seen = page["Marker"].endswith("/" + seen[-1])
            assert last_seen == (marker == "exclusive")
            params["marker"] = page["Marker"]
        assert seen == names
        assert len(emulator.call("GET", "").json()["VaultList"]) == 5
        for bad in ({"limit": "0"}, {"limit": "x"}, {"limit": "-1"}, {"marker": "vaults/a"}):
            answer = emulator.call("GET", "", params=bad)
            assert code(answer) == (400, "InvalidParameterValueException")


def test_a_vault_of_another_account(tmp_path: Path) -> None:
    with running_emulator(tmp_path) as emulator:
        for name in ("mine", "theirs"):
            emulator.create_vault(name)
        archive = emulator.upload("theirs", b"data")
        job = emulator.retrieve("theirs", archive)
        emulator.sql("UPDATE vaults SET owner = '1250000001' WHERE name = 'theirs'")
        for method, path in [
            ("GET", "/theirs"),
            ("PUT", "/theirs"),
            ("DELETE", "/theirs"),
            ("GET", "/theirs/jobs"),
            ("GET", f"/theirs/jobs/{job}/output"),
        ]:
            assert code(emulator.call(method, path)) == (403, "AccessDeniedException")
        listed = emulator.call("GET", "").json()["VaultList"]
        assert [vault["VaultName"] for vault in listed] == ["mine"]


def test_quota_of_vaults(tmp_path: Path) -> None:
    with running_emulator(tmp_path) as emulator:
        emulator.create_vault("first")
        emulator.sql(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 999)"
            " INSERT INTO vaults (name, created) SELECT 'v' || i, 1 FROM n"
        )
        assert code(emulator.call("PUT", "/last")) == (400, "LimitExceededException")
        assert emulator.call("PUT", "/first").status_code == 201


def test_upload_answers_with_id_and_hashes(emulator: RunningEmulator) -> None:
    data = bytes(range(256)) * 5000
    headers = hashes(data)
    answer = emulator.call("POST", "/v/archives", headers=headers, data=data)
    assert answer.status_code == 201
    archive = answer.headers["x-cas-archive-id"]
    assert re.fullmatch(r"[A-Za-z0-9_-]{128}", archive)
    assert answer.headers["Location"] == f"/{ACCOUNT}/vaults/v/archives/{archive}"
    for name, value in headers.items():
        assert answer.headers[name] == value
    assert emulator.archive_file(archive).read_bytes() == data


def test_hashes_may_be_upper_case(emulator: RunningEmulator) -> None:
    headers = {name: value.upper() for name, value in hashes(b"x").items()}
    assert emulator.call("POST", "/v/archives", headers=headers, data=b"x").status_code == 201


@pytest.mark.parametrize("name", ["x-cas-content-sha256", "x-cas-sha256-tree-hash"])
def test_upload_with_a_wrong_or_missing_hash_is_refused(
    emulator: RunningEmulator, name: str
) -> None:
    wrong = {**hashes(b"data"), name: "0" * 64}
    answer = emulator.call("POST", "/v/archives", headers=wrong, data=b"data")
    assert code(answer) == (400, "InvalidDigest")
    less = {key: value for key, value in hashes(b"data").items() if key != name}
    answer = emulator.call("POST", "/v/archives", headers=less, data=b"data")
    assert code(answer) == (400, "MissingParameterValueException")
    bad = {**hashes(b"data"), name: "xyz"}
    answer = emulator.call("POST", "/v/archives", headers=bad, data=b"data")
    assert code(answer) == (400, "InvalidParameterValueException")
    assert not list((emulator.root / "incoming").iterdir())


def test_upload_of_nothing_without_length_or_with_a_long_description(
    emulator: RunningEmulator,
) -> None:
    empty = emulator.call("POST", "/v/archives", headers=hashes(b"x"), data=b"")
    assert code(empty) == (400, "InvalidParameterValueException")
    pieces = emulator.call("POST", "/v/archives", headers=hashes(b"x"), data=iter([b"x"]))
    assert code(pieces) == (400, "MissingParameterValueException")
    headers = {**hashes(b"x"), "x-cas-archive-description": "d" * 1025}
    long = emulator.call("POST", "/v/archives", headers=headers, data=b"x")
    assert code(long) == (400, "InvalidParameterValueException")
    headers["x-cas-archive-description"] = "d" * 1024
    assert emulator.call("POST", "/v/archives", headers=headers, data=b"x").status_code == 201
    nowhere = emulator.call("POST", "/none/archives", headers=hashes(b"x"), data=b"x")
    assert code(nowhere) == (404, "ResourceNotFoundException")


def test_some_ids_begin_with_a_dash(emulator: RunningEmulator) -> None:
    ids = [emulator.upload("v", b"x") for _ in range(100)]
    assert any(archive.startswith("-") for archive in ids)
    assert len(set(ids)) == 100


def test_delete_archive(emulator: RunningEmulator) -> None:
    archive = emulator.upload("v", b"data")
    for _ in range(2):
        assert emulator.call("DELETE", f"/v/archives/{archive}").status_code == 204
    assert not emulator.archive_file(archive).exists()
    unknown = emulator.call("DELETE", f"/v/archives/{'x' * 128}")
    assert code(unknown) == (404, "ResourceNotFoundException")


def begin(emulator: RunningEmulator, part_size: int, description: str = "") -> str:
    headers = {"x-cas-part-size": str(part_size), "x-cas-archive-description": description}
    answer = emulator.call("POST", "/v/multipart-uploads", headers=headers)
    assert answer.status_code == 201
    upload = answer.headers["x-cas-multipart-upload-id"]
    assert re.fullmatch(r"[A-Za-z0-9_-]{64}", upload)
    assert answer.headers["Location"] == f"/{ACCOUNT}/vaults/v/multipart-uploads/{upload}"
    return upload


def put(emulator: RunningEmulator, upload: str, data: bytes, first: int, **more: str) -> int:
    headers = {**hashes(data), "Content-Range": f"bytes {first}-{first + len(data) - 1}/*", **more}
    answer = emulator.call("PUT", f"/v/multipart-uploads/{upload}", headers=headers, data=data)
    if answer.status_code == 204:
        assert answer.headers["x-cas-sha256-tree-hash"] == hashes(data)["x-cas-sha256-tree-hash"]
    return answer.status_code


def test_multipart_upload_in_any_order_with_a_part_overwritten(emulator: RunningEmulator) -> None:
    data = b"".join(bytes([letter]) * (2 * MIB) for letter in b"abc")[: 4 * MIB + 100]
    upload = begin(emulator, 2 * MIB, "dir/name")
    path = f"/v/multipart-uploads/{upload}"
    # The last part was longer once; what it left behind must not be in the archive.
    assert put(emulator, upload, b"c" * 2 * MIB, 4 * MIB) == 204
    assert put(emulator, upload, data[4 * MIB :], 4 * MIB) == 204
    assert put(emulator, upload, data[: 2 * MIB], 0) == 204
    tree_hash = to_text(SHA256.root(SHA256.leaves(data)))
    headers = {"x-cas-archive-size": str(len(data)), "x-cas-sha256-tree-hash": tree_hash}
    hole = emulator.call("POST", path, headers=headers)
    assert code(hole) == (400, "InvalidParameterValueException")
    assert put(emulator, upload, data[2 * MIB : 4 * MIB], 2 * MIB) == 204
    first = emulator.call("GET", path, params={"limit": "2"}).json()
    assert [part["RangeInBytes"] for part in first["Parts"]] == ["0-2097151", "2097152-4194303"]
    assert first["PartSizeInBytes"] == 2 * MIB
    assert first["ArchiveDescription"] == "dir/name"
    assert first["MultipartUploadId"] == upload
    rest = emulator.call("GET", path, params={"marker": first["Marker"]}).json()
    assert [part["RangeInBytes"] for part in rest["Parts"]] == ["4194304-4194403"]
    assert rest["Marker"] is None
    listed = emulator.call("GET", "/v/multipart-uploads").json()["UploadsList"]
    assert upload in [one["MultipartUploadId"] for one in listed]
    short = {**headers, "x-cas-archive-size": str(len(data) - 1)}
    answer = emulator.call("POST", path, headers=short)
    assert code(answer) == (400, "InvalidParameterValueException")
    wrong = {**headers, "x-cas-sha256-tree-hash": "0" * 64}
    assert code(emulator.call("POST", path, headers=wrong)) == (400, "InvalidDigest")
    done = emulator.call("POST", path, headers=headers)
    assert done.status_code == 201
    archive = done.headers["x-cas-archive-id"]
    assert done.headers["Location"].endswith(f"/archives/{archive}")
    assert emulator.archive_file(archive).read_bytes() == data
    job = emulator.retrieve("v", archive)
    assert emulator.output("v", job).content == data
    assert emulator.describe("v", job)["SHA256TreeHash"] == tree_hash
    assert code(emulator.call("POST", path, headers=headers)) == (404, "ResourceNotFoundException")


def test_parts_that_are_refused(emulator: RunningEmulator) -> None:
    upload = begin(emulator, MIB)
    assert put(emulator, upload, b"x" * MIB, 1) == 400
    assert put(emulator, upload, b"x" * (MIB + 1), 0) == 400
    assert put(emulator, upload, b"x", 10_000 * MIB) == 400
    assert put(emulator, upload, b"x", 0, **{"x-cas-content-sha256": "0" * 64}) == 400
    assert put(emulator, upload, b"x", 0, **{"x-cas-sha256-tree-hash": "0" * 64}) == 400
    assert put(emulator, upload, b"xx", 0, **{"Content-Range": "bytes 0-0/*"}) == 400
    assert put(emulator, upload, b"x", 0, **{"Content-Range": "0-0"}) == 400
    assert emulator.call("GET", f"/v/multipart-uploads/{upload}").json()["Parts"] == []
    assert put(emulator, "nosuch", b"x", 0) == 404


@pytest.mark.parametrize("size", ["0", "1", "3145728", "x", str(8 << 30)])
def test_part_sizes_that_are_refused(emulator: RunningEmulator, size: str) -> None:
    answer = emulator.call("POST", "/v/multipart-uploads", headers={"x-cas-part-size": size})
    assert code(answer) == (400, "InvalidParameterValueException")


def test_abort_and_age_end_an_upload(emulator: RunningEmulator) -> None:
    upload = begin(emulator, MIB)
    assert put(emulator, upload, b"x", 0) == 204
    assert emulator.call("DELETE", f"/v/multipart-uploads/{upload}").status_code == 204
    assert emulator.call("GET", f"/v/multipart-uploads/{upload}").status_code == 404
    assert not (emulator.root / "uploads" / upload).exists()
    old = begin(emulator, MIB)
    emulator.sql("UPDATE uploads SET created = created - 86401 WHERE id = ?", old)
    assert emulator.call("GET", f"/v/multipart-uploads/{old}").status_code == 404
    missing = emulator.call("POST", "/v/multipart-uploads")
    assert code(missing) == (400, "MissingParameterValueException")


def test_pages_of_uploads(tmp_path: Path) -> None:
    with running_emulator(tmp_path, "--marker", "exclusive") as emulator:
        emulator.create_vault("v")
        ids = sorted(begin(emulator, MIB) for _ in range(3))
        page = emulator.call("GET", "/v/multipart-uploads", params={"limit": "2"}).json()
        assert page["Marker"] == ids[1]
        rest = emulator.call("GET", "/v/multipart-uploads", params={"marker": ids[1]}).json()
        assert [one["MultipartUploadId"] for one in rest["UploadsList"]] == ids[2:]
