"""What comes late for bytes that were refused changes nothing for those that came after them."""

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace

import pytest

from casfs.blocks.disk.leaf_file import LeafFile
from casfs.blocks.disk.leaf_index import LeafIndex
from casfs.blocks.disk.output_store import OutputStore
from casfs.blocks.open_output import OpenOutput
from casfs.blocks.verify import Trust, Verifier
from casfs.errors import CasfsError, OutputMismatchError
from casfs.ranges import Layout
from casfs.treehash import SHA256
from tests.support.archive import (
    MIB,
    Archive,
    flipped,
    output_of_bytes,
    random_bytes,
    renamed,
    root,
    wrong_at,
)
from tests.support.blocks import bringing, put_leaf
from tests.support.jobs import RangeJobs
from tests.support.processes import wait_until
from tests.support.server import serving

DATA = random_bytes(6 * MIB + 777, seed=12)
OUTPUT = output_of_bytes(DATA, root(DATA))
HASHLESS = output_of_bytes(DATA)
LAST = OUTPUT.layout.blocks - 1


def read_all(reader):
    return b"".join(bytes(reader.pread(MIB, at)) for at in range(0, reader.size, MIB))


class Held:
    """A call that is held up the first time, or when `when` says so, until it is let go."""

    def __init__(self, monkeypatch, owner, name, when=lambda *_: True):
        self.reached, self._free = threading.Event(), threading.Event()
        call = getattr(owner, name)

        def held(*args):
            if when(*args) and not self.reached.is_set():
                self.reached.set()
                assert self._free.wait(60)
            return call(*args)

        monkeypatch.setattr(owner, name, held)

    def wait(self):
        assert self.reached.wait(60)

    def let_go(self):
        self._free.set()


def in_two_parts(gate, size, rest=True):
    """So much of an answer, and once a gate is open the rest, or the end of the connection."""

    def spoil(request, answer):
        def behave(request, wire):
            wire.send(answer.head + answer.body[:size])
            assert gate.wait(60)
            wire.send(answer.body[size:] if rest else b"")

        return behave

    return spoil


@contextmanager
def gates(*held):
    """Whatever fails, nobody waits for it."""
    try:
        yield
    finally:
        for one in held:
            one.let_go() if isinstance(one, Held) else one.set()


def end_generation(parts, output):
    """What an answer does that contradicts an earlier one."""
    store = parts.disk.store(output)
    store.invalidate("a block arrived twice with different bytes", store.leaves.generation, [])


def test_a_wrong_whole_takes_back_nothing_of_the_one_that_follows(tmp_path, monkeypatch):
    rest = threading.Event()
    held = Held(monkeypatch, OutputStore, "remove")
    wrong = Archive(DATA, ranges=False, hashes=False, spoil=wrong_at(2 * MIB))
    with (
        serving(wrong) as server,
        bringing(server.url, tmp_path, attempts=1) as parts,
        ThreadPoolExecutor(2) as pool,
        gates(held, rest),
    ):
        old = pool.submit(parts.reader(OUTPUT).pread, 1, LAST * MIB)
        held.wait()
        server.behaviour = Archive(
            DATA, ranges=False, hashes=False, spoil=in_two_parts(rest, 3 * MIB)
        )
        reader = parts.reader(OUTPUT)
        assert bytes(reader.pread(MIB, 0)) == DATA[:MIB]
        assert bytes(reader.pread(MIB, 2 * MIB)) == DATA[2 * MIB : 3 * MIB]
        held.let_go()
        with pytest.raises(OutputMismatchError):
            old.result(60)
        late = pool.submit(reader.pread, MIB, MIB)
        assert bytes(late.result(10)) == DATA[MIB : 2 * MIB]
        rest.set()
        assert read_all(reader) == DATA
        assert parts.cache.open(OUTPUT).verified() == "yes"


def test_what_is_refused_while_it_is_opened_is_opened_again(tmp_path, monkeypatch):
    """Two may find at the same moment that what the cache has is wrong."""
    check, store = OpenOutput.check_whole, None

    def check_late(opened):
        nonlocal store
        if store is None:
            store = opened.store
            store.invalidate("another one was quicker", store.leaves.generation, [])
        return check(opened)

    monkeypatch.setattr(OpenOutput, "check_whole", check_late)
    with serving(Archive(DATA)) as server, bringing(server.url, tmp_path) as parts:
        reader = parts.reader(OUTPUT)
        assert store is not None
        assert bytes(reader.pread(MIB, 0)) == DATA[:MIB]


def test_the_end_of_a_refused_whole_confirms_nothing_of_the_one_that_follows(tmp_path):
    end, rest = threading.Event(), threading.Event()
    right = Archive(DATA, ranges=False, hashes=False, spoil=in_two_parts(end, len(DATA) - 1))
    with serving(right) as server:
        with (
            bringing(server.url, tmp_path, attempts=1) as parts,
            ThreadPoolExecutor(2) as pool,
            gates(end, rest),
        ):
            first = parts.reader(HASHLESS)
            assert bytes(first.pread(MIB, 5 * MIB)) == DATA[5 * MIB : 6 * MIB]
            old = pool.submit(first.pread, 1, LAST * MIB)
            end_generation(parts, HASHLESS)
            wrong = Archive(flipped(DATA), ranges=False, hashes=False)
            server.behaviour = replace(wrong, spoil=in_two_parts(rest, 3 * MIB, rest=False))
            reader = parts.reader(HASHLESS)
            assert bytes(reader.pread(MIB, 0)) != DATA[:MIB], "nothing can tell yet"
            end.set()
            with pytest.raises(OutputMismatchError):
                old.result(60)
            waiting = pool.submit(reader.pread, 1, LAST * MIB)
            rest.set()
            with pytest.raises(CasfsError):
                waiting.result(60)
            with pytest.raises(CasfsError):
                reader.pread(1, 0)
        server.behaviour = Archive(DATA, hashes=False)
        with bringing(server.url, tmp_path) as parts:
            assert read_all(parts.reader(HASHLESS)) == DATA


