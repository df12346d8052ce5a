"""A cache that agrees with itself is not believed, and no wrong answer is wrong for good."""

import shutil
from dataclasses import replace

import pytest

from casfs.blocks.disk.contents import CacheContents
from casfs.blocks.verify import Trust
from casfs.errors import OutputMismatchError
from casfs.treehash import SHA256
from tests.support.archive import (
    MIB,
    Archive,
    flipped,
    once,
    output_of_bytes,
    random_bytes,
    root,
    wrong_at,
)
from tests.support.blocks import block_files, bringing, leaves_file
from tests.support.jobs import RangeJobs
from tests.support.server import serving

DATA = random_bytes(11 * MIB + 777, seed=7)
WRONG = flipped(DATA, 5 * MIB + 3)
OUTPUT = output_of_bytes(DATA, root(DATA))


def read_all(reader):
    return b"".join(bytes(reader.pread(MIB, at)) for at in range(0, reader.size, MIB))


def plant(folder, data, output=OUTPUT, trust=Trust.CHECKED):
    """Make a cache of these bytes in which everything fits together, as an older casfs did."""
    with serving(Archive(data)) as server, bringing(server.url, folder) as parts:
        read_all(parts.reader(replace(output, tree_hash=root(data))))
    leaves = [SHA256.leaf(data[at : at + MIB]) for at in range(0, len(data), MIB)]
    records = [bytes((trust,)) + leaf for leaf in leaves]
    whole = bytes((Trust.WHOLE,)) + root(data)
    leaves_file(folder).write_bytes(b"".join([*records, whole]))


@pytest.mark.parametrize("trust", [Trust.UNCHECKED, Trust.CHECKED])
@pytest.mark.parametrize("hashes", [True, False], ids=["with hashes", "without hashes"])
def test_planted_blocks_are_fetched_again(tmp_path, trust, hashes):
    plant(tmp_path, WRONG, trust=trust)
    with serving(Archive(DATA, hashes=hashes)) as server:
        with bringing(server.url, tmp_path) as parts:
            assert parts.cache.open(OUTPUT).verified() == "no"
            assert read_all(parts.reader(OUTPUT)) == DATA
            assert parts.cache.open(OUTPUT).verified() == "yes"
        server.requests.clear()
        with bringing(server.url, tmp_path) as parts:
            assert parts.cache.open(OUTPUT).verified() == "yes"
            assert read_all(parts.reader(OUTPUT)) == DATA
        assert server.requests == []


def test_planted_blocks_are_no_blocks_when_the_service_is_away(tmp_path):
    plant(tmp_path, WRONG)
    with serving(lambda request, wire: wire.reset()) as server:
        for _ in range(2):
            with bringing(server.url, tmp_path) as parts:
                with pytest.raises(OSError, match="Connection reset"):
                    parts.reader(OUTPUT).pread(1, 5 * MIB)
                assert parts.cache.open(OUTPUT).verified() == "no"


def test_planted_blocks_of_which_some_are_gone_are_not_taken_for_checked(tmp_path):
    plant(tmp_path, WRONG)
    block_files(tmp_path)["0"].unlink()
    with serving(Archive(DATA)) as server, bringing(server.url, tmp_path) as parts:
        assert parts.cache.open(OUTPUT).verified() == "no"
        with pytest.raises(OutputMismatchError):
            read_all(parts.reader(OUTPUT))
        assert read_all(parts.reader(OUTPUT)) == DATA
        assert parts.cache.open(OUTPUT).verified() == "yes"


def test_one_planted_block_is_never_verified(tmp_path):
    plant(tmp_path, WRONG)
    records = bytearray(leaves_file(tmp_path).read_bytes())
    for number in (*range(5), *range(6, 12)):
        records[number * 33] = Trust.UNKNOWN
    leaves_file(tmp_path).write_bytes(records)
    with serving(Archive(DATA)) as server, bringing(server.url, tmp_path) as parts:
        with pytest.raises(OutputMismatchError):
            read_all(parts.reader(OUTPUT))
        assert parts.cache.open(OUTPUT).verified() == "no"
        assert read_all(parts.reader(OUTPUT)) == DATA
        assert parts.cache.open(OUTPUT).verified() == "yes"


