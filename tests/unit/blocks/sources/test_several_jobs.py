"""An archive that several jobs bring together reads as one, and costs each block once."""

import errno
import tempfile
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from casfs.blocks.verify import Digest, Trust
from casfs.errors import ExpiredError, OutputMismatchError
from tests.support.archive import MIB, cut_after, flipped, once, random_bytes, root
from tests.support.blocks import bringing, put_leaf
from tests.support.jobs import RangeJobs
from tests.support.server import Server, serving

BLOCKS = 14
DATA = random_bytes(BLOCKS * MIB - 4321, seed=6)
THREE = {"a": (0, 5), "b": (3, 9), "c": (9, BLOCKS)}
"""Jobs of an archive; the second one brings blocks 3 and 4 as well."""
APART = THREE | {"b": (5, 9)}


def read_all(reader, piece=MIB):
    return b"".join(bytes(reader.pread(piece, at)) for at in range(0, reader.size, piece))


def block(number):
    return DATA[number * MIB : (number + 1) * MIB]


def asked_blocks(server: Server, jobs: RangeJobs) -> Counter[int]:
    """How often each block of the archive was asked for; checks that its job has it."""
    counted: Counter[int] = Counter()
    for request in server.requests:
        if request.path.endswith("/output"):
            first, stop = jobs.ranges[request.path.split("/")[-2]]
            assert request.span is not None
            assert request.span[1] <= min(stop * MIB, len(DATA)) - first * MIB, "across a border"
            begin, end = request.span
            counted.update(range(first + begin // MIB, first + -(-end // MIB)))
    return counted


@pytest.fixture(scope="module")
def server():
    with serving(RangeJobs(DATA, {})) as running:
        yield running


@st.composite
def covers(draw):
    """Jobs that cover the archive together, some with more than their neighbours leave them."""
    borders = sorted(draw(st.sets(st.integers(1, BLOCKS - 1), max_size=5)))
    ranges = {}
    for number, (first, stop) in enumerate(zip([0, *borders], [*borders, BLOCKS], strict=True)):
        earlier = draw(st.integers(0, min(first, 2)))
        ranges[f"job-{number}"] = (first - earlier, stop)
    return ranges


READS = st.lists(st.tuples(st.integers(0, len(DATA)), st.integers(1, 4 * MIB)), max_size=4)


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(covers(), READS, st.booleans())
def test_every_read_is_right_and_every_block_comes_once(server, ranges, reads, hashes):
    jobs = RangeJobs(DATA, ranges)
    for name in ranges:
        jobs.serve(name, hashes=hashes)
    server.behaviour = jobs
    output = jobs.joined()
    with tempfile.TemporaryDirectory() as name:
        for restarted in (False, True):
            server.requests.clear()
            with bringing(server.url, Path(name)) as parts:
                reader = parts.reader(output)
                for at, size in reads:
                    assert bytes(reader.pread(size, at)) == DATA[at : at + size]
                assert read_all(reader) == DATA
                assert parts.cache.open(output).verified() == "yes"
            expected = {} if restarted else dict.fromkeys(range(BLOCKS), 1)
            assert asked_blocks(server, jobs) == expected


def test_a_later_job_for_the_whole_archive_asks_for_nothing(tmp_path):
    jobs = RangeJobs(DATA, THREE | {"whole": (0, BLOCKS)})
    parts_alone = RangeJobs(DATA, THREE)
    with serving(jobs) as server:
        with bringing(server.url, tmp_path) as parts:
            assert read_all(parts.reader(parts_alone.joined())) == DATA
        server.requests.clear()
        with bringing(server.url, tmp_path) as parts:
            whole = jobs.joined()
            assert [source.job_id for source in whole.sources] == ["whole"]
            assert read_all(parts.reader(whole)) == DATA
            assert parts.cache.open(whole).verified() == "yes"
        assert server.requests == []


@pytest.mark.parametrize("hashes", [True, False], ids=["with hashes", "without hashes"])
def test_what_was_read_of_the_jobs_by_themselves_is_read_again_without_asking(tmp_path, hashes):
    """Even when they have expired; and then a job for the whole archive finds it, too."""
    jobs = RangeJobs(DATA, THREE)
    for name in THREE:
        jobs.serve(name, hashes=hashes)
    with serving(jobs) as server:
        with bringing(server.url, tmp_path) as parts:
            for name in THREE:
                read_all(parts.reader(jobs.own(name)))
        for name in THREE:
            jobs.expire(name)
        server.requests.clear()
        output = jobs.joined()
        with bringing(server.url, tmp_path) as parts:
            assert read_all(parts.reader(output)) == DATA
            assert parts.cache.open(output).verified() == "yes"
            assert parts.disk.holds_whole(output)
        with bringing(server.url, tmp_path) as parts:
            whole = RangeJobs(DATA, {"whole": (0, BLOCKS)}).joined()
            assert read_all(parts.reader(whole)) == DATA
        assert server.requests == []


def test_what_is_shared_counts_once_against_the_size_of_the_cache(tmp_path):
    jobs = RangeJobs(DATA, {"a": (0, 8), "b": (8, BLOCKS), "more": (0, 1)})
    with serving(jobs) as server:
        with bringing(server.url, tmp_path) as parts:
            for name in ("a", "b"):
                read_all(parts.reader(jobs.own(name)))
            read_all(parts.reader(jobs.joined()))
        with bringing(server.url, tmp_path, cache_size=len(DATA) + 2 * MIB) as parts:
            read_all(parts.reader(jobs.own("more")))
    assert parts.count("evicted_blocks") == 0


@pytest.mark.parametrize("hashes", [True, False], ids=["with hashes", "without hashes"])
def test_trust_in_a_jobs_own_output_is_carried_over_and_no_more(tmp_path, hashes):
    """Without a hash of the archive only answers vouch for it."""
    jobs = RangeJobs(DATA, {"a": (0, 8), "b": (8, BLOCKS)})
    with serving(jobs) as server, bringing(server.url, tmp_path) as parts:
        for name in jobs.ranges:
            jobs.serve(name, hashes=hashes)
            read_all(parts.reader(jobs.own(name)))
        output = jobs.joined(tree_hash=Digest(bytes(32)))
        opened = parts.cache.open(output)
        reader = parts.reader(output)
        assert bytes(reader.pread(MIB, 0)) == block(0)
        assert opened.verified() == ("partial" if hashes else "no")


def test_a_wrong_byte_that_no_answer_vouches_for_is_eio_for_everybody(tmp_path):
    jobs = RangeJobs(DATA, THREE)
    jobs.serve("b", flipped(DATA, 6 * MIB + 5), hashes=False)
    with serving(jobs) as server, bringing(server.url, tmp_path) as parts:
        output = jobs.joined()
        early, late = parts.reader(output), parts.reader(output)
        early.pread(1, 0)
        with pytest.raises(OutputMismatchError, match="jobs") as caught:
            read_all(late)
        assert caught.value.errno == errno.EIO
        with pytest.raises(OutputMismatchError):
            early.pread(1, 0)
        jobs.serve("b", hashes=False)
        assert read_all(parts.reader(output)) == DATA
        assert parts.cache.open(output).verified() == "yes"


@pytest.mark.parametrize("restarted", [False, True])
def test_a_wrong_byte_kept_of_a_jobs_own_output_is_not_taken_again_and_again(tmp_path, restarted):
    jobs = RangeJobs(DATA, THREE)
    jobs.serve("b", flipped(DATA, 6 * MIB + 5), hashes=False)
    own, output = jobs.own("b"), jobs.joined()
    with serving(jobs) as server:
        with bringing(server.url, tmp_path) as parts:
            read_all(parts.reader(own))
        jobs.serve("b", hashes=False)
        with bringing(server.url, tmp_path) as parts:
            reader = parts.reader(own)
            reader.pread(1, 0)
            with pytest.raises(OutputMismatchError):
                read_all(parts.reader(output))
            with pytest.raises(OutputMismatchError):
                reader.pread(1, 0)
            if not restarted:
                assert read_all(parts.reader(output)) == DATA
        with bringing(server.url, tmp_path) as parts:
            assert read_all(parts.reader(output)) == DATA
            assert parts.cache.open(output).verified() == "yes"
            assert read_all(parts.reader(own)) == DATA[3 * MIB : 9 * MIB]


def test_who_is_refused_the_archive_finds_its_jobs_refused_already(tmp_path, monkeypatch):
    jobs = RangeJobs(DATA, THREE)
    jobs.serve("b", flipped(DATA, 6 * MIB + 5), hashes=False)
    own, output = jobs.own("b"), jobs.joined()
    with serving(jobs) as server, bringing(server.url, tmp_path) as parts:
        read_all(parts.reader(own))
        jobs.serve("b", hashes=False)
        opened, store = parts.cache.open(own), parts.disk.store(output)
        refused_then = []
        refuse = store.invalidate_whole

        def watched(*arguments):
            refused_then.append(opened.refusal)
            return refuse(*arguments)

        monkeypatch.setattr(store, "invalidate_whole", watched)
        with pytest.raises(OutputMismatchError):
            read_all(parts.reader(output))
        assert refused_then
        assert all(refused_then)


def test_a_block_that_contradicts_what_was_verified_is_asked_for(tmp_path):
    """The one kept of the job's own output is wrong, and nothing vouches for it."""
    jobs = RangeJobs(DATA, THREE)
    jobs.serve("b", flipped(DATA, 6 * MIB + 5), hashes=False)
    output = jobs.joined()
    with serving(jobs) as server:
        with bringing(server.url, tmp_path) as parts:
            read_all(parts.reader(jobs.own("b")))
            kept = parts.disk.store(output)
            put_leaf(kept.leaves, 6, parts.service.tree_hash.leaf(block(6)), Trust.CHECKED)
        jobs.serve("b")
        with bringing(server.url, tmp_path) as parts:
            assert read_all(parts.reader(output)) == DATA
            assert parts.cache.open(output).verified() == "yes"


def test_of_an_expired_job_only_what_is_not_cached_is_stale(tmp_path):
    jobs = RangeJobs(DATA, THREE)
    output = jobs.joined()
    with serving(jobs) as server:
        with bringing(server.url, tmp_path) as parts:
            parts.reader(output).pread(1, 6 * MIB)
            parts.reader(jobs.own("b")).pread(1, 2 * MIB)
        jobs.expire("b")
        with bringing(server.url, tmp_path) as parts:
            reader = parts.reader(output)
            for number in (0, 5, 6, BLOCKS - 1):
                assert bytes(reader.pread(MIB, number * MIB)) == block(number)
            with pytest.raises(ExpiredError) as caught:
                reader.pread(1, 8 * MIB)
            assert caught.value.errno == errno.ESTALE
            assert bytes(reader.pread(MIB, 4 * MIB)) == block(4)


def test_readers_at_once_share_what_comes(tmp_path):
    jobs = RangeJobs(DATA, THREE)
    gate = threading.Event()
    for name in THREE:
        jobs.serve(name, gate=gate).gate.clear()
    output = jobs.joined()
    with serving(jobs) as server, bringing(server.url, tmp_path, connections=8) as parts:
        with ThreadPoolExecutor(6) as pool:
            pieces = (MIB // 2, MIB, 3 * MIB, 5 * MIB, len(DATA), 7)
            readers = [parts.reader(output) for _ in pieces]
            calls = [
                pool.submit(read_all, reader, max(piece, 1 << 17))
                for reader, piece in zip(readers, pieces, strict=True)
            ]
            gate.set()
            assert all(call.result(60) == DATA for call in calls)
        assert set(asked_blocks(server, jobs).values()) == {1}


@pytest.mark.parametrize("hashes", [True, False], ids=["with hashes", "without hashes"])
def test_where_ranges_are_ignored_each_job_costs_one_pass(tmp_path, hashes):
    jobs = RangeJobs(DATA, APART)
    for name in APART:
        jobs.serve(name, ranges=False, hashes=hashes)
    output = jobs.joined()
    with serving(jobs) as server:
        with bringing(server.url, tmp_path) as parts:
            assert read_all(parts.reader(output)) == DATA
            assert parts.cache.open(output).verified() == "yes"
            assert parts.count("received_bytes") == len(DATA)
        assert list((tmp_path / "blocks-1" / "temporary").iterdir()) == []
        server.requests.clear()
        with bringing(server.url, tmp_path) as parts:
            assert read_all(parts.reader(output)) == DATA
        assert server.requests == []


@pytest.mark.parametrize("hashes", [True, False], ids=["with hashes", "without hashes"])
def test_a_pass_brings_what_another_one_brought_as_well(tmp_path, hashes):
    jobs = RangeJobs(DATA, THREE)
    for name in THREE:
        jobs.serve(name, ranges=False, hashes=hashes)
    with serving(jobs) as server, bringing(server.url, tmp_path, memory=3 * MIB) as parts:
        output = jobs.joined()
        for number in (8, 4, 3, 13, 0):
            assert bytes(parts.reader(output).pread(MIB, number * MIB)) == block(number)
        assert read_all(parts.reader(output)) == DATA
        assert parts.cache.open(output).verified() == "yes"


def test_a_pass_that_breaks_off_is_made_up_for(tmp_path):
    jobs = RangeJobs(DATA, THREE)
    for name in THREE:
        jobs.serve(name, ranges=False, hashes=False, spoil=once(cut_after(2 * MIB + 9)))
    with serving(jobs) as server, bringing(server.url, tmp_path) as parts:
        assert read_all(parts.reader(jobs.joined())) == DATA


def test_a_wrong_byte_in_a_pass_is_eio_for_everybody(tmp_path):
    jobs = RangeJobs(DATA, THREE)
    for name in THREE:
        wrong = flipped(DATA, len(DATA) - 1) if name == "c" else DATA
        jobs.serve(name, wrong, ranges=False, hashes=False)
    with serving(jobs) as server, bringing(server.url, tmp_path) as parts:
        with pytest.raises(OutputMismatchError):
            read_all(parts.reader(jobs.joined()))
        jobs.serve("c", ranges=False, hashes=False)
        assert read_all(parts.reader(jobs.joined())) == DATA


def test_the_inventorys_hash_is_what_the_whole_is_checked_with(tmp_path):
    jobs = RangeJobs(DATA, THREE)
    with serving(jobs) as server, bringing(server.url, tmp_path) as parts:
        reader = parts.reader(jobs.joined(tree_hash=Digest(bytes(32))))
        with pytest.raises(OutputMismatchError, match=root(DATA).hex()):
            read_all(reader)