@pytest.mark.parametrize("before", [True, False], ids=["before it is read", "after"])
def test_a_late_answer_to_refused_bytes_is_not_compared_with_what_follows(tmp_path, before):
    archive = Archive(flipped(DATA), hashes=False)
    archive.gate.clear()
    with (
        serving(archive) as server,
        bringing(server.url, tmp_path, attempts=1) as parts,
        ThreadPoolExecutor(1) as pool,
        gates(archive.gate),
    ):
        old = pool.submit(parts.reader(HASHLESS).pread, 1, 0)
        assert archive.arrived.acquire(timeout=60)
        end_generation(parts, HASHLESS)
        server.behaviour = Archive(DATA, hashes=False)
        reader = parts.reader(HASHLESS)
        if not before:
            assert bytes(reader.pread(MIB, 0)) == DATA[:MIB]
        archive.gate.set()
        with pytest.raises(OutputMismatchError):
            old.result(60)
        assert read_all(reader) == DATA


def test_what_is_written_late_of_refused_bytes_takes_no_place(tmp_path, monkeypatch):
    held = Held(monkeypatch, OutputStore, "stage")
    with serving(Archive(flipped(DATA), hashes=False)) as server:
        with bringing(server.url, tmp_path) as parts, gates(held):
            parts.reader(HASHLESS).pread(1, 0)
            held.wait()
            end_generation(parts, HASHLESS)
            server.behaviour = Archive(DATA, hashes=False)
            assert read_all(parts.reader(HASHLESS)) == DATA
            path = parts.disk.store(HASHLESS).path
            wait_until(lambda: all(path(n).exists() for n in range(LAST + 1)), "all to be written")
            held.let_go()
        server.requests.clear()
        with bringing(server.url, tmp_path) as parts:
            assert read_all(parts.reader(HASHLESS)) == DATA
            assert parts.count("rotten_blocks") == 0
        assert server.requests == []


def test_a_leaf_that_is_noted_late_does_not_outlive_its_refusal(tmp_path, monkeypatch):
    layout, leaf = Layout(3 * MIB, 0, 3), SHA256.leaf(b"leaf")
    leaves = LeafIndex(tmp_path / "leaves", layout, Verifier(SHA256))
    put_leaf(leaves, 0, leaf, Trust.CHECKED)
    held = Held(monkeypatch, LeafFile, "_open")
    with ThreadPoolExecutor(1) as pool, gates(held):
        late = pool.submit(put_leaf, leaves, 1, leaf, Trust.UNCHECKED)
        held.wait()
        assert leaves.end_generation(0, []) == [1]
        held.let_go()
        late.result(60)
    again = LeafIndex(tmp_path / "leaves", layout, Verifier(SHA256))
    assert (again.leaf(0), again.leaf(1)) == (leaf, None)


def test_a_whole_that_breaks_off_takes_back_nothing_that_another_one_brought_too(tmp_path):
    """Each job is asked by itself; what they bring is kept in one place."""
    ends = {"a": threading.Event(), "b": threading.Event()}

    def behave(request, wire):
        job = request.path.split("/")[-2]
        spoil = in_two_parts(ends[job], 3 * MIB, rest=job == "a")
        return Archive(DATA, ranges=False, hashes=False, spoil=spoil)(request, wire)

    with (
        serving(behave) as server,
        bringing(server.url, tmp_path, attempts=1) as parts,
        ThreadPoolExecutor(1) as pool,
        gates(*ends.values()),
    ):
        one, other = (parts.reader(renamed(HASHLESS, job)) for job in ends)
        assert bytes(one.pread(MIB, 0)) == DATA[:MIB]
        broken = pool.submit(other.pread, 1, LAST * MIB)
        wait_until(lambda: len(server.spans()) > 1, "the other job to be asked")
        ends["b"].set()
        with pytest.raises(CasfsError, match="jobs/b"):
            broken.result(60)
        late = pool.submit(one.pread, MIB, MIB)
        assert bytes(late.result(10)) == DATA[MIB : 2 * MIB]
        ends["a"].set()
        assert read_all(one) == DATA


def test_what_may_still_turn_out_wrong_is_no_part_of_the_archive(tmp_path):
    """It would stay there when the job's own output has taken it back."""
    rest = threading.Event()
    jobs = RangeJobs(DATA, {"a": (0, 4), "b": (4, 7)})
    own, joined = jobs.own("a"), replace(jobs.joined(), tree_hash=None)
    jobs.serve(
        "a",
        flipped(DATA),
        ranges=False,
        hashes=False,
        spoil=in_two_parts(rest, 2 * MIB, rest=False),
    )
    with serving(jobs) as server:
        with bringing(server.url, tmp_path, attempts=1) as parts, gates(rest):
            assert bytes(parts.reader(own).pread(MIB, 0)) != DATA[:MIB], "nothing can tell yet"
            jobs.serve("a", hashes=False)
            assert read_all(parts.reader(joined)) == DATA
        with bringing(server.url, tmp_path) as parts:
            assert read_all(parts.reader(joined)) == DATA