def test_a_planted_block_without_its_leaf_is_fetched_again(tmp_path):
    plant(tmp_path, DATA)
    block_files(tmp_path)["5"].write_bytes(WRONG[5 * MIB : 6 * MIB])
    with serving(Archive(DATA)) as server, bringing(server.url, tmp_path) as parts:
        assert read_all(parts.reader(OUTPUT)) == DATA
        assert parts.blocks("network") == 1


def test_blocks_planted_with_a_job_are_not_taken_for_the_archive(tmp_path):
    jobs = RangeJobs(DATA, {"a": (0, 8), "b": (8, 12)})
    with serving(jobs) as server:
        jobs.serve("a", WRONG)
        with bringing(server.url, tmp_path) as parts:
            read_all(parts.reader(jobs.own("a")))
        jobs.serve("a")
        with bringing(server.url, tmp_path) as parts:
            with pytest.raises(OutputMismatchError):
                read_all(parts.reader(jobs.joined()))
            assert read_all(parts.reader(jobs.joined())) == DATA
            assert parts.cache.open(jobs.joined()).verified() == "yes"
            assert read_all(parts.reader(jobs.own("a"))) == DATA[: 8 * MIB]


@pytest.mark.parametrize("remounted", [True, False])
def test_one_consistent_wrong_answer_is_not_wrong_for_good(tmp_path, remounted):
    """Every part of it matched the hash that came with it."""
    with serving(Archive(WRONG)) as server:
        with bringing(server.url, tmp_path) as parts:
            with pytest.raises(OutputMismatchError, match="read it again"):
                read_all(parts.reader(OUTPUT))
            server.behaviour = Archive(DATA)
            if not remounted:
                assert read_all(parts.reader(OUTPUT)) == DATA
        with bringing(server.url, tmp_path) as parts:
            assert read_all(parts.reader(OUTPUT)) == DATA
            assert parts.cache.open(OUTPUT).verified() == "yes"


def test_a_part_that_was_consistently_wrong_once_is_fetched_again_by_and_by(tmp_path):
    """The rest comes without hashes, and is fetched again first."""
    with serving(Archive(WRONG)) as server, bringing(server.url, tmp_path) as parts:
        parts.reader(OUTPUT).pread(1, 5 * MIB)
        server.behaviour = Archive(DATA, hashes=False)
        for _ in range(2):
            with pytest.raises(OutputMismatchError, match="read it again"):
                read_all(parts.reader(OUTPUT))
        assert read_all(parts.reader(OUTPUT)) == DATA


def test_a_service_that_is_wrong_for_good_is_not_asked_for_ever(tmp_path):
    with serving(Archive(WRONG)) as server:
        for _ in range(2):
            with bringing(server.url, tmp_path) as parts, pytest.raises(OutputMismatchError):
                read_all(parts.reader(OUTPUT))
        server.requests.clear()
        for _ in range(2):
            with bringing(server.url, tmp_path) as parts:
                for _ in range(2):
                    with pytest.raises(OutputMismatchError, match="casfs cache clear v j"):
                        parts.reader(OUTPUT).pread(1, 0)
                assert parts.cache.open(OUTPUT).verified() == "no"
        assert server.requests == []
        shutil.rmtree(leaves_file(tmp_path).parent)
        server.behaviour = Archive(DATA)
        with bringing(server.url, tmp_path) as parts:
            assert read_all(parts.reader(OUTPUT)) == DATA


