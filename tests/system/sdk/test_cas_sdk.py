"""The official SDK of CAS and its command line tool, unmodified, against the emulator."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.emulator.running import (
    ACCOUNT,
    KEY_ID,
    SECRET,
    RunningEmulator,
    running_emulator,
)
from tests.system.sdk.content import LARGE, MIB, SMALL, Files
from tests.system.sdk.python2 import after, at_port_80, session, tool
from tests.system.sdk.reading import casfs_reads

Command = Callable[..., str]


def test_the_sdk(tmp_path: Path, files: Files) -> None:
    with running_emulator(tmp_path / "root") as emulator:
        said = session("with_cassdk.py", emulator, tmp_path, account=ACCOUNT, **files)
        assert (said["vaults"], said["uploads"]) == (1, 1)
        assert (tmp_path / "whole").read_bytes() == LARGE
        assert (tmp_path / "range").read_bytes() == LARGE[MIB : 3 * MIB]
        assert (tmp_path / "part").read_bytes() == LARGE[32 * MIB : 64 * MIB]
        listed = json.loads((tmp_path / "inventory").read_text())["ArchiveList"]
        assert {one["ArchiveId"]: one["ArchiveDescription"] for one in listed} == {
            said["small"]: "small one",
            said["large"]: None,
        }
        assert said["job"] in said["jobs"]
        assert casfs_reads(emulator, "cas", "sdk-vault", said["job"]) == LARGE
        job = emulator.retrieve("sdk-vault", said["small"])
        assert casfs_reads(emulator, "cas", "sdk-vault", job) == SMALL
        parts = [
            entry for entry in emulator.entries("/multipart-uploads/") if entry.method == "PUT"
        ]
        assert len(parts) == 9


@pytest.fixture
def cascmd(tmp_path: Path) -> Iterator[tuple[RunningEmulator, Command]]:
    with at_port_80(tmp_path / "root") as (emulator, host):
        where = ["--endpoint", host, "--appid", ACCOUNT]
        keys = ["--secretid", KEY_ID, "--secretkey", SECRET]
        tool("cascmd.py", "config", [*where, *keys], folder=tmp_path)

        def command(name: str, *names: object, **options: object) -> str:
            written = [f"--{one}={value}" for one, value in options.items()]
            return tool("cascmd.py", name, written, *names, folder=tmp_path)

        yield emulator, command


def test_the_command_line_tool(
    cascmd: tuple[RunningEmulator, Command], tmp_path: Path, files: Files
) -> None:
    emulator, command = cascmd
    assert f"/{ACCOUNT}/vaults/tool" in command("cv", "cas://tool")
    assert "Vault count: 1" in command("ls")
    assert "tool" in command("desc_vault", "cas://tool")
    small = after("Archive ID:", command("upload", "cas://tool", files["small"], desc="täxt"))
    output = command("upload", "cas://tool", files["large"], **{"part-size": "32M"})
    assert "Use 5 parts" in output
    large = after("Archive ID:", output)

    begun = command("init_multipart_upload", "cas://tool", "32M", desc="broken off")
    upload = after("MultiPartUpload ID:", begun)
    command("upload_part", "cas://tool", upload, files["large"], 0, 32 * MIB - 1)
    assert "broken off" in command("list_multipart_upload", "cas://tool")
    assert f"0-{32 * MIB - 1}" in command("list_part", "cas://tool", upload)
    resumed = command(
        "upload", "cas://tool", files["large"], upload_id=upload, **{"part-size": "32M"}
    )
    assert "Resume last upload" in resumed
    begun = command("init_multipart_upload", "cas://tool", "32M")
    command("abort_multipart_upload", "cas://tool", after("MultiPartUpload ID:", begun))

    job = after("job ID:", command("create_job", "cas://tool", large, tier="Bulk"))
    assert "Succeeded" in command("desc_job", "cas://tool", job)
    command("fetch", "cas://tool", job, "whole")
    assert (tmp_path / "whole").read_bytes() == LARGE
    command("fetch", "cas://tool", job, "range", start="1M", size="2M")
    assert (tmp_path / "range").read_bytes() == LARGE[MIB : 3 * MIB]
    part = command("create_job", "cas://tool", large, start="2M", size="3M")
    command("fetch", "cas://tool", after("job ID:", part), "part")
    assert (tmp_path / "part").read_bytes() == LARGE[2 * MIB : 5 * MIB]
    inventory = after("job ID:", command("create_job", "cas://tool"))
    command("fetch", "cas://tool", inventory, "inventory")
    listed = json.loads((tmp_path / "inventory").read_text())["ArchiveList"]
    resumed_id = after("Archive ID:", resumed)
    assert {one["ArchiveId"] for one in listed} == {small, large, resumed_id}
    assert "täxt" in {one["ArchiveDescription"] for one in listed}
    assert "Job count: 3" in command("list_job", "cas://tool")
    for archive, data in [(small, SMALL), (resumed_id, LARGE)]:
        job = emulator.retrieve("tool", archive)
        assert casfs_reads(emulator, "cas", "tool", job) == data
    for archive in (small, large, resumed_id):
        assert "Delete success" in command("rm", "cas://tool", archive)
    assert "Delete success" in command("rm", "cas://tool")
