"""What moto does otherwise than Amazon: shown where it can be, refused where it lies."""

import errno
import json
import os
from pathlib import Path

from tests.support.emulator.amazon import boto3_at, inventory, retrieve
from tests.system.moto.restoring import mount_of
from tests.system.moto.serving import VAULT, Amazon, finished, moto

VERIFIED = "user.casfs.verified"


def test_lists_that_are_not_paged_are_shown_whole(tmp_path: Path) -> None:
    with moto(tmp_path, {}) as amazon, boto3_at(amazon.url) as client:
        vaults = [f"vault-{number:02}" for number in range(12)]
        for vault in vaults:
            client.create_vault(vaultName=vault)
        archive = client.upload_archive(vaultName=vaults[0], body=b"data")["archiveId"]
        jobs = [retrieve(client, vaults[0], archive, Tier="Expedited") for _ in range(60)]
        with mount_of(amazon.url, tmp_path / "home") as mount:
            assert mount.list("vaults") == sorted([*vaults, VAULT])
            assert mount.list("vaults", vaults[0], "jobs") == sorted(jobs)


def test_an_unknown_vault_is_not_there(amazon: Amazon, tmp_path: Path) -> None:
    """moto says so with a 400 and a code that Amazon does not have."""
    with mount_of(amazon.url, tmp_path / "home") as mount:
        assert mount.errno(os.stat, mount.path("vaults", "nosuch")) == errno.ENOENT


def test_an_inventory_of_another_size_than_its_job_says_is_read(tmp_path: Path) -> None:
    """moto says that every inventory has 10000 bytes."""
    with moto(tmp_path, {}) as amazon, boto3_at(amazon.url) as client:
        archive = client.upload_archive(vaultName=VAULT, body=b"data")["archiveId"]
        job = inventory(client, VAULT, Tier="Expedited")
        finished(client)
        with mount_of(amazon.url, tmp_path / "home") as mount:
            copy = tmp_path / "copy"
            mount.good("cp", "-r", mount.job(VAULT, job), copy)
            data = (copy / "output").read_bytes()
            assert [one["ArchiveId"] for one in json.loads(data)["ArchiveList"]] == [archive]
            assert mount.ask(os.getxattr, mount.job(VAULT, job, "output"), VERIFIED) == b"no"
            assert "not the size that its job says" in mount.log
            assert archive in (copy / "inventory.csv").read_text()


def test_an_archive_of_no_bytes_is_an_empty_file(tmp_path: Path) -> None:
    """Amazon allows none."""
    with moto(tmp_path, {"four": 4}) as amazon, boto3_at(amazon.url) as client:
        archive = client.upload_archive(vaultName=VAULT, body=b"")["archiveId"]
        empty = retrieve(client, VAULT, archive, Tier="Expedited")
        finished(client)
        with mount_of(amazon.url, tmp_path / "home") as mount:
            copy = tmp_path / "copy"
            mount.good("cp", "-r", mount.path("vaults", VAULT, "jobs"), copy)
            sizes = {path.parent.name: path.stat().st_size for path in copy.glob("*/output")}
            assert sizes == {empty: 0, **dict.fromkeys(amazon.files, 4)}