@pytest.mark.parametrize("ranges", [True, False], ids=["ranges", "one piece"])
@pytest.mark.parametrize("remounted", [True, False], ids=["remounted", "mounted"])
def test_without_hashes_too_it_is_not_asked_for_ever(tmp_path, ranges, remounted):
    archive = Archive(DATA, ranges=ranges, hashes=False, spoil=wrong_at(5 * MIB))
    with serving(archive) as server:
        with bringing(server.url, tmp_path) as parts:
            for told in ("read it again", "read it again", "casfs cache clear v j"):
                with pytest.raises(OutputMismatchError, match=told):
                    read_all(parts.reader(OUTPUT))
            server.requests.clear()
            for _ in range(2):
                with pytest.raises(OutputMismatchError, match="casfs cache clear v j"):
                    parts.reader(OUTPUT).pread(1, 0)
            assert server.requests == []
            server.behaviour = Archive(DATA, ranges=ranges, hashes=False)
            if not remounted:
                clear(parts)
                assert read_all(parts.reader(OUTPUT)) == DATA
                return
        with bringing(server.url, tmp_path) as parts:
            for _ in range(2):
                with pytest.raises(OutputMismatchError, match="casfs cache clear v j"):
                    parts.reader(OUTPUT).pread(1, 0)
            assert server.requests == []
            clear(parts)
            assert read_all(parts.reader(OUTPUT)) == DATA
            assert parts.cache.open(OUTPUT).verified() == "yes"


def clear(parts):
    """What `casfs cache clear -f` does, in another process; the readers of a test stay open."""
    assert CacheContents(parts.disk.directory, parts.disk.private).remove(OUTPUT.key, force=True)


def test_what_is_wrong_for_good_is_not_read_as_a_part_of_the_archive_either(tmp_path):
    """The archive has no hash of its own that would tell."""
    jobs = RangeJobs(DATA, {"a": (0, 8), "b": (8, 12)})
    own = replace(jobs.own("a"), tree_hash=root(DATA[: 8 * MIB]))
    with serving(jobs) as server, bringing(server.url, tmp_path) as parts:
        jobs.serve("a", flipped(DATA))
        for told in ("read it again", "casfs cache clear v a"):
            with pytest.raises(OutputMismatchError, match=told):
                read_all(parts.reader(own))
        jobs.serve("a")
        assert read_all(parts.reader(replace(jobs.joined(), tree_hash=None))) == DATA


def test_the_command_for_an_archive_of_several_jobs_names_the_archive(tmp_path):
    jobs = RangeJobs(DATA, {"a": (0, 8), "b": (8, 12)})
    jobs.serve("a", WRONG)
    with serving(jobs) as server, bringing(server.url, tmp_path) as parts:
        with pytest.raises(OutputMismatchError, match="read it again"):
            read_all(parts.reader(jobs.joined()))
        with pytest.raises(OutputMismatchError, match="casfs cache clear v archive"):
            read_all(parts.reader(jobs.joined()))


@pytest.mark.parametrize("hashes", [True, False], ids=["hashes", "no hashes"])
@pytest.mark.parametrize("size", [MIB // 2, 8 * MIB], ids=["a part of a block", "one GET"])
def test_an_output_of_one_get_that_is_wrong_for_good_is_not_asked_for_ever(tmp_path, hashes, size):
    """Each read of it cost ten downloads of all of it."""
    data = random_bytes(size, seed=6)
    output = output_of_bytes(data, root(data))
    with (
        serving(Archive(flipped(data), hashes=hashes)) as server,
        bringing(server.url, tmp_path) as parts,
    ):
        for _ in range(5):
            with pytest.raises(OutputMismatchError):
                read_all(parts.reader(output))
        came = parts.count("received_bytes")
        assert came <= (3 if hashes else 6) * size
        with pytest.raises(OutputMismatchError, match="casfs cache clear v j"):
            parts.reader(output).pread(1, 0)
        assert parts.count("received_bytes") == came
        server.behaviour = Archive(data, hashes=hashes)
        assert CacheContents(parts.disk.directory, parts.disk.private).remove(
            output.key, force=True
        )
        assert read_all(parts.reader(output)) == data
        assert parts.cache.open(output).verified() == "yes"


def test_one_wrong_answer_of_an_output_of_one_get_is_asked_for_again(tmp_path):
    """Without a hash of its own only the job's shows it."""
    data = random_bytes(3 * MIB, seed=7)
    archive = Archive(data, hashes=False, spoil=once(wrong_at(MIB)))
    with serving(archive) as server, bringing(server.url, tmp_path) as parts:
        assert read_all(parts.reader(output_of_bytes(data, root(data)))) == data
