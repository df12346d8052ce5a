"""Blocks come once over the network, verified, whoever asks and whatever goes wrong."""

import errno
import gc
import itertools
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from casfs.blocks.buffers import Buffers
from casfs.errors import (
    CasfsError,
    DeadlineError,
    ExpiredError,
    MismatchError,
    UnreachableError,
)
from tests.support.archive import (
    HASH_HEADER,
    MIB,
    Archive,
    flipped,
    once,
    output_of_bytes,
    random_bytes,
    renamed,
    root,
    with_headers,
)
from tests.support.blocks import block_files, bringing, leaves_file
from tests.support.processes import wait_until
from tests.support.server import serving
from tests.support.service import html, refusal

DATA = random_bytes(20 * MIB + 12345)
OUTPUT = output_of_bytes(DATA, root(DATA))


def wrong_byte(request, answer):
    return replace(answer, body=flipped(answer.body, len(answer.body) // 2))


def wrong_hash(request, answer):
    return with_headers(answer, **{HASH_HEADER: "00" * 32})


def read_all(reader, piece=MIB):
    return b"".join(bytes(reader.pread(piece, at)) for at in range(0, reader.size, piece))


def fetched_blocks(server):
    """Every block that went over the network, with repetitions."""
    spans = [span for span in server.spans() if span is not None]
    return [block for first, stop in spans for block in range(first // MIB, -(-stop // MIB))]


@pytest.mark.parametrize("threads", [8, 32])
def test_many_threads_fetch_each_block_once(tmp_path, threads):
    archive = Archive(DATA)
    archive.gate.clear()
    with serving(archive) as server, bringing(server.url, tmp_path) as parts:
        readers = [parts.reader(OUTPUT) for _ in range(4)]
        ready = threading.Barrier(threads + 1)

        def read(number):
            ready.wait(60)
            return bytes(readers[number % 4].pread(128 << 10, (number % 8) * (128 << 10)))

        with ThreadPoolExecutor(threads) as pool:
            calls = [pool.submit(read, number) for number in range(threads)]
            ready.wait(60)
            assert archive.arrived.acquire(timeout=60)
            archive.gate.set()
            for number, call in enumerate(calls):
                at = (number % 8) * (128 << 10)
                assert call.result(60) == DATA[at : at + (128 << 10)]
        assert fetched_blocks(server).count(0) == 1
        assert read_all(readers[0]) == DATA
        assert sorted(fetched_blocks(server)) == list(range(21))


def test_threads_that_want_different_blocks_get_them_with_one_get_each(tmp_path):
    with serving(Archive(DATA)) as server, bringing(server.url, tmp_path) as parts:
        reader = parts.reader(OUTPUT)
        with ThreadPoolExecutor(32) as pool:
            places = [(block * MIB + 17, block) for block in range(20, -1, -1)] * 3
            calls = [(at, pool.submit(reader.pread, 1000, at)) for at, _ in places]
            for at, call in calls:
                assert bytes(call.result(60)) == DATA[at : at + 1000]
        assert sorted(fetched_blocks(server)) == list(range(21))


def test_every_get_is_a_subtree_so_that_every_block_is_checked(tmp_path):
    with serving(Archive(DATA)) as server, bringing(server.url, tmp_path) as parts:
        assert read_all(parts.reader(OUTPUT)) == DATA
        assert parts.count("unchecked_blocks") == 0
        assert parts.cache.open(OUTPUT).verified() == "yes"
        assert max(stop - first for first, stop in filter(None, server.spans())) <= 8 * MIB


@pytest.mark.parametrize("spoil", [wrong_byte, wrong_hash])
def test_bytes_that_do_not_match_are_fetched_again_on_a_new_connection(tmp_path, spoil):
    with (
        serving(Archive(DATA, spoil=once(spoil, 3))) as server,
        bringing(server.url, tmp_path, attempts=5) as parts,
    ):
        assert read_all(parts.reader(OUTPUT)) == DATA
        seen = [request.span for request in server.requests]
        again = [request for n, request in enumerate(server.requests) if request.span in seen[:n]]
        assert len(again) == 3
        for request in again:
            first = next(r for r in server.requests if r.span == request.span)
            assert request.connection != first.connection


@pytest.mark.parametrize("spoil", [wrong_byte, wrong_hash])
def test_bytes_that_never_match_are_eio_and_nowhere(tmp_path, spoil):
    with serving(Archive(DATA, spoil=spoil)) as server, bringing(server.url, tmp_path) as parts:
        reader = parts.reader(OUTPUT)
        for at in (0, 5 * MIB, len(DATA) - 1):
            with pytest.raises(MismatchError, match="none of it was delivered") as caught:
                reader.pread(1000, at)
            assert caught.value.errno == errno.EIO
        assert block_files(tmp_path) == {}
        assert parts.cache.open(OUTPUT).verified() == "no"
        # Once the service is right again, so are we.
        server.behaviour = Archive(DATA)
        assert read_all(reader) == DATA


def test_bytes_that_never_match_take_no_memory(tmp_path, monkeypatch):
    """Not even until the garbage collector runs."""
    regions, grow = itertools.count(), Buffers._grow
    monkeypatch.setattr(Buffers, "_grow", lambda memory: (next(regions), grow(memory))[1])
    archive = Archive(DATA, spoil=wrong_byte)
    with serving(archive) as server, bringing(server.url, tmp_path, attempts=2) as parts:
        opened = parts.cache.open(OUTPUT)
        gc.disable()
        try:
            for _ in range(8):
                with pytest.raises(MismatchError):
                    parts.cache.get(opened, range(8), None, 0, 8 * MIB)
        finally:
            gc.enable()
    assert next(regions) <= 3, "a GET takes eight blocks, and a region has as many"


def test_one_bad_block_does_not_spoil_the_others(tmp_path):
    """Only the subtree that holds it fails."""

    def spoil(request, answer):
        first, stop = request.span
        at = 3 * MIB + 5
        if not first <= at < stop:
            return answer
        return replace(answer, body=flipped(answer.body, at - first))

    with (
        serving(Archive(DATA, spoil=spoil)) as server,
        bringing(server.url, tmp_path, attempts=2) as parts,
    ):
        reader = parts.reader(OUTPUT)
        assert bytes(reader.pread(1000, 10 * MIB)) == DATA[10 * MIB : 10 * MIB + 1000]
        with pytest.raises(MismatchError):
            reader.pread(1, 3 * MIB)
        assert bytes(reader.pread(1000, 0)) == DATA[:1000]


def test_a_service_that_keeps_failing_is_eio_and_recovers(tmp_path):
    with (
        serving(Archive(DATA, spoil=lambda request, answer: html(502))) as server,
        bringing(server.url, tmp_path) as parts,
    ):
        reader = parts.reader(OUTPUT)
        with pytest.raises(CasfsError) as caught:
            reader.pread(1, 0)
        assert caught.value.errno == errno.EIO
        server.behaviour = Archive(DATA)
        assert bytes(reader.pread(10, 0)) == DATA[:10]


def test_a_service_that_does_not_answer_is_etimedout(tmp_path):
    def mute(request, answer):
        return lambda request, wire: wire.hang()

    with (
        serving(Archive(DATA, spoil=mute)) as server,
        bringing(server.url, tmp_path, deadline=0.6) as parts,
        pytest.raises(DeadlineError) as caught,
    ):
        parts.reader(OUTPUT).pread(1, 0)
    assert caught.value.errno == errno.ETIMEDOUT
    assert server.connections >= 1


def test_what_is_fetched_ahead_and_stalls_holds_up_no_reader_of_the_same_output(tmp_path):
    stalled = threading.Semaphore(0)

    def spoil(request, answer):
        if request.span[0] // MIB not in range(8, 80):
            return answer
        stalled.release()
        # More often than the connection would time out.
        return lambda request, wire: wire.trickle(answer.head + answer.body, 0.5)

    data = bytes(96 * MIB)
    with (
        serving(Archive(data, spoil=spoil)) as server,
        bringing(server.url, tmp_path) as parts,
        ThreadPoolExecutor(1) as pool,
    ):
        reader = parts.reader(output_of_bytes(data, root(data)))
        for number in range(7):
            reader.pread(MIB, number * MIB)
        # Until no more begin: those that stall have lent their places.
        while stalled.acquire(timeout=2):
            pass
        for number in range(80, 96, 4):
            # Sooner than those that stall fail.
            assert bytes(pool.submit(reader.pread, 10, number * MIB).result(15)) == bytes(10)


def test_an_expired_output_is_estale_where_a_block_is_missing(tmp_path):
    gone = refusal(404, "ResourceNotFoundException")
    with serving(Archive(DATA)) as server, bringing(server.url, tmp_path) as parts:
        reader = parts.reader(OUTPUT)
        reader.pread(1, 2 * MIB)
        server.behaviour = lambda request, wire: gone
        assert bytes(reader.pread(MIB, 2 * MIB)) == DATA[2 * MIB : 3 * MIB]
        with pytest.raises(ExpiredError) as caught:
            reader.pread(1, 15 * MIB)
        assert caught.value.errno == errno.ESTALE
    with bringing(server.url, tmp_path) as parts:
        reader = parts.reader(OUTPUT)
        assert bytes(reader.pread(MIB, 2 * MIB)) == DATA[2 * MIB : 3 * MIB]


def test_an_expired_job_fails_no_reader_of_a_live_one(tmp_path):
    """Both bring the same archive, so they share what is under way."""
    archive, expired = Archive(DATA), threading.Event()

    def behave(request, wire):
        if "/jobs/old/" in request.path:
            assert expired.wait(60)
            return refusal(404, "ResourceNotFoundException")
        return archive(request, wire)

    old = renamed(OUTPUT, "old")
    with serving(behave) as server, bringing(server.url, tmp_path) as parts:
        parts.cache.prefetch(old, 8)
        under_way = parts.cache._memory._in_flight
        with ThreadPoolExecutor(1) as pool:
            live = pool.submit(parts.reader(OUTPUT).pread, 10, 0)
            wait_until(lambda: [f for f in under_way.values() if f.wanted], "the reader to join")
            expired.set()
            assert bytes(live.result(60)) == DATA[:10]
        with pytest.raises(ExpiredError):
            parts.reader(old).pread(10, 15 * MIB)


def test_a_second_run_reads_from_disk_alone(tmp_path):
    with serving(Archive(DATA)) as server:
        with bringing(server.url, tmp_path) as parts:
            read_all(parts.reader(OUTPUT))
        assert len(block_files(tmp_path)) == 21
        asked = len(server.requests)
        with bringing(server.url, tmp_path) as parts:
            assert read_all(parts.reader(OUTPUT)) == DATA
            assert parts.blocks("network") == 0
            assert parts.cache.open(OUTPUT).verified() == "yes"
        assert len(server.requests) == asked


HARM = {
    "rotten": lambda path: path.write_bytes(flipped(path.read_bytes(), 4711)),
    "torn": lambda path: path.write_bytes(path.read_bytes()[:4096]),
    "zeros": lambda path: path.write_bytes(bytes(MIB)),
    "empty": lambda path: path.write_bytes(b""),
    "longer": lambda path: path.write_bytes(path.read_bytes() + b"x"),
    "gone": lambda path: path.unlink(),
}


@pytest.mark.parametrize("harm", HARM.values(), ids=HARM.keys())
def test_a_block_that_was_harmed_on_disk_is_fetched_again(tmp_path, harm):
    with serving(Archive(DATA)) as server:
        with bringing(server.url, tmp_path) as parts:
            read_all(parts.reader(OUTPUT))
        for number in ("3", "20"):
            harm(block_files(tmp_path)[number])
        server.requests.clear()
        with bringing(server.url, tmp_path) as parts:
            assert read_all(parts.reader(OUTPUT)) == DATA
        assert sorted(fetched_blocks(server)) == [3, 20]
        with bringing(server.url, tmp_path) as parts:
            assert read_all(parts.reader(OUTPUT)) == DATA
        assert sorted(fetched_blocks(server)) == [3, 20]


LEAVES_HARM = {
    "torn": lambda path: path.write_bytes(path.read_bytes()[: 33 * 5 + 7]),
    "gone": lambda path: path.unlink(),
    "empty": lambda path: path.write_bytes(b""),
    "rotten": lambda path: path.write_bytes(flipped(path.read_bytes(), 33 * 5 + 7)),
    "zeros": lambda path: path.write_bytes(bytes(path.stat().st_size)),
}


@pytest.mark.parametrize("harm", LEAVES_HARM.values(), ids=LEAVES_HARM.keys())
def test_a_leaves_file_that_was_harmed_costs_fetching_again_and_nothing_else(tmp_path, harm):
    with serving(Archive(DATA)) as server:
        with bringing(server.url, tmp_path) as parts:
            read_all(parts.reader(OUTPUT))
        harm(leaves_file(tmp_path))
        # Another block is not there, so that the whole is checked before block 5 is looked at.
        block_files(tmp_path)["2"].unlink()
        with bringing(server.url, tmp_path) as parts:
            assert read_all(parts.reader(OUTPUT)) == DATA
        with bringing(server.url, tmp_path) as parts:
            assert read_all(parts.reader(OUTPUT)) == DATA
            # A block may be dropped as rotten while it is being mended, never more.
            assert parts.blocks("network") <= 1
            assert parts.cache.open(OUTPUT).verified() == "yes"


def test_closing_ends_every_wait(tmp_path):
    archive = Archive(DATA)
    archive.gate.clear()
    with serving(archive) as server:
        with bringing(server.url, tmp_path) as parts, ThreadPoolExecutor(4) as pool:
            reader = parts.reader(OUTPUT)
            calls = [pool.submit(reader.pread, 1, block * MIB) for block in range(4)]
            assert archive.arrived.acquire(timeout=60)
            parts.service.close()
            parts.cache.close()
            for call in calls:
                assert isinstance(call.exception(60), (CasfsError, UnreachableError))
        archive.gate.set()


def test_memory_is_bounded_and_reads_stay_right_when_it_is_tiny(tmp_path):
    with serving(Archive(DATA)) as server, bringing(server.url, tmp_path, memory=2 * MIB) as parts:
        reader = parts.reader(OUTPUT)
        assert read_all(reader, 300_000) == DATA
        assert read_all(reader, 5_000_000) == DATA
