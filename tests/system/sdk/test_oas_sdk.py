"""The official SDK of OAS and its command line tool, unmodified, against the emulator."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.emulator.oas import Oas, etag, running_oas, tree_etag
from tests.support.emulator.running import KEY_ID, SECRET
from tests.system.sdk.content import LARGE, MIB, SMALL, Files
from tests.system.sdk.python2 import after, session, tool
from tests.system.sdk.reading import casfs_reads

Command = Callable[..., str]


def test_the_sdk(tmp_path: Path, files: Files) -> None:
    with running_oas(tmp_path / "root") as oas:
        emulator = oas.emulator
        said = session(
            "with_oassdk.py", emulator, tmp_path, memory_etag=etag(b"in memory"), **files
        )
        assert (said["vaults"], said["uploads"]) == (1, 1)
        assert said["transfers"] == ["PullFromOSS", "PushToOSS"]
        assert said["head"]["ArchiveSizeInBytes"] == len(SMALL)
        assert (tmp_path / "whole").read_bytes() == LARGE
        assert (tmp_path / "range").read_bytes() == LARGE[MIB : 3 * MIB]
        assert (tmp_path / "part").read_bytes() == LARGE[MIB : 35 * MIB]
        assert (tmp_path / "small").read_bytes() == SMALL
        listed = json.loads((tmp_path / "inventory").read_text())["ArchiveList"]
        shown = {one["ArchiveId"]: (one["ArchiveTreeEtag"], one["Size"]) for one in listed}
        large = (tree_etag(LARGE), len(LARGE))
        assert shown == {
            said["small"]: (tree_etag(SMALL), len(SMALL)),
            said["large"]: large,
            said["resumed"]: large,
            said["memory"]: (etag(b"in memory"), 9),
        }
        assert said["job"] in said["jobs"]
        assert casfs_reads(emulator, "oas", "sdk-vault", said["job"]) == LARGE
        for archive, data in [(said["small"], SMALL), (said["resumed"], LARGE)]:
            job = oas.retrieve(said["vault"], archive)
            assert casfs_reads(emulator, "oas", "sdk-vault", job) == data
        parts = [
            entry for entry in emulator.entries("/multipart-uploads/") if entry.method == "PUT"
        ]
        assert len(parts) == 6


@pytest.fixture
def oascmd(tmp_path: Path) -> Iterator[tuple[Oas, Command]]:
    with running_oas(tmp_path / "root") as oas:
        where = ["--host", "127.0.0.1", "--port", oas.emulator.port]
        keys = ["-i", KEY_ID, "-k", SECRET]
        tool("oascmd.py", "config", [*where, *keys], folder=tmp_path)

        def command(name: str, *names: object, **options: object) -> str:
            written = [f"--{one}={value}" for one, value in options.items()]
            # Its port in the file is never used: the flag has a default, which wins.
            return tool("oascmd.py", name, [*where, *written], *names, folder=tmp_path)

        yield oas, command


def test_the_command_line_tool(oascmd: tuple[Oas, Command], tmp_path: Path, files: Files) -> None:
    oas, command = oascmd
    vault = after("Vault ID:", command("cv", "oas://tool"))
    assert vault in command("ls")
    assert vault in command("getvaultdesc", "oas://tool")
    small = after("Archive ID:", command("upload", "oas://tool", files["small"], desc="täxt"))
    output = command("upload", "oas://tool", files["large"], **{"part-size": "64M"})
    assert "Use 3 parts" in output
    large = after("Archive ID:", output)
    printed = tool("oascmd.py", "fileetag", [], files["large"], folder=tmp_path)
    assert after("tree_etag:", printed) == tree_etag(LARGE)

    upload = after("MultiPartUpload ID:", command("createmupload", "oas://tool", "32M", desc="d"))
    command("postmpart", "oas://tool", upload, files["large"], 0, 32 * MIB - 1)
    assert upload in command("listmupload", "oas://tool")
    assert etag(LARGE[: 32 * MIB]) in command("listmpart", "oas://tool", upload)
    resumed = command("upload", "oas://tool", files["large"], upload, **{"part-size": "32M"})
    assert "Resume last upload" in resumed
    begun = command("createmupload", "oas://tool", "32M", desc="d")
    command("deletemupload", "oas://tool", after("MultiPartUpload ID:", begun))

    job = after("job ID:", command("createjob", "oas://tool", large, desc="all"))
    assert tree_etag(LARGE) in command("getjobdesc", "oas://tool", job)
    command("fetch", "oas://tool", job, "whole")
    assert (tmp_path / "whole").read_bytes() == LARGE
    command("fetch", "oas://tool", job, "range", start="1M", size="2M")
    assert (tmp_path / "range").read_bytes() == LARGE[MIB : 3 * MIB]
    # Only a start: the tool asks for the size of the archive.
    tail = after("job ID:", command("createjob", "oas://tool", large, start="128M"))
    command("fetch", "oas://tool", tail, "tail")
    assert (tmp_path / "tail").read_bytes() == LARGE[128 * MIB :]
    inventory = after("job ID:", command("createjob", "oas://tool"))
    command("fetch", "oas://tool", inventory, "inventory")
    listed = json.loads((tmp_path / "inventory").read_text())["ArchiveList"]
    resumed_id = after("Archive ID:", resumed)
    assert {one["ArchiveId"] for one in listed} == {small, large, resumed_id}
    assert "täxt" in {one["ArchiveDescription"] for one in listed}
    oss = "oss-cn-hangzhou-internal.aliyuncs.com"
    pull = after("job ID:", command("cp", "oss://bucket/object", "oas://tool", osshost=oss))
    assert "PullFromOSS" in command("getjobdesc", "oas://tool", pull)
    command("cp", f"oas://tool/{small}", "oss://bucket/object", osshost=oss)
    assert "Job count: 5" in command("listjob", "oas://tool")
    for archive, data in [(small, SMALL), (resumed_id, LARGE)]:
        assert casfs_reads(oas.emulator, "oas", "tool", oas.retrieve(vault, archive)) == data
    for archive in (small, large, resumed_id):
        assert "Delete success" in command("rm", "oas://tool", archive)
    assert "Delete success" in command("rm", "oas://tool")
