"""What the cache has of an archive, under whichever key, is copied into its file, and verified."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from casfs.blocks.block_cache import BlockCache
from casfs.blocks.disk.output_store import OutputStore
from casfs.blocks.disk.part_file import PartFile
from casfs.blocks.output_files import OutputFiles, PartStores
from casfs.blocks.part_filling import FilledPart
from casfs.blocks.read_limits import ReadLimits
from casfs.blocks.small_outputs import SmallOutputs
from casfs.blocks.write_through import WriteThrough
from casfs.errors import ExpiredError
from casfs.model import Output, output_of
from casfs.tree.archive_outputs import with_others
from casfs.tree.coverage import completed_output
from tests.support.archive import MIB, flipped, random_bytes, root
from tests.support.blocks import Bringing, bringing
from tests.support.jobs import ORIGIN, RangeJobs
from tests.support.server import Server, serving

BLOCKS = 6
DATA = random_bytes(BLOCKS * MIB - 77, seed=3)
TWO = {"a": (0, 4), "b": (3, BLOCKS)}
"""Jobs of an archive; the second one brings block 3 as well."""
LAST = len(DATA) - (BLOCKS - 1) * MIB


class Files:
    """A directory into which outputs are brought."""

    def __init__(self, folder: Path, made: Bringing) -> None:
        self.folder = folder / "destination"
        self.folder.mkdir(exist_ok=True)
        self.directory = os.open(self.folder, os.O_RDONLY)
        parts = PartStores(made.disk, made.metrics)
        limits = ReadLimits(64 * MIB, connections=4, deadline=30)
        cache = BlockCache(made.service, parts, WriteThrough(None), limits, made.metrics)
        small = SmallOutputs(made.service, made.disk, made.metrics, 4, 30)
        self.files = OutputFiles(cache, parts, made.metrics, small)

    def bring(self, output: Output) -> FilledPart:
        filling = self.files.begin(output, self.files.place(self.directory, output, "a.bin"))
        return filling.run(lambda size: None, lambda file: None)

    def found(self) -> bytes:
        (part,) = self.folder.glob("*.part")
        return part.read_bytes()


@contextmanager
def restoring(server: Server, folder) -> Iterator[Files]:
    with bringing(server.url, folder / "cache") as made:
        files = Files(folder, made)
        with files.files:
            yield files
        os.close(files.directory)


def read(server: Server, folder, output: Output, *numbers: int) -> None:
    """Read blocks of an output as a mount does, and forget what was asked for that."""
    with bringing(server.url, folder / "cache") as made:
        for number in numbers or range(output.layout.blocks):
            made.reader(output).pread(MIB, number * MIB)
    server.requests.clear()


def block_file(folder, output: Output, number: int):
    return folder / "cache/blocks-1" / output.key[:2] / output.key[2:] / f"0/{number}"


def keep_only(folder, output: Output, *numbers: int) -> None:
    for number in set(range(output.layout.blocks)) - set(numbers):
        block_file(folder, output, number).unlink()


@pytest.fixture
def jobs():
    return RangeJobs(DATA, TWO)


@pytest.fixture
def server(jobs):
    with serving(jobs) as running:
        yield running


def test_an_archive_of_expired_jobs_is_copied(tmp_path, server, jobs):
    output = jobs.joined()
    read(server, tmp_path, output)
    for name in TWO:
        jobs.expire(name)
    with restoring(server, tmp_path) as files:
        filled = files.bring(output)
        assert (filled.fetched, filled.copied, filled.verified) == (0, len(DATA), "yes")
        assert files.found() == DATA
    assert server.requests == []


def test_of_what_is_there_in_part_only_the_rest_is_fetched(tmp_path, server, jobs):
    output = jobs.joined()
    read(server, tmp_path, output)
    keep_only(tmp_path, output, 1, 3, 5)
    read(server, tmp_path, jobs.own("b"), 1)
    with restoring(server, tmp_path) as files:
        filled = files.bring(output)
        assert (filled.fetched, filled.copied) == (2 * MIB, 3 * MIB + LAST)
        assert filled.verified == "yes"
        assert files.found() == DATA
    assert sorted(server.spans()) == [(0, MIB), (2 * MIB, 3 * MIB)]


def test_what_is_evicted_while_it_is_copied_was_not_fetched(tmp_path, server, jobs, monkeypatch):
    output = jobs.joined()
    read(server, tmp_path, output)
    load = OutputStore.load

    def load_and_evict(store, block):
        found = load(store, block)
        store.remove(block)
        return found

    monkeypatch.setattr(OutputStore, "load", load_and_evict)
    with restoring(server, tmp_path) as files:
        filled = files.bring(output)
        assert (filled.fetched, filled.copied, filled.verified) == (0, len(DATA), "yes")
        assert files.found() == DATA
    assert server.requests == []


@pytest.mark.parametrize("failing", ["write", "read back"])
def test_what_is_copied_in_two_attempts_was_not_fetched(
    tmp_path, server, jobs, monkeypatch, failing
):
    output = jobs.joined()
    read(server, tmp_path, output)
    write, done = PartFile.write, []

    def fail_once(file, block, data):
        done.append(block)
        if done.count(2) == 1 and block == 2:
            if failing == "write":
                raise OSError(errno.EIO, os.strerror(errno.EIO))
            data = memoryview(bytes(len(data)))
        write(file, block, data)

    monkeypatch.setattr(PartFile, "write", fail_once)
    with restoring(server, tmp_path) as files:
        filled = files.bring(output)
        assert done.count(2) == 2
        assert (filled.fetched, filled.copied, filled.verified) == (0, len(DATA), "yes")
        assert files.found() == DATA
    assert server.requests == []


@pytest.mark.parametrize("expired", [False, True])
def test_a_block_that_has_rotted_is_fetched_and_never_delivered(tmp_path, server, jobs, expired):
    output = jobs.joined()
    read(server, tmp_path, output)
    rotten = block_file(tmp_path, output, 2)
    rotten.write_bytes(flipped(rotten.read_bytes(), 5))
    with restoring(server, tmp_path) as files:
        if expired:
            jobs.expire("a")
            with pytest.raises(ExpiredError):
                files.bring(output)
            jobs.serve("a")
        filled = files.bring(output)
        assert filled.verified == "yes"
        assert filled.fetched == MIB
        assert files.found() == DATA


def test_wrong_bytes_for_which_nothing_vouches_are_found_by_the_whole(tmp_path, server, jobs):
    jobs.serve("b", flipped(DATA, 4 * MIB + 9), hashes=False)
    output = jobs.joined()
    read(server, tmp_path, output, 4)
    jobs.serve("b")
    with restoring(server, tmp_path) as files:
        filled = files.bring(output)
        assert filled.verified == "yes"
        assert files.found() == DATA
    # Nor does anybody find them in the cache by now.
    assert not block_file(tmp_path, output, 4).exists()


def test_what_jobs_that_are_not_asked_have_brought_is_copied(tmp_path, server, jobs):
    read(server, tmp_path, jobs.own("b"))
    asked = {"long": (0, 5), "last": (5, BLOCKS)}
    every = RangeJobs(DATA, asked | TWO)
    output = with_others(
        RangeJobs(DATA, asked).joined(), [every.job(name) for name in every.ranges], ORIGIN
    )
    jobs.ranges = every.ranges
    for name in asked:
        jobs.serve(name)
    with restoring(server, tmp_path) as files:
        filled = files.bring(output)
        assert (filled.fetched, filled.copied) == (3 * MIB, 2 * MIB + LAST)
        assert filled.verified == "yes"
        assert files.found() == DATA


def test_a_small_archive_is_copied_from_a_job_that_is_not_asked(tmp_path):
    data = DATA[:1000]
    jobs = RangeJobs(data, {"asked": (0, 1), "other": (0, 1)})
    asked = output_of(replace(jobs.job("asked"), tree_hash=root(data)), len(data), ORIGIN)
    with serving(jobs) as server:
        read(server, tmp_path, jobs.own("other"))
        with restoring(server, tmp_path) as files:
            filled = files.bring(with_others(asked, [jobs.job("other")], ORIGIN))
            assert (filled.fetched, filled.copied, filled.verified) == (0, 1000, "yes")
        assert server.requests == []


def test_what_no_job_brings_is_copied_or_has_expired(tmp_path, server, jobs):
    whole = jobs.joined()
    read(server, tmp_path, whole)
    keep_only(tmp_path, whole, 0, 1, 2)
    output = completed_output([jobs.job("b")], [], len(DATA), root(DATA), ORIGIN)
    assert output is not None
    with restoring(server, tmp_path) as files:
        filled = files.bring(output)
        assert (filled.fetched, filled.copied) == (2 * MIB + LAST, 3 * MIB)
        assert filled.verified == "yes"
        assert files.found() == DATA


def test_a_block_that_is_evicted_and_that_no_job_brings_has_expired(tmp_path, server, jobs):
    whole = jobs.joined()
    read(server, tmp_path, whole)
    keep_only(tmp_path, whole, 0, 2)
    output = completed_output([jobs.job("b")], [], len(DATA), root(DATA), ORIGIN)
    assert output is not None
    with restoring(server, tmp_path) as files, pytest.raises(ExpiredError, match="block 1 of the"):
        files.bring(output)
    asked = {request.path for request in server.requests}
    assert all("/jobs/b/" in path for path in asked), "nobody is asked for what no job brings"


@pytest.mark.parametrize("size", [1000, 3 * MIB])
def test_an_archive_of_one_job_is_found_under_either_key(tmp_path, size):
    """Where the job does not state the hash that the inventory has, there are two."""
    jobs = RangeJobs(DATA[:size], {"whole": (0, -(-size // MIB))})
    output, own = jobs.joined(), jobs.own("whole")
    assert output.key != own.key
    with serving(jobs) as server:
        for number, one in enumerate((output, own)):
            folder = tmp_path / str(number)
            read(server, folder, one)
            with restoring(server, folder) as files:
                filled = files.bring(output)
                assert (filled.fetched, filled.copied, filled.verified) == (0, size, "yes")
                assert files.found() == DATA[:size]
            assert server.requests == []
