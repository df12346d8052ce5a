"""Reading outputs: ranges, the hash header, and the switches that change them."""

import hashlib
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casfs.emulator.engine.errors import BadValueError, PastEndError
from casfs.emulator.engine.ranges import is_aligned, is_subtree, requested, subtree_hash
from casfs.treehash import LEAF_SIZE, SHA256, to_text
from tests.support.emulator.running import RunningEmulator, code, running_emulator

MIB = LEAF_SIZE
DATA = b"".join(bytes([letter]) * MIB for letter in b"ABCDEFG")[: 6 * MIB + 512 * 1024]


def nodes(leaf_count: int) -> set[tuple[int, int]]:
    """Every node of a tree as the leaves it stands on, built level by level."""
    level = [(at, at + 1) for at in range(leaf_count)]
    found = set(level)
    while len(level) > 1:
        edges = [begin for begin, _ in level[::2]] + [leaf_count]
        level = list(pairwise(edges))
        found |= set(level)
    return found


@pytest.mark.parametrize("leaf_count", [*range(1, 35), 63, 64, 65, 127])
def test_a_range_is_a_subtree_when_it_is_a_node_of_the_tree(leaf_count: int) -> None:
    wanted = nodes(leaf_count)
    for size in {leaf_count * MIB, leaf_count * MIB - 1, (leaf_count - 1) * MIB + 1}:
        for begin in range(leaf_count):
            for end in range(begin + 1, leaf_count + 1):
                first, last = begin * MIB, min(end * MIB, size) - 1
                assert is_subtree(first, last, size) == ((begin, end) in wanted)


def test_a_range_that_is_not_aligned_is_no_subtree() -> None:
    size = 3 * MIB + 5
    assert not is_subtree(1, MIB - 1, size)
    assert not is_subtree(0, MIB - 2, size)
    assert not is_subtree(3 * MIB, 3 * MIB + 3, size)
    assert is_subtree(3 * MIB, 3 * MIB + 4, size)
    assert is_aligned(MIB, 3 * MIB + 4, size)


@given(st.integers(1, 10**12), st.integers(0, 10**12), st.integers(0, 10**12))
def test_ranges_are_read_as_the_standard_says(total: int, first: int, last: int) -> None:
    if last < first:
        with pytest.raises(BadValueError):
            requested(f"bytes={first}-{last}", total)
    elif first >= total:
        with pytest.raises(PastEndError):
            requested(f"bytes={first}-{last}", total)
    else:
        assert requested(f"bytes={first}-{last}", total) == (first, min(last, total - 1))
        assert requested(f"bytes={first}-", total) == (first, total - 1)
        assert requested(f"bytes=-{last + 1}", total) == (max(0, total - last - 1), total - 1)


@pytest.mark.parametrize("text", ["", "bytes=-", "0-5", "bytes=0-1,3-4", "bytes=a-b", "items=0-5"])
def test_a_malformed_range_is_refused(text: str) -> None:
    with pytest.raises(BadValueError):
        requested(text, 100)


def test_whole_output_and_part_of_it(emulator: RunningEmulator) -> None:
    job = emulator.retrieve("v", emulator.upload("v", DATA))
    whole = emulator.output("v", job)
    assert (whole.status_code, whole.content) == (200, DATA)
    assert whole.headers["Content-Type"] == "application/octet-stream"
    assert whole.headers["Content-Length"] == str(len(DATA))
    assert "Content-Range" not in whole.headers
    for first, last in [(0, 0), (5, 2 * MIB + 5), (len(DATA) - 1, len(DATA) - 1)]:
        part = emulator.output("v", job, f"{first}-{last}")
        assert (part.status_code, part.content) == (206, DATA[first : last + 1])
        assert part.headers["Content-Range"] == f"bytes {first}-{last}/{len(DATA)}"
        assert "x-cas-sha256-tree-hash" not in part.headers
    clamped = emulator.output("v", job, f"{len(DATA) - 3}-{len(DATA) + 100}")
    assert clamped.content == DATA[-3:]
    full = emulator.output("v", job, f"0-{len(DATA) - 1}")
    assert (full.status_code, full.content) == (206, DATA)
    assert code(emulator.output("v", job, f"{len(DATA)}-")) == (
        400,
        "InvalidParameterValueException",
    )
    assert code(emulator.output("v", job, "5-1")) == (400, "InvalidParameterValueException")
    assert code(emulator.output("v", job, "0-1,3-4")) == (400, "InvalidParameterValueException")


def model_header(begin: int, end: int, job: tuple[int, int], needs_job: bool) -> str | None:
    """The documented rule over the nodes of the tree of `DATA`, in archive leaves."""
    tree = nodes(7)
    if (begin, end) not in tree or (needs_job and job not in tree):
        return None
    width = [hashlib.sha256(DATA[at * MIB : (at + 1) * MIB]).digest() for at in range(begin, end)]
    return to_text(SHA256.root(width))


