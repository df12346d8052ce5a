"""A service that knows no ranges: one pass over the network serves everybody, and stays checked."""

import errno
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from casfs.blocks.disk.output_store import OutputStore
from casfs.errors import CasfsError, MismatchError, OutputMismatchError
from casfs.ranges import Layout
from casfs.treehash import Digest
from tests.support.archive import (
    HASH_HEADER,
    MIB,
    Archive,
    cut_after,
    flipped,
    once,
    output_of_bytes,
    random_bytes,
    renamed,
    root,
    with_headers,
    wrong_at,
)
from tests.support.blocks import block_files, bringing
from tests.support.server import serving
from tests.support.service import html

DATA = random_bytes(11 * MIB + 777, seed=2)
OUTPUT = output_of_bytes(DATA, root(DATA))
HASHLESS = replace(OUTPUT, tree_hash=None)


def read_all(reader, piece=MIB):
    return b"".join(bytes(reader.pread(piece, at)) for at in range(0, reader.size, piece))


def lengthless(request, answer):
    return with_headers(answer, Content_Length=None)


@pytest.mark.parametrize("hashes", [True, False], ids=["with a hash", "without a hash"])
@pytest.mark.parametrize("spoil", [lambda r, a: a, lengthless], ids=["length", "no length"])
@pytest.mark.parametrize("output", [OUTPUT, HASHLESS], ids=["job's hash", "no job's hash"])
def test_one_pass_serves_a_whole_read(tmp_path, hashes, spoil, output):
    archive = Archive(DATA, ranges=False, hashes=hashes, spoil=spoil)
    with serving(archive) as server:
        with bringing(server.url, tmp_path) as parts:
            assert read_all(parts.reader(output)) == DATA
            assert len(server.spans()) <= 4, "only GETs that were sent before the first answer"
            checked = hashes or output is OUTPUT
            assert parts.cache.open(output).verified() == ("yes" if checked else "no")
        assert list((tmp_path / "blocks-1" / "temporary").iterdir()) == []
        server.requests.clear()
        with bringing(server.url, tmp_path) as parts:
            assert read_all(parts.reader(output)) == DATA
        assert server.requests == []


