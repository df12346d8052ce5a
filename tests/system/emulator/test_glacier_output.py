"""Outputs of Glacier: whole, in parts, gone or spoilt."""

from pathlib import Path
from typing import Any

import pytest

from tests.support.emulator.amazon import call, glacier, refused, retrieve
from tests.support.emulator.running import RunningEmulator
from tests.system.emulator.amazon_calls import BAD, DATA, GONE, MIB, describe, read, tree_hash


def test_output_whole_and_in_parts(amazon: RunningEmulator, client: Any, archive: str) -> None:
    job = retrieve(client, "v", archive)
    whole = read(amazon, job)
    assert (whole.status_code, whole.content) == (200, DATA)
    assert whole.headers["Content-Type"] == "application/octet-stream"
    assert whole.headers["Accept-Ranges"] == "bytes"
    assert whole.headers["x-amz-archive-description"] == "dir/a file"
    assert whole.headers["x-amz-sha256-tree-hash"] == tree_hash(DATA)
    for first, last, hashed in [
        (0, 0, False),
        (5, 2 * MIB, False),
        (0, MIB - 1, True),
        (4 * MIB, len(DATA) - 1, True),
        (3 * MIB, len(DATA) - 1, False),
        (0, len(DATA) - 1, True),
    ]:
        part = read(amazon, job, f"bytes={first}-{last}")
        wanted = DATA[first : last + 1]
        assert (part.status_code, part.content) == (206, wanted)
        assert part.headers["Content-Range"] == f"bytes {first}-{last}/{len(DATA)}"
        found = part.headers.get("x-amz-sha256-tree-hash")
        assert found == (tree_hash(wanted) if hashed else None)


@pytest.mark.parametrize("text", ["0-5", "bytes=5-1", "bytes=a-b", "bytes=0-1,3-4", "bytes=-"])
def test_a_range_that_cannot_be_read_is_ignored(
    amazon: RunningEmulator, client: Any, archive: str, text: str
) -> None:
    answer = read(amazon, retrieve(client, "v", archive), text)
    assert (answer.status_code, answer.content) == (200, DATA)
    assert "Content-Range" not in answer.headers


def test_a_range_behind_the_end_is_refused(
    amazon: RunningEmulator, client: Any, archive: str
) -> None:
    answer = read(amazon, retrieve(client, "v", archive), f"bytes={len(DATA)}-")
    assert refused(answer) == BAD
    assert "larger than size of retrieved data" in answer.json()["message"]


def test_a_ranged_retrieval_counts_from_its_own_begin(
    amazon: RunningEmulator, client: Any, archive: str
) -> None:
    for first, last, is_node in [(4, 6, True), (3, 5, False)]:
        end = min((last + 1) * MIB, len(DATA)) - 1
        job = retrieve(client, "v", archive, RetrievalByteRange=f"{first * MIB}-{end}")
        wanted = DATA[first * MIB : end + 1]
        described = describe(amazon, job)
        assert described["SHA256TreeHash"] == (tree_hash(wanted) if is_node else None)
        assert described["ArchiveSizeInBytes"] == len(DATA)
        assert read(amazon, job).content == wanted
        part = read(amazon, job, f"bytes=0-{MIB - 1}")
        assert part.content == wanted[:MIB]
        assert part.headers["Content-Range"] == f"bytes 0-{MIB - 1}/{len(wanted)}"
        assert ("x-amz-sha256-tree-hash" in part.headers) == is_node


def test_an_expired_job_is_gone(amazon: RunningEmulator, client: Any, archive: str) -> None:
    job = retrieve(client, "v", archive)
    amazon.expire(job)
    assert refused(call(amazon, "GET", f"/v/jobs/{job}")) == GONE
    assert refused(read(amazon, job)) == GONE


def test_faults_have_the_form_of_glacier(tmp_path: Path) -> None:
    folder = tmp_path / "files"
    folder.mkdir()
    (folder / "ü\n").write_bytes(DATA)
    seed = ["--seed", f"v={folder}"]
    for fault, wanted in [
        ("throttle", (400, "ThrottlingException")),
        ("error-500", (500, "ServiceUnavailableException")),
    ]:
        with glacier(tmp_path / "root", *seed, "--fault", f"{fault}=1") as emulator:
            answer = call(emulator, "GET", "")
            assert refused(answer) == wanted
            assert emulator.entries()[-1].request_id == answer.headers["x-amzn-RequestId"]
    header = "x-amz-sha256-tree-hash"
    with glacier(tmp_path / "root", *seed) as emulator:
        ((job,),) = emulator.sql("SELECT id FROM jobs")
        right = read(emulator, job)
        assert (right.content, right.headers[header]) == (DATA, tree_hash(DATA))
        # The service would not have taken that description; a header cannot hold it.
        assert "x-amz-archive-description" not in right.headers
    for fault, found in [("wrong-hash", True), ("missing-hash", False)]:
        with glacier(tmp_path / "root", *seed, "--fault", f"{fault}=1") as emulator:
            answer = read(emulator, job, f"bytes=0-{MIB - 1}")
            assert answer.content == DATA[:MIB]
            assert (header in answer.headers) == found
            assert answer.headers.get(header) != tree_hash(DATA[:MIB])
    with glacier(tmp_path / "root", *seed, "--fault", "ignore-range=1") as emulator:
        assert read(emulator, job, "bytes=0-5").status_code == 200


def test_a_question_of_another_service_is_a_usage_error(tmp_path: Path) -> None:
    told = "--callback-key does not apply to --dialect glacier"
    with pytest.raises(RuntimeError, match=told), glacier(tmp_path, "--callback-key", "both"):
        pass
