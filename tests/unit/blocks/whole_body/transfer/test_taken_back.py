"""What came in one piece counts when that has ended; what turns out wrong is taken back."""

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from casfs.blocks.verify import Trust
from casfs.errors import CasfsError, OutputMismatchError
from casfs.ranges import Layout
from tests.support.archive import (
    MIB,
    Archive,
    cut_after,
    output_of_bytes,
    random_bytes,
    root,
    with_headers,
)
from tests.support.blocks import block_files, bringing, leaves_file
from tests.support.processes import wait_until
from tests.support.server import Answer, serving

DATA = random_bytes(20 * MIB + 777, seed=9)
HASHLESS = output_of_bytes(DATA)
UNALIGNED = replace(HASHLESS, layout=Layout(len(DATA), None, 0))
OUTPUT = output_of_bytes(DATA, root(DATA))
outputs = pytest.mark.parametrize(
    "output", [OUTPUT, HASHLESS, UNALIGNED], ids=["job's hash", "no job's hash", "unaligned"]
)


def read_all(reader, piece=MIB):
    return b"".join(bytes(reader.pread(piece, at)) for at in range(0, reader.size, piece))


def at_once(spoil, first):
    """Spoil only the first answer to a GET that begins there."""
    left = threading.Semaphore(1)

    def chosen(request, answer):
        fits = request.span[0] == first and left.acquire(blocking=False)
        return spoil(request, answer) if fits else answer

    return chosen


def chunks(body):
    return b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)


def whole_claimed(size):
    """The whole is announced, and what comes is the part that was asked for."""

    def spoil(request, answer):
        wrong = Answer(200, answer.body, {"Content-Length": str(len(DATA))})
        return cut_after(size)(request, wrong)

    return spoil


WRONG_WHOLES = {
    "the part, until the end": lambda request, answer: Answer(
        200, answer.body, {"Content-Length": None}
    ),
    "the part, in chunks": lambda request, answer: Answer(
        200, chunks(answer.body), {"Content-Length": None, "Transfer-Encoding": "chunked"}
    ),
    "the part and more, until the end": lambda request, answer: Answer(
        200, answer.body * 3, {"Content-Length": None}
    ),
    "the part, with the whole's length": whole_claimed(8 * MIB),
    "a byte of the part, with the whole's length": whole_claimed(1),
    "the whole and more, until the end": lambda request, answer: Answer(
        200, answer.body + DATA, {"Content-Length": None}
    ),
    "the whole and more, in chunks": lambda request, answer: Answer(
        200, chunks(answer.body + DATA), {"Content-Length": None, "Transfer-Encoding": "chunked"}
    ),
    "the whole that is cut, until the end": lambda request, answer: Answer(
        200, answer.body + DATA[: len(DATA) - 9 * MIB], {"Content-Length": None}
    ),
}


@outputs
@pytest.mark.parametrize("spoil", WRONG_WHOLES.values(), ids=WRONG_WHOLES.keys())
@pytest.mark.parametrize("first", [8 * MIB, 16 * MIB])
def test_a_wrong_whole_becomes_no_wrong_byte(tmp_path, output, spoil, first):
    archive = Archive(DATA, hashes=False, spoil=at_once(spoil, first))
    with serving(archive) as server:
        with bringing(server.url, tmp_path) as parts:
            reader = parts.reader(output)
            try:
                assert bytes(reader.pread(1, first)) == DATA[first : first + 1]
                assert read_all(reader) == DATA
            except OutputMismatchError:
                # What was handed on of it cannot be taken back in another way.
                assert spoil is WRONG_WHOLES["the part, with the whole's length"]
            assert read_all(parts.reader(output)) == DATA
        with bringing(server.url, tmp_path) as parts:
            assert read_all(parts.reader(output)) == DATA
            assert parts.cache.open(output).verified() == ("yes" if output is OUTPUT else "no")
    assert list((tmp_path / "blocks-1" / "temporary").iterdir()) == []


