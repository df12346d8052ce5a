"""A service that knows no ranges, and readers slower than the line: still one pass over it."""

import errno
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from casfs.blocks import sources
from casfs.blocks.disk.output_store import OutputStore
from casfs.blocks.whole_body.shared import SharedTransfer
from tests.support.archive import MIB, Archive, output_of_bytes, random_bytes, renamed, root
from tests.support.blocks import bringing
from tests.support.server import serving

BLOCKS = 40
DATA = random_bytes(BLOCKS * MIB, seed=3)
OUTPUT = output_of_bytes(DATA, root(DATA))
MEMORY, CACHE = 12 * MIB, 8 * MIB

with_and_without_hash = pytest.mark.parametrize(
    "hashes", [True, False], ids=["with a hash", "without a hash"]
)


class Rest:
    """Tells when a pass comes no further without a reader: it waits for one, or has ended."""

    def __init__(self):
        self._reached = threading.Event()
        self._waiting = False
        self.ended = threading.Event()

    def begin(self):
        self.ended.clear()
        self._reached.clear()

    def wait_begins(self):
        self._waiting = True
        self._reached.set()

    def wait_ends(self):
        self._waiting = False

    def end(self):
        self.ended.set()
        self._reached.set()

    def wait(self):
        assert self._reached.wait(60)
        # What is read next is a sign, after which a pass that waits looks again.
        if self._waiting:
            self._reached.clear()


@pytest.fixture
def rest(monkeypatch):
    rest = Rest()

    class Signs(threading.Condition):
        def wait_for(self, predicate, timeout=None):
            if not predicate():
                rest.wait_begins()
            try:
                return super().wait_for(predicate, timeout)
            finally:
                rest.wait_ends()

    class Watched(SharedTransfer):
        def __init__(self):
            super().__init__()
            self._signs = Signs(threading.Lock())

        def adopt_or_begin(self, run):
            adopted = super().adopt_or_begin(run)
            if not adopted:
                rest.begin()
            return adopted

        def end(self):
            runs = super().end()
            rest.end()
            return runs

    monkeypatch.setattr(sources, "SharedTransfer", Watched)
    return rest


def block(number):
    return DATA[number * MIB : (number + 1) * MIB]


def read_slowly(reader, rest, first=0):
    """Read so slowly that the pass comes as far as it may before each read."""
    for number in range(first, BLOCKS):
        assert bytes(reader.pread(MIB, number * MIB)) == block(number)
        rest.wait()


@with_and_without_hash
@pytest.mark.parametrize("cache", [0, 8, 24, 1024])
def test_a_slow_reader_costs_one_pass(tmp_path, rest, hashes, cache):
    with (
        serving(Archive(DATA, ranges=False, hashes=hashes)) as server,
        bringing(server.url, tmp_path, memory=MEMORY, cache_size=cache * MIB) as parts,
    ):
        read_slowly(parts.reader(OUTPUT), rest)
        assert parts.count("received_bytes") == len(DATA)
        assert parts.cache.open(OUTPUT).verified() == "yes"
    assert list((tmp_path / "blocks-1" / "temporary").iterdir()) == []


def test_a_slow_reader_costs_one_pass_on_a_full_disk(tmp_path, rest, monkeypatch):
    def full(self, *block):
        raise OSError(errno.ENOSPC, "no space left on device")

    monkeypatch.setattr(OutputStore, "write", full)
    with (
        serving(Archive(DATA, ranges=False, hashes=False)) as server,
        bringing(server.url, tmp_path, memory=MEMORY) as parts,
    ):
        read_slowly(parts.reader(OUTPUT), rest)
        assert parts.count("received_bytes") == len(DATA)


@with_and_without_hash
def test_what_the_cache_can_hold_waits_for_nobody(tmp_path, rest, hashes):
    with (
        serving(Archive(DATA, ranges=False, hashes=hashes)) as server,
        bringing(server.url, tmp_path, memory=MEMORY) as parts,
    ):
        parts.reader(OUTPUT).pread(1, 0)
        assert rest.ended.wait(60)
        assert parts.blocks("network") == BLOCKS


@with_and_without_hash
def test_a_pass_that_nobody_reads_ends_and_what_is_read_later_is_right(tmp_path, rest, hashes):
    with (
        serving(Archive(DATA, ranges=False, hashes=hashes)) as server,
        bringing(server.url, tmp_path, deadline=4, memory=MEMORY, cache_size=CACHE) as parts,
    ):
        reader = parts.reader(OUTPUT)
        assert bytes(reader.pread(MIB, 0)) == block(0)
        assert rest.ended.wait(60)
        assert parts.blocks("network") < BLOCKS, "it went on for nobody"
        assert list((tmp_path / "blocks-1" / "temporary").iterdir()) == []
        read_slowly(reader, rest)


@with_and_without_hash
def test_a_pass_that_waits_ends_with_its_client(tmp_path, rest, hashes):
    with serving(Archive(DATA, ranges=False, hashes=hashes)) as server:
        with bringing(server.url, tmp_path, memory=MEMORY, cache_size=CACHE) as parts:
            parts.reader(OUTPUT).pread(1, 0)
            rest.wait()
            assert not rest.ended.is_set()
        assert rest.ended.wait(10), "sooner than the deadline"


@with_and_without_hash
def test_a_reader_far_ahead_has_its_bytes_while_another_is_slow(tmp_path, rest, hashes):
    with (
        serving(Archive(DATA, ranges=False, hashes=hashes)) as server,
        bringing(server.url, tmp_path, memory=MEMORY, cache_size=CACHE) as parts,
        ThreadPoolExecutor(1) as pool,
    ):
        slow, fast = parts.reader(OUTPUT), parts.reader(OUTPUT)
        assert bytes(slow.pread(MIB, 0)) == block(0)
        rest.wait()
        last = pool.submit(fast.pread, MIB, (BLOCKS - 1) * MIB)
        assert bytes(last.result(60)) == block(BLOCKS - 1)
        # Nothing is left of what lay in between: this is the second pass, and the last one.
        read_slowly(slow, rest, first=1)
        assert parts.count("received_bytes") <= 2 * len(DATA)


@with_and_without_hash
def test_more_slow_readers_than_connections_keep_nobody_waiting(tmp_path, rest, hashes):
    """A pass that waits for its reader takes no connection's turn."""
    with (
        serving(Archive(DATA, ranges=False, hashes=hashes)) as server,
        bringing(server.url, tmp_path, connections=1, memory=MEMORY, cache_size=CACHE) as parts,
    ):
        for job in "abc":
            output = renamed(OUTPUT, job, job * 64)
            assert bytes(parts.reader(output).pread(MIB, 0)) == block(0)


def test_a_transfer_that_begins_with_a_prefetched_run_waits_behind_it():
    """Or it fills the cache with what is far ahead, and what is read now comes a third time."""
    shared = SharedTransfer()
    assert not shared.adopt_or_begin(range(8, 12))
    _, reached = shared.signs()
    assert reached <= 8
