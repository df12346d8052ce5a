"""Inventories of Glacier, in JSON and in Amazon's own CSV."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.emulator.amazon import ARN, boto3_at, call, glacier, inventory, output
from tests.support.emulator.running import RunningEmulator
from tests.system.emulator.amazon_calls import JOB_KEYS, describe, read, tree_hash

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


def test_an_inventory_in_the_csv_of_amazon(amazon: RunningEmulator, client: Any) -> None:
    client.create_vault(vaultName="csv")
    ids = {
        client.upload_archive(vaultName="csv", archiveDescription=text, body=b"data")["archiveId"]:
        text
        for text in TEXTS
    }  # fmt: skip
    ids[client.upload_archive(vaultName="csv", body=b"data")["archiveId"]] = ""
    job = inventory(client, "csv", Format="CSV")
    answer = call(amazon, "GET", f"/csv/jobs/{job}/output")
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


def test_the_end_date_of_an_inventory_is_exclusive(amazon: RunningEmulator, client: Any) -> None:
    client.create_vault(vaultName="dates")
    ids = [client.upload_archive(vaultName="dates", body=b"data")["archiveId"] for _ in range(3)]
    for day, archive in enumerate(ids):
        amazon.sql("UPDATE archives SET created = ? WHERE id = ?", day * 86400, archive)
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
