"""A reader is the output's bytes: at any place, in any order, from several threads."""

import random
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from casfs.errors import CasfsError, ThreadError
from tests.support.archive import MIB, Archive, output_of_bytes, random_bytes, root
from tests.support.blocks import bringing
from tests.support.pools import waiting_in
from tests.support.server import serving
from tests.support.service import html
from tests.support.threads import no_new_threads

DATA = random_bytes(9 * MIB + 4321, seed=3)
OUTPUT = output_of_bytes(DATA, root(DATA))
PLACES = st.tuples(
    st.integers(0, len(DATA) + 10)
    | st.sampled_from([n * MIB + d for n in range(10) for d in (0, 1)]),
    st.integers(0, 3 * MIB) | st.sampled_from([0, 1, 4096, 128 << 10, MIB, len(DATA) * 2]),
)


@pytest.fixture(scope="module")
def server():
    with serving(Archive(DATA)) as running:
        yield running


@pytest.fixture(scope="module", params=[1, 3, 64], ids=lambda n: f"{n} MiB of memory")
def parts(request, server, tmp_path_factory):
    folder = tmp_path_factory.mktemp("cache")
    with bringing(server.url, folder, memory=request.param * MIB, cache_size=4 * MIB) as made:
        yield made


@settings(max_examples=25, deadline=None)
@given(st.lists(PLACES, min_size=1, max_size=12))
def test_any_reads_are_slices(parts, places):
    reader = parts.reader(OUTPUT)
    for offset, size in places:
        assert bytes(reader.pread(size, offset)) == DATA[offset : offset + size]
    reader.close()


@pytest.mark.parametrize("shared", [True, False], ids=["one reader", "a reader each"])
def test_threads_that_read_all_over_the_place_get_their_own_bytes(parts, shared):
    common = parts.reader(OUTPUT)

    def work(seed):
        dice = random.Random(seed)
        reader = common if shared else parts.reader(OUTPUT)
        at = 0
        for _ in range(60):
            if dice.random() < 0.3:
                at = dice.randrange(len(DATA))
            size = dice.choice([1, 4096, 128 << 10, MIB, 2 * MIB])
            # Kept a while, as the kernel's copy of it may be: nobody else may write there.
            data = reader.pread(size, at)
            reader.pread(10, dice.randrange(len(DATA)))
            assert bytes(data) == DATA[at : at + size]
            at = (at + size) % len(DATA)
        return True

    with ThreadPoolExecutor(6) as pool:
        assert all(pool.map(work, range(6)))
    common.close()


def test_what_was_read_stays_as_it_was_while_it_is_held(parts):
    """Buffers is used again, but never under a reader's hands."""
    reader = parts.reader(OUTPUT)
    held = [(at, reader.pread(100_000, at)) for at in range(0, len(DATA), MIB)]
    for _ in range(3):
        for at in range(0, len(DATA), MIB):
            reader.pread(MIB, at)
    for at, data in held:
        assert bytes(data) == DATA[at : at + 100_000]


def test_reading_in_order_fetches_ahead_and_each_block_once(server, tmp_path):
    server.requests.clear()
    with bringing(server.url, tmp_path) as made:
        reader = made.reader(OUTPUT)
        for at in range(0, len(DATA), 128 << 10):
            assert bytes(reader.pread(128 << 10, at)) == DATA[at : at + (128 << 10)]
        assert made.count("read_bytes") == len(DATA)
        assert made.count("received_bytes") == len(DATA)
        reader.close()


def test_random_reads_fetch_only_what_they_need(server, tmp_path):
    server.requests.clear()
    with bringing(server.url, tmp_path) as made:
        reader = made.reader(OUTPUT)
        for block in (7, 2, 5, 0):
            reader.pread(1, block * MIB + 5)
        assert made.count("received_bytes") == 4 * MIB
        reader.close()


def test_closing_gives_up_what_is_fetched_ahead_for_nobody(tmp_path):
    archive = Archive(random_bytes(40 * MIB, seed=4))
    output = output_of_bytes(archive.data)
    go_on = threading.Event()

    def behave(request, wire):
        if request.span and request.span[0] >= 8 * MIB:
            go_on.wait(60)
        return archive(request, wire)

    with serving(behave) as slow, bringing(slow.url, tmp_path, connections=1) as made:
        reader, other = made.reader(output), made.reader(output)
        for at in range(0, 6 * MIB, MIB):
            reader.pread(MIB, at)
        assert waiting_in(made.cache._network) > 0
        reader.close()
        assert waiting_in(made.cache._network) == 0
        go_on.set()
        assert bytes(other.pread(5, 35 * MIB)) == archive.data[35 * MIB : 35 * MIB + 5]
        assert made.cache._streams.count() == 0


def test_a_read_that_fails_leaves_nothing_to_be_fetched_ahead(tmp_path):
    archive = Archive(random_bytes(80 * MIB, seed=4))
    output = output_of_bytes(archive.data)
    go_on = threading.Event()

    def behave(request, wire):
        if request.span and request.span[0] > 8 * MIB:
            go_on.wait(60)
        elif request.span and request.span[1] > 8 * MIB:
            return html(500)
        return archive(request, wire)

    with (
        serving(behave) as failing,
        bringing(failing.url, tmp_path, connections=1, attempts=1) as made,
    ):
        reader = made.reader(output)
        reader.pread(4 * MIB, 0)
        with pytest.raises(CasfsError):
            reader.pread(5 * MIB, 4 * MIB)
        waiting = waiting_in(made.cache._network)
        go_on.set()
        reader.close()
        assert waiting == 0


def test_who_goes_on_where_another_stopped_is_fetched_ahead_for(tmp_path):
    archive = Archive(random_bytes(40 * MIB, seed=4))
    output = output_of_bytes(archive.data)
    with serving(archive) as server, bringing(server.url, tmp_path, connections=1) as made:
        first, second = made.reader(output), made.reader(output)
        for at in range(0, 6 * MIB, MIB):
            assert bytes(first.pread(MIB, at)) == archive.data[at : at + MIB]
        first.close()
        for at in range(6 * MIB, 40 * MIB, MIB):
            assert bytes(second.pread(MIB, at)) == archive.data[at : at + MIB]
        assert made.count("received_bytes") == 40 * MIB
        assert len(server.requests) < 20
        second.close()
        assert made.cache._streams.count() == 0


def test_nothing_behind_the_end(parts):
    reader = parts.reader(OUTPUT)
    assert reader.size == len(DATA)
    assert bytes(reader.pread(10, len(DATA))) == b""
    assert bytes(reader.pread(10, len(DATA) + MIB)) == b""
    assert bytes(reader.pread(10, len(DATA) - 3)) == DATA[-3:]
    assert bytes(reader.pread(0, 5)) == b""


def test_no_read_fails_of_threads_that_could_not_be_started_before(server, tmp_path):
    with bringing(server.url, tmp_path) as made:
        reader = made.reader(OUTPUT)
        with no_new_threads(), pytest.raises(ThreadError):
            reader.pread(MIB, 0)
        assert bytes(reader.pread(len(DATA), 0)) == DATA
        reader.close()
    # From disk a block comes without a thread, and what cannot be fetched ahead fails no read.
    with bringing(server.url, tmp_path) as made:
        reader = made.reader(OUTPUT)
        with no_new_threads():
            for at in range(0, 3 * MIB, MIB):
                assert bytes(reader.pread(MIB, at)) == DATA[at : at + MIB]
        assert bytes(reader.pread(len(DATA), 0)) == DATA
        assert made.count("received_bytes") == 0
        reader.close()
