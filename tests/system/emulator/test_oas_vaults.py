"""Vaults, archives and multipart uploads of OAS."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from casfs.emulator.command import emulator as command
from tests.support.emulator.oas import (
    DATA,
    DATE,
    MIB,
    WHOLE,
    Oas,
    code,
    etag,
    hashes,
    running_oas,
    tree_etag,
)
from tests.support.emulator.running import KEYS, running_emulator


@pytest.fixture(scope="module")
def oas(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Oas]:
    with running_oas(tmp_path_factory.mktemp("oas")) as running:
        yield running


def test_life_of_a_vault(oas: Oas) -> None:
    made = oas.call("PUT", "/some-vault_1")
    vault = made.headers["x-oas-vault-id"]
    assert made.status_code == 201
    assert re.fullmatch(r"[0-9A-F]{32}", vault)
    assert made.headers["Location"] == f"/vaults/{vault}"
    assert oas.create_vault("some-vault_1") == vault
    answer = oas.good("GET", f"/{vault}")
    assert answer.headers["Content-Type"] == "application/json"
    fields = answer.json()
    assert re.fullmatch(DATE, fields.pop("CreationDate"))
    assert fields == {
        "LastInventoryDate": "",
        "NumberOfArchives": 0,
        "SizeInBytes": 0,
        "VaultId": vault,
        "VaultName": "some-vault_1",
    }
    archive = oas.upload(vault, b"data")
    assert code(oas.call("DELETE", f"/{vault}")) == (409, "VaultNotEmpty")
    assert oas.call("DELETE", f"/{vault}/archives/{archive}").status_code == 204
    assert oas.call("DELETE", f"/{vault}").status_code == 204
    assert code(oas.call("GET", f"/{vault}")) == (404, "VaultNotExists")
    assert oas.create_vault("some-vault_1") != vault


def test_a_vault_goes_by_its_id_alone(oas: Oas) -> None:
    vault = oas.create_vault("by-id")
    for path in ("/by-id", "/by-id/jobs", f"/{vault.lower()}"):
        assert oas.call("GET", path).status_code == 404
    assert code(oas.call("GET", "/by-id/jobs")) == (404, "VaultNotExists")


@pytest.mark.parametrize("name", ["ab", "a" * 64, "Abc", "-ab", "ab_", "a.b", "a%20b"])
def test_a_vault_has_a_legal_name(oas: Oas, name: str) -> None:
    assert code(oas.call("PUT", f"/{name}")) == (400, "InvalidVaultName")


@pytest.mark.parametrize("name", ["abc", "a" * 63, "0-_9"])
def test_legal_names(oas: Oas, name: str) -> None:
    oas.good("DELETE", "/" + oas.create_vault(name))


def test_an_account_has_ten_vaults(tmp_path: Path) -> None:
    with running_oas(tmp_path) as oas:
        for number in range(10):
            oas.create_vault(f"vault{number}")
        assert code(oas.call("PUT", "/vault10")) == (403, "TooManyVaults")
        assert oas.call("PUT", "/vault9").status_code == 201


def pages(oas: Oas, path: str, name: str, limit: str | None) -> list[list[dict[str, Any]]]:
    found, marker = [], ""
    while True:
        params = {"marker": marker} | ({} if limit is None else {"limit": limit})
        page = oas.good("GET", path, params=params).json()
        assert set(page) >= {"Marker", name}
        found.append(page[name])
        marker = page["Marker"]
        if marker == "":
            return found


@pytest.mark.parametrize("marker", ["inclusive", "exclusive"])
def test_pages_of_ten_vaults(tmp_path: Path, marker: str) -> None:
    seeds = []
    for number in range(12):
        folder = tmp_path / f"vault{number}"
        folder.mkdir()
        (folder / "file").write_bytes(b"data")
        seeds += ["--seed", f"vault{number}={folder}"]
    with running_oas(tmp_path / "root", "--marker", marker, *seeds) as oas:
        for limit, sizes in [(None, [10, 2]), ("1000", [10, 2]), ("5", [5, 5, 2])]:
            found = pages(oas, "", "VaultList", limit)
            assert [len(page) for page in found] == sizes
            ids = [vault["VaultId"] for page in found for vault in page]
            assert ids == sorted(set(ids))
            assert len(ids) == 12
        first = oas.good("GET", params={"limit": "1"}).json()
        assert (first["Marker"] == ids[0]) == (marker == "exclusive")


@pytest.mark.parametrize("path", ["", "/{}/jobs", "/{}/multipart-uploads"])
def test_limits_and_markers_of_the_wrong_form(oas: Oas, path: str) -> None:
    path = path.format(oas.create_vault("limits"))
    for params in ({"limit": "x"}, {"limit": "0"}, {"limit": "-1"}, {"marker": "0" * 32}):
        assert code(oas.call("GET", path, params=params)) == (400, "ParameterIllegal")


def test_a_marker_that_names_nothing_may_be_ignored(tmp_path: Path) -> None:
    with running_oas(tmp_path, "--missing-marker", "ignored") as oas:
        vault = oas.create_vault("vault")
        listed = oas.good("GET", params={"marker": "0" * 32}).json()["VaultList"]
        assert [one["VaultId"] for one in listed] == [vault]


def test_a_vault_of_another_account(oas: Oas) -> None:
    vault = oas.create_vault("theirs")
    oas.emulator.sql("UPDATE vaults SET owner = '7' WHERE name = 'theirs'")
    for path in ("", "/jobs", "/jobs/x/output"):
        assert code(oas.call("GET", f"/{vault}{path}")) == (403, "AccessDenied")
    assert vault not in oas.good("GET").text
    oas.emulator.sql("DELETE FROM vaults WHERE name = 'theirs'")


def test_an_archive(oas: Oas) -> None:
    vault = oas.create_vault("archives")
    made = oas.call("POST", f"/{vault}/archives", headers=hashes(DATA), data=DATA)
    archive = made.headers["x-oas-archive-id"]
    assert made.status_code == 201
    assert re.fullmatch(r"[0-9A-F]{96}", archive)
    assert made.headers["Location"] == f"/vaults/{vault}/archives/{archive}"
    assert made.headers["x-oas-tree-etag"] == WHOLE
    meta = oas.good("GET", f"/{vault}/archives/{archive}/meta").json()
    assert meta["ArchiveSizeInBytes"] == len(DATA)
    assert meta["ArchiveTreeEtag"] == WHOLE
    assert oas.call("DELETE", f"/{vault}/archives/{archive}").status_code == 204
    for path in (f"/{vault}/archives/{archive}/meta", f"/{vault}/archives/{'0' * 96}/meta"):
        assert code(oas.call("GET", path)) == (404, "ArchiveNotExists")
    assert code(oas.call("DELETE", f"/{vault}/archives/x")) == (404, "ArchiveNotExists")


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        # The two ways to misread the definition of the tree: raw digests, lower-case text.
        ("x-oas-tree-etag", "8D72FB0A3248164093F5103F3BC7B0AF"),
        ("x-oas-tree-etag", "E6DD57F0199AA0EC949D20CD07A6263A"),
        ("x-oas-tree-etag", "771576527179BADC08293786725FD4E7"),
        ("x-oas-tree-etag", "x" * 32),
        ("x-oas-content-etag", WHOLE),
        ("x-oas-content-etag", "77"),
    ],
)
def test_wrong_etags_are_refused(oas: Oas, name: str, wrong: str) -> None:
    vault = oas.create_vault("etags")
    headers = {**hashes(DATA), name: wrong}
    answer = oas.call("POST", f"/{vault}/archives", headers=headers, data=DATA)
    assert code(answer) == (400, "InvalidDigest")


def test_etags_in_either_case_are_taken(oas: Oas) -> None:
    vault = oas.create_vault("etags")
    headers = {name: value.lower() for name, value in hashes(DATA).items()}
    assert oas.call("POST", f"/{vault}/archives", headers=headers, data=DATA).status_code == 201


@pytest.mark.parametrize("name", ["x-oas-content-etag", "x-oas-tree-etag"])
def test_missing_etags_are_refused(oas: Oas, name: str) -> None:
    vault = oas.create_vault("etags")
    headers = {one: value for one, value in hashes(b"data").items() if one != name}
    answer = oas.call("POST", f"/{vault}/archives", headers=headers, data=b"data")
    assert code(answer) == (400, "MissingArgument")


def test_an_archive_has_a_length_and_a_byte(oas: Oas) -> None:
    vault = oas.create_vault("etags")
    none = oas.call("POST", f"/{vault}/archives", headers=hashes(b""))
    assert code(none) == (400, "InvalidArgument")
    pieces = iter([b"da", b"ta"])
    unknown = oas.call("POST", f"/{vault}/archives", headers=hashes(b"data"), data=pieces)
    assert code(unknown) == (411, "MissingContentLength")


def test_what_no_path_and_no_method_is(oas: Oas) -> None:
    vault = oas.create_vault("paths")
    assert code(oas.call("POST", f"/{vault}")) == (405, "MethodNotAllowed")
    assert oas.call("GET", f"/{vault}/other").status_code == 400
    assert oas.call("GET", f"/{vault}/archives/x/other").json()["code"] == "InvalidRequest"


# multipart uploads


def part(oas: Oas, path: str, first: int, data: bytes, **headers: str) -> Any:
    span = {"Content-Range": f"{first}-{first + len(data) - 1}"}
    return oas.call("PUT", path, headers={**span, **hashes(data), **headers}, data=data)


def test_a_multipart_upload(oas: Oas) -> None:
    vault = oas.create_vault("parts")
    # No power of two of MiB, which is allowed here.
    size, data = 3 * MIB, DATA * 2
    headers = {"x-oas-part-size": str(size), "x-oas-archive-description": "of parts"}
    begun = oas.good("POST", f"/{vault}/multipart-uploads", headers=headers)
    upload = begun.headers["x-oas-multipart-upload-id"]
    path = f"/{vault}/multipart-uploads/{upload}"
    assert begun.headers["Location"] == f"/vaults{path}"
    listed = oas.good("GET", f"/{vault}/multipart-uploads").json()
    [one] = listed["UploadsList"]
    assert re.fullmatch(DATE, one["CreationDate"])
    shown = {
        "ArchiveDescription": "of parts",
        "CreationDate": one["CreationDate"],
        "MultipartUploadId": upload,
        "PartSizeInBytes": size,
    }
    assert listed == {"Marker": "", "UploadsList": [shown]}
    blocks = [(at, data[at : at + size]) for at in range(0, len(data), size)]
    for at, block in reversed(blocks):
        sent = part(oas, path, at, block)
        assert sent.status_code == 204
        assert sent.headers["x-oas-tree-etag"] == tree_etag(block)
    assert oas.good("GET", path).json() == {
        **shown,
        "Marker": "",
        "Parts": [
            {
                "ContentEtag": etag(block),
                "RangeInBytes": f"{at}-{at + len(block) - 1}",
                "TreeEtag": tree_etag(block),
            }
            for at, block in blocks
        ],
    }
    assert [len(page) for page in pages(oas, path, "Parts", "2")] == [2, 1]
    headers = {"x-oas-archive-size": str(len(data)), "x-oas-tree-etag": WHOLE}
    assert code(oas.call("POST", path, headers=headers)) == (400, "InvalidDigest")
    headers["x-oas-tree-etag"] = tree_etag(data)
    archive = oas.good("POST", path, headers=headers).headers["x-oas-archive-id"]
    assert oas.emulator.archive_file(archive).read_bytes() == data
    assert code(oas.call("GET", path)) == (404, "UploadIdNotExists")


@pytest.mark.parametrize("size", ["0", str(MIB + 1), str(MIB - 1)])
def test_parts_are_whole_mib(oas: Oas, size: str) -> None:
    vault = oas.create_vault("parts")
    headers = {"x-oas-part-size": size}
    answer = oas.call("POST", f"/{vault}/multipart-uploads", headers=headers)
    assert code(answer) == (400, "InvalidArgument")


def test_parts_at_the_wrong_place(oas: Oas) -> None:
    vault = oas.create_vault("parts")
    headers = {"x-oas-part-size": str(MIB)}
    begun = oas.good("POST", f"/{vault}/multipart-uploads", headers=headers)
    path = f"/{vault}/multipart-uploads/{begun.headers['x-oas-multipart-upload-id']}"
    for span in ("bytes 0-3/*", "0-3/4", "0-", "1-4", "0-4", f"0-{MIB}"):
        refused = part(oas, path, 0, b"data", **{"Content-Range": span})
        assert code(refused) == (400, "InvalidPart")
    assert part(oas, path, MIB, b"data").status_code == 204
    headers = {"x-oas-archive-size": "4", "x-oas-tree-etag": tree_etag(b"data")}
    assert code(oas.call("POST", path, headers=headers)) == (400, "InvalidPart")
    assert oas.call("DELETE", path).status_code == 204
    assert code(oas.call("DELETE", path)) == (404, "UploadIdNotExists")


# the command


def test_switches_of_another_dialect_are_refused(tmp_path: Path) -> None:
    for option, choice, why in [
        ("--callback-key", "both", "does not apply to --dialect oas"),
        ("--throttling", "400", "--throttling must be one of: 502, 503, reset"),
    ]:
        options = ["--dialect", "oas", "--root", str(tmp_path), option, choice]
        result = CliRunner().invoke(command, options, env=KEYS)
        assert result.exit_code == 2
        assert why in result.output


def test_a_state_belongs_to_one_dialect(tmp_path: Path) -> None:
    with running_oas(tmp_path) as oas:
        oas.create_vault("vault")
    with pytest.raises(RuntimeError, match="state of the dialect oas"):
        running_emulator(tmp_path).__enter__()
