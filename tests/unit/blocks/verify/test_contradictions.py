"""A block that comes once more, and not the same: what was vouched for stands, nothing is mixed."""

import errno
import threading
from dataclasses import replace

import pytest

from casfs.errors import MismatchError, OutputMismatchError
from tests.support.archive import (
    MIB,
    Archive,
    cut_after,
    flipped,
    once,
    output_of_bytes,
    random_bytes,
    root,
    wrong_at,
)
from tests.support.blocks import block_files, bringing
from tests.support.server import serving

DATA = random_bytes(6 * MIB + 777, seed=3)
OUTPUT = output_of_bytes(DATA, root(DATA))
HASHLESS = replace(OUTPUT, tree_hash=None)
THIRD = slice(3 * MIB, 4 * MIB)


spoil = wrong_at(THIRD.start)


def read_all(reader):
    return b"".join(bytes(reader.pread(MIB, at)) for at in range(0, reader.size, MIB))


def cached(folder, output, hashes):
    """A cache that holds all of an output but block 3."""
    with serving(Archive(DATA, hashes=hashes)) as server, bringing(server.url, folder) as parts:
        assert read_all(parts.reader(output)) == DATA
        assert parts.cache.open(output).verified() == "yes"
    block_files(folder)["3"].unlink()


@pytest.mark.parametrize(("output", "hashes"), [(OUTPUT, False), (HASHLESS, True)])
def test_what_was_verified_is_fetched_again_until_it_is_the_same(tmp_path, output, hashes):
    cached(tmp_path, output, hashes)
    archive = Archive(DATA, hashes=False, spoil=once(spoil))
    with serving(archive) as server, bringing(server.url, tmp_path) as parts:
        reader = parts.reader(output)
        assert bytes(reader.pread(MIB, THIRD.start)) == DATA[THIRD]
        first, second = server.requests
        assert first.connection != second.connection
        assert reader.cacheable
        assert read_all(reader) == DATA
        assert parts.blocks("network") == 1, "what was cached is kept"


@pytest.mark.parametrize(("output", "hashes"), [(OUTPUT, False), (HASHLESS, True)])
def test_what_contradicts_the_verified_is_eio_and_nowhere(tmp_path, output, hashes):
    cached(tmp_path, output, hashes)
    archive = Archive(DATA, hashes=False, spoil=spoil)
    with serving(archive) as server, bringing(server.url, tmp_path) as parts:
        reader = parts.reader(output)
        with pytest.raises(MismatchError, match="verified before") as caught:
            reader.pread(1, THIRD.start)
        assert caught.value.errno == errno.EIO
        assert "3" not in block_files(tmp_path)
        assert bytes(reader.pread(MIB, 0)) == DATA[:MIB]
        assert parts.cache.open(output).verified() == "yes"


def test_an_answer_whose_hash_is_right_does_not_overrule_the_jobs(tmp_path):
    cached(tmp_path, OUTPUT, hashes=False)
    other = flipped(DATA, THIRD.start)
    with (
        serving(Archive(other)) as server,
        bringing(server.url, tmp_path) as parts,
        pytest.raises(MismatchError, match="verified before"),
    ):
        parts.reader(OUTPUT).pread(1, THIRD.start)


@pytest.mark.parametrize("output", [OUTPUT, HASHLESS], ids=["job's hash", "no job's hash"])
@pytest.mark.parametrize("hashes", [False, True], ids=["without a hash", "with a hash"])
def test_who_read_a_block_is_refused_when_it_comes_again_and_not_the_same(tmp_path, output, hashes):
    archive = Archive(DATA, hashes=False, spoil=once(spoil))
    with serving(archive) as server, bringing(server.url, tmp_path, memory=MIB) as parts:
        reader = parts.reader(output)
        assert bytes(reader.pread(MIB, THIRD.start)) != DATA[THIRD], "nothing can tell yet"
        reader.pread(1, 0)
        parts.write_behind.close(30)
        block_files(tmp_path)["3"].unlink()
        server.behaviour = Archive(DATA, hashes=hashes)
        with pytest.raises(OutputMismatchError, match="read it again"):
            read_all(reader)
        with pytest.raises(OutputMismatchError, match="read it again"):
            reader.pread(1, 0)
        assert read_all(parts.reader(output)) == DATA


def test_who_read_a_block_from_disk_is_refused_when_it_comes_again_and_not_the_same(tmp_path):
    with serving(Archive(DATA, hashes=False, spoil=spoil)) as server:
        with bringing(server.url, tmp_path) as parts:
            parts.reader(OUTPUT).pread(1, THIRD.start)
        server.behaviour = Archive(DATA, hashes=False)
        with bringing(server.url, tmp_path, memory=MIB) as parts:
            reader = parts.reader(OUTPUT)
            assert bytes(reader.pread(MIB, THIRD.start)) != DATA[THIRD], "nothing can tell yet"
            assert parts.blocks("disk") == 1
            reader.pread(1, 0)
            block_files(tmp_path)["3"].unlink()
            with pytest.raises(OutputMismatchError):
                read_all(reader)
            assert read_all(parts.reader(OUTPUT)) == DATA


def test_a_pass_that_is_not_the_one_that_broke_off_is_not_mixed_with_it(tmp_path):
    """Its first blocks were handed on, with a wrong byte; the whole then comes right."""

    def broken(request, answer):
        wrong = replace(answer, body=flipped(answer.body, THIRD.start))
        return cut_after(5 * MIB)(request, wrong)

    def spoil(request, answer):
        spoiled = first(request, answer)
        if spoiled is answer:
            was_read.wait(30)
        return spoiled

    first, was_read = once(broken), threading.Event()
    archive = Archive(DATA, ranges=False, hashes=False, spoil=spoil)
    with serving(archive) as server, bringing(server.url, tmp_path, connections=1) as parts:
        reader = parts.reader(OUTPUT)
        assert bytes(reader.pread(MIB, THIRD.start)) != DATA[THIRD], "nothing can tell yet"
        was_read.set()
        with pytest.raises(OutputMismatchError):
            reader.pread(1, len(DATA) - 1)
        assert read_all(parts.reader(OUTPUT)) == DATA
        assert parts.cache.open(OUTPUT).verified() == "yes"


@pytest.mark.parametrize("order", [(3, 0, 1, 2, 4, 5, 6), (0, 1, 2, 4, 5, 6, 3)])
def test_a_leaf_that_rotted_in_its_file_refuses_nobody(tmp_path, order):
    """Nothing was handed on that hashed to it."""
    with serving(Archive(DATA, hashes=False)) as server:
        with bringing(server.url, tmp_path) as parts:
            parts.reader(OUTPUT).pread(MIB, THIRD.start)
        (leaves,) = tmp_path.glob("blocks-*/??/*/leaves")
        leaves.write_bytes(flipped(leaves.read_bytes(), 33 * 3 + 7))
        with bringing(server.url, tmp_path) as parts:
            reader = parts.reader(OUTPUT)
            for block in order:
                piece = DATA[block * MIB : (block + 1) * MIB]
                assert bytes(reader.pread(MIB, block * MIB)) == piece
            assert parts.cache.open(OUTPUT).verified() == "yes"