def held_back(gate, size):
    """So much of an answer, and the rest once a gate is open."""

    def spoil(request, answer):
        def behave(request, wire):
            wire.send(answer.head + answer.body[:size])
            assert gate.wait(60)

        return behave

    return spoil


def test_who_read_what_is_taken_back_is_refused(tmp_path):
    """Though all the rest is in the cache, so that nothing more would come for it."""
    gate = threading.Event()
    with serving(Archive(DATA, hashes=False)) as server:
        with bringing(server.url, tmp_path) as parts:
            read_all(parts.reader(HASHLESS))
        for number in (0, 1):
            block_files(tmp_path)[str(number)].unlink()
        leaves_file(tmp_path).write_bytes(bytes(2 * 33) + leaves_file(tmp_path).read_bytes()[66:])
        wrong = Answer(200, DATA[8 * MIB :] + DATA[: 8 * MIB])
        spoil = held_back(gate, 2 * MIB)
        server.behaviour = Archive(DATA, spoil=at_once(lambda r, a: spoil(r, wrong), 0))
        with bringing(server.url, tmp_path) as parts, ThreadPoolExecutor(1) as pool:
            reader = parts.reader(HASHLESS)
            assert bytes(reader.pread(MIB, 0)) == wrong.body[:MIB], "nothing can tell yet"
            server.behaviour = Archive(DATA, hashes=False)
            ended = pool.submit(wait_until_refused, reader)
            gate.set()
            assert "do not use what was read" in str(ended.result(60))
            assert read_all(parts.reader(HASHLESS)) == DATA
        with bringing(server.url, tmp_path) as parts:
            assert read_all(parts.reader(HASHLESS)) == DATA


def wait_until_refused(reader):
    """Read what is in the cache until the answer has turned out wrong."""
    while True:
        try:
            reader.pread(1, 19 * MIB)
        except OutputMismatchError as error:
            return error


def test_what_broke_off_and_came_again_the_same_refuses_nobody(tmp_path):
    gate = threading.Event()
    archive = Archive(DATA, ranges=False, hashes=False, spoil=at_once(held_back(gate, 9 * MIB), 0))
    with serving(archive) as server, bringing(server.url, tmp_path, memory=6 * MIB) as parts:
        reader = parts.reader(HASHLESS)
        assert bytes(reader.pread(MIB, 3 * MIB)) == DATA[3 * MIB : 4 * MIB]
        gate.set()
        assert read_all(reader) == DATA
        assert len(block_files(tmp_path)) == HASHLESS.layout.blocks


def test_who_reads_on_waits_until_what_broke_off_has_come_again(tmp_path):
    """Not even a block that is in the cache is handed on before that."""
    broken, again = threading.Event(), threading.Event()
    with serving(Archive(DATA, hashes=False)) as server:
        with bringing(server.url, tmp_path) as parts:
            parts.reader(HASHLESS).pread(1, 19 * MIB)
        archive = Archive(
            DATA, ranges=False, hashes=False, spoil=at_once(held_back(broken, 2 * MIB), 0)
        )
        server.behaviour = archive
        with bringing(server.url, tmp_path) as parts, ThreadPoolExecutor(1) as pool:
            reader = parts.reader(HASHLESS)
            reader.pread(1, 0)
            archive.gate = again
            broken.set()
            leaves = parts.disk.store(HASHLESS).leaves
            while not leaves.doubts.doubted():
                assert not reader.cacheable
            late = pool.submit(reader.pread, MIB, 18 * MIB)
            assert leaves.doubts.doubted()
            assert not late.done()
            again.set()
            assert bytes(late.result(60)) == DATA[18 * MIB : 19 * MIB]
            assert read_all(reader) == DATA


