"""The process: its options, its seed, restarts, its end, and its access log."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

from casfs.emulator.command import emulator as command
from tests.support.emulator.running import (
    KEY_ID,
    KEYS,
    SECRET,
    RunningEmulator,
    hashes,
    running_emulator,
)
from tests.support.emulator.signing import authorization

MIB = 1 << 20


def files(folder: Path) -> Path:
    (folder / "deep").mkdir(parents=True)
    (folder / "deep" / "ü name.bin").write_bytes(b"x" * (MIB + 1))
    (folder / "top").write_bytes(b"top")
    (folder / "empty").touch()
    return folder


def test_it_prints_one_line_and_ends_at_a_signal(tmp_path: Path) -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        process = subprocess.Popen(
            [sys.executable, "-m", "casfs.emulator", "--root", str(tmp_path)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, **KEYS},
            text=True,
        )
        with process:
            assert process.stdout is not None
            assert re.fullmatch(r"http://127\.0\.0\.1:\d+\n", process.stdout.readline())
            process.send_signal(number)
            out, errors = process.communicate(timeout=30)
        assert (process.returncode, out, errors) == (0, "", "")


@pytest.mark.parametrize("name", KEYS)
def test_keys_must_be_there(tmp_path: Path, name: str) -> None:
    env = {**KEYS, name: None}
    result = CliRunner().invoke(command, ["--root", str(tmp_path)], env=env)
    assert result.exit_code == 2
    assert f"{name} not set" in result.output
    assert SECRET not in result.output


@pytest.mark.parametrize(
    "options",
    [
        ["--fault", "nonsense=1"],
        ["--fault", "reset=2"],
        ["--fault", "reset"],
        ["--fault", "reset@jobs=1"],
        ["--fault", "reset=1,"],
        ["--fault", "reset=1,-1"],
        ["--seed", "v=/nowhere/at/all"],
        ["--seed", "v"],
        ["--seed", "a b=/"],
        ["--marker", "maybe"],
        ["--dialect", "other"],
        ["--rate", "0"],
    ],
)
def test_wrong_options_are_usage_errors(tmp_path: Path, options: list[str]) -> None:
    result = CliRunner().invoke(command, ["--root", str(tmp_path), *options], env=KEYS)
    assert result.exit_code == 2


def test_a_port_in_use_is_one_clear_line(tmp_path: Path) -> None:
    with running_emulator(tmp_path / "one") as one:
        options = ["--root", str(tmp_path / "two"), "--port", str(one.port)]
        result = CliRunner().invoke(command, options, env=KEYS)
        assert result.exit_code == 1
        assert "Error: " in result.output
        assert "in use" in result.output


def test_seed_makes_an_archive_and_a_job_of_each_file_once(tmp_path: Path) -> None:
    folder = files(tmp_path / "files")
    options = ["--seed", f"v={folder}", "--seed", f"w={folder}"]
    seen = []
    for _ in range(2):
        with running_emulator(tmp_path / "root", *options) as emulator:
            seen.append({vault: emulator.jobs(vault) for vault in "vw"})
            assert emulator.call("GET", "/v").json()["NumberOfArchives"] == 2
            assert "skipped an empty file: empty" in emulator.errors()
    assert seen[0] == seen[1]
    assert not {job["ArchiveId"] for job in seen[0]["v"]} & {
        job["ArchiveId"] for job in seen[0]["w"]
    }
    with running_emulator(tmp_path / "root", *options) as emulator:
        job = emulator.start("v", Type="inventory-retrieval")
        names = {
            one["ArchiveDescription"]: one["ArchiveId"]
            for one in emulator.output("v", job).json()["ArchiveList"]
        }
        assert set(names) == {"deep/ü name.bin", "top"}
        for one in seen[0]["v"]:
            assert one["StatusCode"] == "Succeeded"
            found = next(name for name, archive in names.items() if archive == one["ArchiveId"])
            assert emulator.output("v", one["JobId"]).content == (folder / found).read_bytes()


def test_seeding_again_gives_new_jobs_for_expired_ones_and_archives_for_changes(
    tmp_path: Path,
) -> None:
    folder = files(tmp_path / "files")
    with running_emulator(tmp_path / "root", "--seed", f"v={folder}") as emulator:
        for job in emulator.jobs("v"):
            emulator.expire(job["JobId"])
        assert emulator.jobs("v") == []
    (folder / "top").write_bytes(b"other")
    with running_emulator(tmp_path / "root", "--seed", f"v={folder}") as emulator:
        assert len(emulator.jobs("v")) == 2
        assert len(emulator.sql("SELECT 1 FROM archives")) == 3


def test_a_seeded_inventory_lists_the_files_and_comes_again_after_changes(tmp_path: Path) -> None:
    folder = files(tmp_path / "files")
    options = ["--seed", f"v={folder}", "--seed-inventory"]
    found = []
    for name in (None, None, "more"):
        if name:
            (folder / name).write_bytes(b"more")
        with running_emulator(tmp_path / "root", *options) as emulator:
            jobs = [one for one in emulator.jobs("v") if one["Action"] == "InventoryRetrieval"]
            lists = [emulator.output("v", job["JobId"]).json()["ArchiveList"] for job in jobs]
            found.append(sorted(len(archives) for archives in lists))
    assert found == [[2], [2], [2, 3]]


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ("UPDATE service SET name = 'oas'", "the state of the dialect oas"),
        ("PRAGMA user_version = 1", "the state of another version of casfs"),
    ],
)
def test_a_folder_of_another_state_is_refused(tmp_path: Path, change: str, why: str) -> None:
    with running_emulator(tmp_path) as emulator:
        emulator.create_vault("v")
        emulator.sql(change)
    result = CliRunner().invoke(command, ["--root", str(tmp_path)], env=KEYS)
    assert result.exit_code == 1
    assert why in result.output
    assert "use another directory" in result.output


@pytest.mark.parametrize("crash", [False, True])
def test_state_survives_a_restart(tmp_path: Path, crash: bool) -> None:
    options = ["--job-seconds", "1000"]
    with running_emulator(tmp_path, *options) as emulator:
        emulator.create_vault("v")
        archive = emulator.upload("v", b"data", "text")
        done, running = (emulator.retrieve("v", archive) for _ in range(2))
        emulator.finish(done)
        before = emulator.jobs("v")
        begun = emulator.call(
            "POST", "/v/multipart-uploads", headers={"x-cas-part-size": str(MIB)}
        ).headers["x-cas-multipart-upload-id"]
        (emulator.root / "incoming" / "half").write_bytes(b"half of a body")
        if crash:
            emulator.kill()
    with running_emulator(tmp_path, *options) as emulator:
        assert emulator.jobs("v") == before
        assert emulator.output("v", done).content == b"data"
        assert emulator.describe("v", running)["StatusCode"] == "InProgress"
        assert emulator.call("GET", f"/v/multipart-uploads/{begun}").status_code == 200
        assert not list((emulator.root / "incoming").iterdir())


def test_access_log_has_a_line_for_each_answer_at_once(emulator: RunningEmulator) -> None:
    job = emulator.retrieve("v", emulator.upload("v", b"x" * 3 * MIB))
    for number in range(1, 21):
        answer = emulator.output("v", job, f"{number}-{2 * MIB}")
        entry = emulator.outputs()[-1]
        assert entry.request_id == answer.headers["x-cas-requestid"]
        assert entry.range == f"bytes={number}-{2 * MIB}"
        assert entry.content_range == answer.headers["Content-Range"]
        assert (entry.status, entry.bytes) == (206, len(answer.content))
        assert len(emulator.outputs()) == number
    emulator.call("GET", "/v/jobs", params={"limit": "7", "marker": "a b"})
    entry = emulator.entries()[-1]
    assert (entry.method, entry.path) == ("GET", "/-/vaults/v/jobs")
    assert entry.query == "limit=7&marker=a+b"
    assert len({one.request_id for one in emulator.entries()}) == len(emulator.entries())
    lines = emulator.access_log.read_text().splitlines()
    assert all(SECRET not in line and "Authorization" not in line for line in lines)
    asked = [entry.is_job_request for entry in emulator.entries()]
    assert [len(json.loads(line)) for line in lines] == [14 if job else 10 for job in asked]


def test_a_caller_that_goes_away_is_logged_with_what_was_sent(emulator: RunningEmulator) -> None:
    size = 64 * MIB
    job = emulator.retrieve("v", emulator.upload("v", bytes(size)))
    before = len(emulator.outputs())
    answer = emulator.output("v", job, stream=True)
    answer.raw.read(1000)
    answer.close()
    # The next answers prove that the server goes on; its line for the broken one comes soon.
    while len(emulator.outputs()) == before:
        emulator.describe("v", job)
    entry = emulator.outputs()[-1]
    assert 1000 <= entry.bytes < size
    assert emulator.errors() == ""


def test_a_large_archive_takes_little_memory(emulator: RunningEmulator) -> None:
    status = Path(f"/proc/{emulator.pid}/status")
    job = emulator.retrieve("v", emulator.upload("v", bytes(320 * MIB)))
    answer = emulator.output("v", job, stream=True)
    assert sum(len(piece) for piece in answer.iter_content(MIB)) == 320 * MIB
    found = re.search(r"VmHWM:\s+(\d+) kB", status.read_text())
    assert found is not None
    assert int(found[1]) < 150 * 1024


def test_an_upload_that_breaks_off_leaves_nothing(emulator: RunningEmulator) -> None:
    before = emulator.sql("SELECT count(*) FROM archives")
    path = "/-/vaults/v/archives"
    data = bytes(8 * MIB)
    now = int(time.time())
    host = f"127.0.0.1:{emulator.port}"
    text = authorization(KEY_ID, SECRET, "POST", path, {}, {"host": host}, (now, now + 99))
    head = {**hashes(data), "Authorization": text, "Host": host, "Content-Length": str(len(data))}
    lines = [f"POST {path} HTTP/1.1", *(f"{name}: {value}" for name, value in head.items()), "", ""]
    with socket.create_connection(("127.0.0.1", emulator.port)) as connection:
        connection.sendall("\r\n".join(lines).encode() + data[: 3 * MIB])
        incoming = emulator.root / "incoming"
        while not any(incoming.iterdir()):
            emulator.call("GET", "")
    while any(incoming.iterdir()):
        emulator.call("GET", "")
    assert emulator.sql("SELECT count(*) FROM archives") == before
    assert emulator.errors() == ""


def test_a_body_is_asked_for_when_the_caller_waits(emulator: RunningEmulator) -> None:
    headers = {**hashes(b"data"), "Expect": "100-continue"}
    answer = emulator.call("POST", "/v/archives", headers=headers, data=b"data")
    assert answer.status_code == 201


def test_text_that_is_not_utf8_is_refused(emulator: RunningEmulator) -> None:
    headers = {**hashes(b"data"), "x-cas-archive-description": "\xfc"}
    answer = emulator.call("POST", "/v/archives", headers=headers, data=b"data")
    assert answer.status_code == 400
    answer = emulator.call("POST", "/v/jobs", data='{"Type": "\\ud800"}')
    assert answer.status_code == 400


def test_a_restart_can_have_the_same_port(tmp_path: Path) -> None:
    with running_emulator(tmp_path) as emulator:
        emulator.create_vault("v")
        job = emulator.retrieve("v", emulator.upload("v", b"data"))
        port = emulator.port
    with running_emulator(tmp_path, "--port", str(port)) as emulator:
        assert emulator.port == port
        assert emulator.output("v", job).content == b"data"