@pytest.mark.parametrize("hashes", [True, False], ids=["with a hash", "without a hash"])
def test_several_readers_at_once_share_one_pass(tmp_path, hashes):
    archive = Archive(DATA, ranges=False, hashes=hashes)
    archive.gate.clear()
    with serving(archive) as server, bringing(server.url, tmp_path, connections=8) as parts:
        with ThreadPoolExecutor(6) as pool:
            calls = [pool.submit(read_all, parts.reader(OUTPUT), MIB // 2) for _ in range(6)]
            assert archive.arrived.acquire(timeout=60)
            archive.gate.set()
            for call in calls:
                assert call.result(60) == DATA
        # Every connection may have asked before the first answer came, and then hung up.
        assert len(server.spans()) <= 8
        received = parts.count("received_bytes")
        assert received == len(DATA), "more than one body was read"


@pytest.mark.parametrize("hashes", [True, False], ids=["with a hash", "without a hash"])
@pytest.mark.parametrize("cut", [10, MIB + 1, 9 * MIB])
def test_a_pass_that_breaks_off_still_brings_the_right_bytes(tmp_path, hashes, cut):
    archive = Archive(DATA, ranges=False, hashes=hashes, spoil=once(cut_after(cut), 2))
    with serving(archive) as server, bringing(server.url, tmp_path, attempts=4) as parts:
        with ThreadPoolExecutor(3) as pool:
            calls = [pool.submit(read_all, parts.reader(OUTPUT)) for _ in range(3)]
            assert all(call.result(60) == DATA for call in calls)
        assert list((tmp_path / "blocks-1" / "temporary").iterdir()) == []


def test_a_wrong_byte_in_a_pass_with_a_hash_is_handed_to_nobody(tmp_path):
    def spoil(request, answer):
        return replace(answer, body=flipped(answer.body, 5 * MIB))

    archive = Archive(DATA, ranges=False, spoil=spoil)
    with serving(archive) as server, bringing(server.url, tmp_path, attempts=2) as parts:
        reader = parts.reader(HASHLESS)
        for block in (0, 5, 11):
            with pytest.raises(MismatchError):
                reader.pread(1, block * MIB)
        assert block_files(tmp_path) == {}
        server.behaviour = Archive(DATA, ranges=False)
        assert read_all(reader) == DATA


@pytest.mark.parametrize("ranges", [True, False], ids=["ranges", "one pass"])
def test_without_hashes_the_whole_is_checked_when_the_last_block_is_there(tmp_path, ranges):
    archive = Archive(DATA, ranges=ranges, hashes=False, spoil=wrong_at(5 * MIB + 3))
    with serving(archive) as server, bringing(server.url, tmp_path, attempts=1) as parts:
        reader = parts.reader(OUTPUT)
        with pytest.raises(CasfsError, match="as a whole has tree hash") as caught:
            read_all(reader)
        assert caught.value.errno == errno.EIO
        assert parts.cache.open(OUTPUT).verified() == "no"
        # Nothing of what was never checked is kept: read again, it comes anew.
        server.behaviour = Archive(DATA, ranges=ranges, hashes=False)
        with pytest.raises(OutputMismatchError):
            reader.pread(1, 0)
        assert read_all(parts.reader(OUTPUT)) == DATA
        assert parts.cache.open(OUTPUT).verified() == "yes"


def test_a_pass_that_is_not_what_the_job_says_is_not_repeated(tmp_path):
    """It would be all of the output once more, for bytes that are wrong in the service."""
    lying = replace(OUTPUT, tree_hash=Digest(bytes(32)))
    archive = Archive(DATA, ranges=False, hashes=False)
    with serving(archive) as server, bringing(server.url, tmp_path, connections=1) as parts:
        with pytest.raises(OutputMismatchError):
            parts.reader(lying).pread(1, len(DATA) - 1)
        assert parts.blocks("network") == lying.layout.blocks


@pytest.mark.parametrize("piece", [128 << 10, MIB])
def test_who_waits_for_the_end_of_a_wrong_pass_gets_no_second_one(tmp_path, piece):
    """The end of a right pass behind the beginning of a wrong one would be a copy that succeeds."""
    archive = Archive(DATA, ranges=False, hashes=False, spoil=once(wrong_at(5 * MIB + 3)))
    with serving(archive) as server, bringing(server.url, tmp_path, connections=1) as parts:
        with pytest.raises(OutputMismatchError):
            read_all(parts.reader(OUTPUT), piece)
        assert parts.blocks("network") == OUTPUT.layout.blocks
        assert read_all(parts.reader(OUTPUT)) == DATA
        assert parts.cache.open(OUTPUT).verified() == "yes"


def test_who_waits_while_another_finds_a_mismatch_is_refused(tmp_path):
    """Not only at the next read: there may be none."""
    archive = Archive(DATA, hashes=False)
    with serving(archive) as server, bringing(server.url, tmp_path) as parts:
        reader = parts.reader(OUTPUT)
        archive.gate.clear()
        with ThreadPoolExecutor(1) as pool:
            last = pool.submit(reader.pread, 1, len(DATA) - 1)
            assert archive.arrived.acquire(timeout=60)
            leaves = parts.disk.store(OUTPUT).leaves
            leaves.end_generation(leaves.generation, [])
            archive.gate.set()
            with pytest.raises(OutputMismatchError):
                last.result(60)


def test_what_waits_for_the_disk_is_not_handed_on_after_a_mismatch(tmp_path, monkeypatch):
    free, write = threading.Event(), OutputStore.write

    def held_up(self, *block):
        assert free.wait(60)
        write(self, *block)

    monkeypatch.setattr(OutputStore, "write", held_up)

    archive = Archive(DATA, hashes=False, spoil=wrong_at(0))
    with serving(archive) as server, bringing(server.url, tmp_path) as parts:
        try:
            with pytest.raises(OutputMismatchError):
                read_all(parts.reader(OUTPUT))
            server.behaviour = Archive(DATA, hashes=False)
            assert read_all(parts.reader(OUTPUT)) == DATA
            assert parts.cache.open(OUTPUT).verified() == "yes"
        finally:
            free.set()


def test_without_hashes_the_whole_is_checked_over_a_restart(tmp_path):
    with serving(Archive(DATA, hashes=False, spoil=wrong_at(0))) as server:
        with bringing(server.url, tmp_path) as parts:
            wrong = bytes(parts.reader(OUTPUT).pread(MIB, 0))
            assert wrong != DATA[:MIB], "nothing can tell yet"
        server.behaviour = Archive(DATA, hashes=False)
        with bringing(server.url, tmp_path) as parts:
            with pytest.raises(OutputMismatchError):
                read_all(parts.reader(OUTPUT))
            assert read_all(parts.reader(OUTPUT)) == DATA


def test_a_job_whose_hash_contradicts_the_answers_is_refused(tmp_path):
    """Every range matches its own hash, yet the whole is not what the job says."""
    lying = replace(OUTPUT, tree_hash=Digest(bytes(32)))
    with serving(Archive(DATA)) as server, bringing(server.url, tmp_path) as parts:
        opened = parts.cache.open(lying)
        reader = parts.reader(lying)
        with pytest.raises(OutputMismatchError, match="the service says 0000"):
            read_all(reader)
        with pytest.raises(OutputMismatchError, match="the service says 0000"):
            reader.pread(1, 0)
        assert opened.verified() != "yes"


@pytest.mark.parametrize("status", [200, 206])
@pytest.mark.parametrize("size", [1, MIB - 1, MIB])
def test_an_output_of_one_get_is_checked_against_both_hashes(tmp_path, status, size):
    data = DATA[:size]
    right = output_of_bytes(data, root(data))
    lying = replace(right, tree_hash=Digest(bytes(32)), key="00" * 32)
    with serving(Archive(data, ranges=status == 206)) as server:
        with bringing(server.url, tmp_path / "kept") as parts:
            assert bytes(parts.reader(right).pread(size, 0)) == data
        with (
            bringing(server.url, tmp_path / "new", attempts=2) as parts,
            pytest.raises(OutputMismatchError, match="0" * 64),
        ):
            parts.reader(lying).pread(size, 0)
        # What was kept of the job is found on disk, and is not what this output should be either.
        with bringing(server.url, tmp_path / "kept") as parts:
            with pytest.raises(OutputMismatchError, match="0" * 64):
                parts.reader(lying).pread(size, 0)
            assert parts.blocks("network") == 0


def test_blocks_of_an_unaligned_job_are_fetched_unchecked_and_counted(tmp_path):
    layout = Layout(len(DATA), None, 0)
    output = replace(HASHLESS, layout=layout)
    with (
        serving(Archive(DATA, hashes=False)) as server,
        bringing(server.url, tmp_path) as parts,
    ):
        assert read_all(parts.reader(output)) == DATA
        assert parts.count("unchecked_blocks") == layout.blocks
        assert parts.cache.open(output).verified() == "no"


def test_a_pass_keeps_to_the_size_of_the_cache(tmp_path):
    with (
        serving(Archive(DATA, ranges=False, hashes=False)) as server,
        bringing(server.url, tmp_path, cache_size=4 * MIB) as parts,
    ):
        assert read_all(parts.reader(OUTPUT)) == DATA
    assert sum(path.stat().st_size for path in block_files(tmp_path).values()) <= 4 * MIB


def test_hash_header_of_a_part_is_no_hash_of_the_whole(tmp_path):
    """A server that ignores the range but describes it is not believed."""

    def spoil(request, answer):
        first, stop = request.span
        return with_headers(answer, **{HASH_HEADER: root(DATA[first:stop]).hex()})

    with (
        serving(Archive(DATA, ranges=False, spoil=spoil)) as server,
        bringing(server.url, tmp_path, attempts=1) as parts,
        pytest.raises(MismatchError),
    ):
        parts.reader(OUTPUT).pread(1, 9 * MIB)


@pytest.mark.parametrize("connections", [1, 4])
def test_passes_keep_nobody_else_waiting(tmp_path, connections):
    """One takes as long as it takes: as many as there are connections, and one more, go on."""
    begun, go_on = threading.Semaphore(0), threading.Event()

    def slow(request, answer):
        def behave(request, wire):
            wire.send(answer.head + answer.body[:MIB])
            begun.release()
            assert go_on.wait(60)
            wire.send(answer.body[MIB:])

        return behave

    whole, ranged = Archive(DATA, ranges=False, hashes=False, spoil=slow), Archive(DATA)

    def behave(request, wire):
        return (ranged if "/jobs/j/" in request.path else whole)(request, wire)

    slow_ones = [renamed(OUTPUT, str(n), f"{n:064x}") for n in range(connections + 1)]
    with (
        serving(behave) as server,
        bringing(server.url, tmp_path, connections=connections) as parts,
        ThreadPoolExecutor(connections + 1) as pool,
    ):
        try:
            passes = [pool.submit(parts.reader(one).pread, 1, 9 * MIB) for one in slow_ones]
            for _ in passes:
                assert begun.acquire(timeout=60)
            assert bytes(parts.reader(OUTPUT).pread(10, 5 * MIB)) == DATA[5 * MIB : 5 * MIB + 10]
        finally:
            go_on.set()
        for one in passes:
            assert bytes(one.result(60)) == DATA[9 * MIB : 9 * MIB + 1]


def test_a_failure_after_a_pass_reaches_whoever_was_left_to_it(tmp_path):
    archive = Archive(DATA, ranges=False, spoil=once(cut_after(3 * MIB)))

    def behave(request, wire):
        return archive(request, wire) if not server.requests[1:] else html(502)

    with serving(behave) as server, bringing(server.url, tmp_path, attempts=2) as parts:
        reader = parts.reader(HASHLESS)
        for block in (11, 4, 8):
            with pytest.raises(CasfsError) as caught:
                reader.pread(1, block * MIB)
            assert caught.value.errno == errno.EIO