@pytest.mark.parametrize("switch", ["absent", "present"])
def test_the_hash_header_against_the_model(tmp_path: Path, switch: str) -> None:
    with running_emulator(tmp_path, "--hash-on-unaligned-job", switch) as emulator:
        emulator.create_vault("v")
        archive = emulator.upload("v", DATA)
        for job_begin, job_end in [(0, 7), (0, 4), (4, 7), (1, 6), (3, 5), (2, 4), (6, 7)]:
            size = min(job_end * MIB, len(DATA)) - job_begin * MIB
            asked_range = f"{job_begin * MIB}-{job_begin * MIB + size - 1}"
            job = emulator.retrieve("v", archive, RetrievalByteRange=asked_range)
            for begin in range(job_begin, job_end):
                for end in range(begin + 1, job_end + 1):
                    first = (begin - job_begin) * MIB
                    last = min(end * MIB, len(DATA)) - job_begin * MIB - 1
                    answer = emulator.output("v", job, f"{first}-{last}", stream=True)
                    answer.close()
                    wanted = model_header(begin, end, (job_begin, job_end), switch == "absent")
                    assert answer.headers.get("x-cas-sha256-tree-hash") == wanted
                    nearly = emulator.output("v", job, f"{first}-{last - 1}", stream=True)
                    nearly.close()
                    assert "x-cas-sha256-tree-hash" not in nearly.headers


def test_hashes_come_from_the_upload_and_not_from_the_file(emulator: RunningEmulator) -> None:
    archive = emulator.upload("v", DATA)
    job = emulator.retrieve("v", archive)
    file = emulator.archive_file(archive)
    with file.open("r+b") as opened:
        opened.seek(MIB + 7)
        opened.write(b"!")
    answer = emulator.output("v", job, f"{MIB}-{2 * MIB - 1}")
    assert answer.content[7:8] == b"!"
    wanted = to_text(SHA256.leaf(DATA[MIB : 2 * MIB]))
    assert answer.headers["x-cas-sha256-tree-hash"] == wanted


@given(st.data())
def test_subtree_hash_is_none_or_the_root(data: st.DataObject) -> None:
    leaves = [bytes([at]) * 32 for at in range(data.draw(st.integers(1, 40)))]
    begin = data.draw(st.integers(0, len(leaves) - 1))
    end = data.draw(st.integers(begin + 1, len(leaves)))
    size = len(leaves) * MIB
    wanted = SHA256.root(leaves[begin:end]) if (begin, end) in nodes(len(leaves)) else None
    assert subtree_hash(SHA256, leaves, begin * MIB, end * MIB - 1, size) == wanted


def test_switches_of_ranges(tmp_path: Path) -> None:
    options = ["--range-alignment", "mib", "--full-range", "200", "--range-past-end", "416"]
    with running_emulator(tmp_path, *options, "--unfinished-output", "404") as emulator:
        emulator.create_vault("v")
        job = emulator.retrieve("v", emulator.upload("v", DATA))
        full = emulator.output("v", job, f"0-{len(DATA) - 1}")
        assert (full.status_code, full.content) == (200, DATA)
        assert "Content-Range" not in full.headers
        assert emulator.output("v", job, f"{MIB}-{3 * MIB - 1}").status_code == 206
        assert emulator.output("v", job, f"{MIB}-{len(DATA) - 1}").status_code == 206
        for bad in (f"1-{MIB - 1}", "0-999"):
            answer = emulator.output("v", job, bad)
            assert code(answer) == (400, "InvalidParameterValueException")
        late = emulator.output("v", job, f"{7 * MIB}-{8 * MIB - 1}")
        assert code(late) == (416, "InvalidParameterValueException")
        failed = emulator.retrieve("v", "nosuch")
        assert code(emulator.output("v", failed)) == (404, "ResourceNotFoundException")
    with running_emulator(tmp_path, "--range-past-end", "413") as emulator:
        late = emulator.output("v", job, f"{7 * MIB}-{8 * MIB - 1}")
        assert code(late) == (413, "InvalidParameterValueException")


def test_switches_of_descriptions(tmp_path: Path) -> None:
    options = ["--expired-job", "described", "--callback-key", "JobCallBackUrl"]
    options += ["--archive-job-parameters", "absent", "--limit-form", "string"]
    with running_emulator(tmp_path, *options, "--hash-on-inventory", "present") as emulator:
        emulator.create_vault("v")
        job = emulator.retrieve("v", emulator.upload("v", b"data"), CallBackUrl="http://x")
        described = emulator.describe("v", job)
        assert described["JobCallBackUrl"] == "http://x"
        assert "CallBackUrl" not in described
        assert "InventoryRetrievalParameters" not in described
        emulator.expire(job)
        assert emulator.describe("v", job)["StatusCode"] == "Succeeded"
        assert code(emulator.output("v", job)) == (404, "ResourceNotFoundException")
        assert emulator.jobs("v") == []
        listing = emulator.start("v", Type="inventory-retrieval")
        assert emulator.describe("v", listing)["InventoryRetrievalParameters"]["Limit"] == "0"
        answer = emulator.output("v", listing)
        wanted = hashlib.sha256(answer.content).hexdigest()
        assert answer.headers["x-cas-sha256-tree-hash"] == wanted
        part = emulator.output("v", listing, "0-5")
        assert "x-cas-sha256-tree-hash" not in part.headers
    with running_emulator(tmp_path, "--callback-key", "CallBackUrl") as emulator:
        fields = emulator.describe("v", listing)
        assert "CallBackUrl" in fields
        assert "JobCallBackUrl" not in fields
