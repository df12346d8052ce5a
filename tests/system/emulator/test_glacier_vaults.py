"""Vaults and archives of Glacier, and its lists."""

import re
import time
from pathlib import Path
from typing import Any

from tests.support.emulator.amazon import ACCOUNT, ARN, VERSION, call, glacier, inventory, refused
from tests.support.emulator.running import RunningEmulator
from tests.system.emulator.amazon_calls import BAD, GONE, MIB, MISSING, tree_hash


def test_a_vault(amazon: RunningEmulator) -> None:
    made = call(amazon, "PUT", "/Some.Vault_1-x")
    assert (made.status_code, made.content) == (201, b"")
    assert made.headers["Location"] == f"/{ACCOUNT}/vaults/Some.Vault_1-x"
    fields = call(amazon, "GET", "/Some.Vault_1-x").json()
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", fields.pop("CreationDate"))
    assert fields == {
        "LastInventoryDate": None,
        "NumberOfArchives": None,
        "SizeInBytes": None,
        "VaultARN": ARN + "Some.Vault_1-x",
        "VaultName": "Some.Vault_1-x",
    }
    for name in ("a b", "x" * 256, "a:b"):
        assert refused(call(amazon, "PUT", f"/{name}")) == BAD
    unknown = call(amazon, "GET", "/nosuch")
    assert refused(unknown) == GONE
    assert unknown.json()["message"] == f"Vault not found for ARN: {ARN}nosuch"
    assert call(amazon, "DELETE", "/Some.Vault_1-x").status_code == 204
    assert refused(call(amazon, "DELETE", "/Some.Vault_1-x")) == GONE


def test_the_size_of_a_vault_has_an_overhead(amazon: RunningEmulator, client: Any) -> None:
    client.create_vault(vaultName="sized")
    for _ in range(2):
        client.upload_archive(vaultName="sized", body=b"data")
    inventory(client, "sized")
    client.list_jobs(vaultName="sized")
    fields = client.describe_vault(vaultName="sized")
    assert (fields["NumberOfArchives"], fields["SizeInBytes"]) == (2, 2 * (4 + 32768))
    full = call(amazon, "DELETE", "/sized")
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


def test_upload_answers_with_id_and_hash(amazon: RunningEmulator) -> None:
    hashes = {"x-amz-content-sha256": tree_hash(b"x"), "x-amz-sha256-tree-hash": tree_hash(b"x")}
    every = {**VERSION, **hashes}
    answer = call(amazon, "POST", "/v/archives", headers=every, data=b"x")
    assert answer.status_code == 201
    archive = answer.headers["x-amz-archive-id"]
    assert re.fullmatch(r"[A-Za-z0-9_-]{138}", archive)
    assert answer.headers["Location"] == f"/{ACCOUNT}/vaults/v/archives/{archive}"
    assert answer.headers["x-amz-sha256-tree-hash"] == tree_hash(b"x")
    for name in hashes:
        less = {key: value for key, value in every.items() if key != name}
        answer = call(amazon, "POST", "/v/archives", headers=less, data=b"x")
        assert refused(answer) == MISSING
        wrong = {**every, name: "0" * 64}
        answer = call(amazon, "POST", "/v/archives", headers=wrong, data=b"x")
        assert refused(answer) == BAD
    for text, status in [("~ " * 512, 201), ("d" * 1025, 400), ("tab\t", 201), ("t\tb", 400)]:
        described = {**every, "x-amz-archive-description": text}
        answer = call(amazon, "POST", "/v/archives", headers=described, data=b"x")
        assert answer.status_code == status, text
    described = {**every, "x-amz-archive-description": "\xfc".encode().decode("latin-1")}
    assert refused(call(amazon, "POST", "/v/archives", headers=described, data=b"x")) == BAD
    large = {key: value for key, value in every.items() if key != "x-amz-content-sha256"}
    answer = call(amazon, "POST", "/v/archives", headers=large, data=bytes(2 * MIB))
    assert refused(answer) == (400, "SerializationException")


def test_jobs_come_by_fifties(amazon: RunningEmulator) -> None:
    call(amazon, "PUT", "/many")
    amazon.sql(
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
            page = call(amazon, "GET", "/many/jobs", params=params).json()
            sizes.append(len(page["JobList"]))
            seen += [job["JobId"] for job in page["JobList"]]
            if page["Marker"] is None:
                break
            assert page["Marker"] == seen[-1]
            params["marker"] = page["Marker"]
        assert sizes == wanted
        assert len(set(seen)) == len(seen)