def test_a_range_that_comes_before_a_piece_is_asked_for_again_refuses_nobody(tmp_path):
    """It is asked for again after a pause, in which nothing is under way."""
    broken = Archive(DATA, ranges=False, hashes=False, spoil=cut_after(2 * MIB))
    again = Archive(DATA, ranges=False, hashes=False)
    ranged = Archive(DATA, hashes=False)
    again.gate.clear()
    ranged.gate.clear()
    pieces = iter([broken, again])

    def behave(request, wire):
        archive = ranged if request.span[0] else next(pieces, again)
        return archive(request, wire)

    with (
        serving(behave) as server,
        bringing(server.url, tmp_path) as parts,
        ThreadPoolExecutor(1) as pool,
    ):
        try:
            reader, opened = parts.reader(HASHLESS), parts.cache.open(HASHLESS)
            late = pool.submit(reader.pread, MIB, 9 * MIB)
            assert ranged.arrived.acquire(timeout=60)
            assert bytes(reader.pread(MIB, 0)) == DATA[:MIB]
            assert again.arrived.acquire(timeout=60)
            assert opened.store.leaves.doubts.doubted()
            ranged.gate.set()
            wait_until(lambda: opened.refusal or opened.store.leaves.leaf(9), "the range to come")
            assert opened.refusal is None
        finally:
            ranged.gate.set()
            again.gate.set()
        assert bytes(late.result(60)) == DATA[9 * MIB : 10 * MIB]
        assert read_all(reader) == DATA


def test_what_broke_off_is_not_asked_for_again_when_nobody_reads_it(tmp_path):
    """It would be all of the output, and again each time that it breaks off."""
    gate = threading.Event()
    archive = Archive(DATA, ranges=False, hashes=False, spoil=held_back(gate, 2 * MIB))
    with serving(archive) as server, bringing(server.url, tmp_path) as parts:
        reader, opened = parts.reader(HASHLESS), parts.cache.open(HASHLESS)
        assert bytes(reader.pread(MIB, 0)) == DATA[:MIB]
        reader.close()
        asked = len(server.spans())
        gate.set()
        wait_until(lambda: opened.refusal, "it to break off")
        assert len(server.spans()) == asked
        server.behaviour = Archive(DATA, ranges=False, hashes=False)
        assert read_all(parts.reader(HASHLESS)) == DATA


def test_a_piece_without_an_end_is_not_kept(tmp_path):
    gate = threading.Event()
    archive = Archive(DATA, ranges=False, hashes=False, spoil=held_back(gate, 9 * MIB))
    with serving(archive) as server:
        with bringing(server.url, tmp_path) as parts:
            assert bytes(parts.reader(HASHLESS).pread(MIB, 3 * MIB)) == DATA[3 * MIB : 4 * MIB]
            store = parts.disk.store(HASHLESS)
            assert store.leaves.trust(3) is Trust.UNCHECKED
            assert not parts.disk.holds_whole(HASHLESS)
        gate.set()
        server.behaviour = Archive(DATA, hashes=False)
        with bringing(server.url, tmp_path) as parts:
            assert parts.disk.store(HASHLESS).leaves.trust(3) is Trust.UNKNOWN
            assert read_all(parts.reader(HASHLESS)) == DATA
            assert parts.blocks("disk") == 0


@outputs
def test_a_piece_that_always_breaks_off_is_an_error_and_leaves_nothing(tmp_path, output):
    archive = Archive(DATA, ranges=False, hashes=False, spoil=cut_after(9 * MIB))
    with serving(archive) as server, bringing(server.url, tmp_path) as parts:
        with pytest.raises(CasfsError):
            read_all(parts.reader(output))
        with pytest.raises(CasfsError):
            parts.reader(output).pread(1, 12 * MIB)
        assert block_files(tmp_path) == {}
        server.behaviour = Archive(DATA, ranges=False, hashes=False)
        assert read_all(parts.reader(output)) == DATA


def test_an_answer_with_a_hash_and_no_length_is_taken(tmp_path):
    def lengthless(request, answer):
        return with_headers(answer, Content_Length=None)

    archive = Archive(DATA, ranges=False, spoil=lengthless)
    with serving(archive) as server, bringing(server.url, tmp_path) as parts:
        assert read_all(parts.reader(OUTPUT)) == DATA
        assert parts.cache.open(OUTPUT).verified() == "yes"
