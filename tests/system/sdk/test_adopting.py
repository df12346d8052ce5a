"""The official tools see the jobs that casfs starts, and casfs adopts theirs."""

from pathlib import Path

from tests.support.adopting import adopts_and_is_seen
from tests.support.emulator.amazon import boto3_at, glacier, retrieve
from tests.support.emulator.oas import running_oas
from tests.support.emulator.running import ACCOUNT, KEY_ID, SECRET
from tests.system.sdk.python2 import at_port_80, tool

VAULT = "shared"


def test_boto3(tmp_path: Path) -> None:
    with glacier(tmp_path / "root") as emulator, boto3_at(emulator.url) as client:
        client.create_vault(vaultName=VAULT)
        uploaded = [client.upload_archive(vaultName=VAULT, body=body) for body in (b"1", b"2")]
        first, second = (one["archiveId"] for one in uploaded)
        adopts_and_is_seen(
            emulator.url, "glacier", VAULT, tmp_path, (first, second),
            lambda archive: retrieve(client, VAULT, archive),
            lambda: str(client.list_jobs(vaultName=VAULT)["JobList"]),
        )  # fmt: skip


def test_cascmd(tmp_path: Path) -> None:
    with at_port_80(tmp_path / "root") as (emulator, host):
        where = ["--endpoint", host, "--appid", ACCOUNT]
        keys = ["--secretid", KEY_ID, "--secretkey", SECRET]
        tool("cascmd.py", "config", [*where, *keys], folder=tmp_path)
        emulator.create_vault(VAULT)
        uploaded = (emulator.upload(VAULT, b"1"), emulator.upload(VAULT, b"2"))
        adopts_and_is_seen(
            emulator.url, "cas", VAULT, tmp_path, uploaded,
            lambda archive: tool(
                "cascmd.py", "create_job", [], f"cas://{VAULT}", archive, folder=tmp_path
            ),
            lambda: tool("cascmd.py", "list_job", [], f"cas://{VAULT}", folder=tmp_path),
        )  # fmt: skip


def test_oascmd(tmp_path: Path) -> None:
    with running_oas(tmp_path / "root") as oas:
        where = ["--host", "127.0.0.1", "--port", oas.emulator.port]
        tool("oascmd.py", "config", [*where, "-i", KEY_ID, "-k", SECRET], folder=tmp_path)
        vault = oas.create_vault(VAULT)
        uploaded = (oas.upload(vault, b"1"), oas.upload(vault, b"2"))
        adopts_and_is_seen(
            oas.emulator.url, "oas", VAULT, tmp_path, uploaded,
            lambda archive: tool(
                "oascmd.py", "createjob", [*where, "--desc=theirs"], f"oas://{VAULT}", archive,
                folder=tmp_path,
            ),
            lambda: tool("oascmd.py", "listjob", where, f"oas://{VAULT}", folder=tmp_path),
        )  # fmt: skip
