"""Outputs of one block go straight into their files, and what is unusual goes the other way."""

import errno
import hashlib
import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from casfs.blocks.block_cache import BlockCache
from casfs.blocks.disk.part_file import PartFile
from casfs.blocks.output_files import OutputFiles, PartStores
from casfs.blocks.part_filling import PartFilling
from casfs.blocks.read_limits import ReadLimits
from casfs.blocks.small_outputs import SmallFilling, SmallOutputs
from casfs.blocks.write_through import WriteThrough
from casfs.errors import (
    CasfsError,
    DeniedError,
    DestinationFullError,
    DestinationSyncError,
    ExpiredError,
)
from casfs.service.retries import Limits, Persistence
from tests.support.archive import MIB, Archive, output_of_bytes, random_bytes, root
from tests.support.blocks import bringing
from tests.support.disks import disk, fill, use_up_inodes
from tests.support.server import Answer, Server, serving
from tests.support.service import refusal

DATA = random_bytes(50_000)
OUTPUT = output_of_bytes(DATA, root(DATA))


class Files:
    """Where outputs are brought to."""

    def __init__(self, folder, made, connections=4, deadline=30):
        self.folder = folder / "destination"
        self.folder.mkdir()
        self.directory = os.open(self.folder, os.O_RDONLY)
        self.made = made
        parts = PartStores(made.disk, made.metrics)
        limits = ReadLimits(64 * MIB, connections=connections, deadline=30)
        cache = BlockCache(made.service, parts, WriteThrough(None), limits, made.metrics)
        self.small = SmallOutputs(made.service, made.disk, made.metrics, connections, deadline)
        self.files = OutputFiles(cache, parts, made.metrics, self.small)

    def begin(self, output=OUTPUT):
        return self.files.begin(output, self.files.place(self.directory, output, "a.bin"))

    def bring(self, output=OUTPUT):
        filling = self.begin(output)
        filled = filling.run(lambda size: None, lambda file: None)
        return filling, filled

    def found(self):
        return {path.read_bytes() for path in self.folder.glob("*.part")}


@contextmanager
def fetching(folder, behaviour, deadline=30) -> Iterator[tuple[Files, Server]]:
    with serving(behaviour) as server, bringing(server.url, folder / "cache") as made:
        files = Files(folder, made, deadline=deadline)
        with files.files:
            yield files, server
        os.close(files.directory)


def test_one_get_brings_it_and_an_earlier_file_is_not_fetched_again(tmp_path):
    with fetching(tmp_path, Archive(DATA)) as (files, server):
        filling, filled = files.bring()
        assert isinstance(filling, SmallFilling)
        assert (filled.fetched, filled.verified) == (len(DATA), "yes")
        assert (filled.sha256, filled.tree_hash) == (hashlib.sha256(DATA).hexdigest(), root(DATA))
        # Killed here, it has no name yet: the next run finds it by its leaf.
        filling, filled = files.bring()
        assert (filled.fetched, filled.verified) == (0, "yes")
        assert server.spans() == [(0, len(DATA))]
        assert files.found() == {DATA}


def test_what_is_not_a_block_with_a_hash_goes_the_other_way(tmp_path):
    larger = random_bytes(2 * MIB)
    with fetching(tmp_path, Archive(DATA)) as (files, _):
        large = files.begin(output_of_bytes(larger, root(larger)))
        # Connections are shared with it: that is what the cache is for.
        assert isinstance(files.begin(), PartFilling)
        del large
        assert isinstance(files.begin(output_of_bytes(DATA, None)), PartFilling)
        files.made.disk.directory_of(OUTPUT).mkdir(parents=True)
        assert isinstance(files.begin(), PartFilling)


class Once:
    """Answers wrongly once, and then as it should."""

    def __init__(self, answer):
        self.answer = answer
        self.rest = Archive(DATA)

    def __call__(self, request, wire):
        wrong, self.answer = self.answer, None
        return wrong(request, wire) if wrong else self.rest(request, wire)


def other_bytes(request, wire):
    return Answer(206, bytes(len(DATA)), {"Content-Range": f"bytes 0-{len(DATA) - 1}/{len(DATA)}"})


def broken_off(request, wire):
    head = Answer(206, b"", {"Content-Length": str(len(DATA)), "Content-Range": content_range(0)})
    wire.send(head.head + DATA[:40_000])
    wire.reset()


def content_range(first):
    return f"bytes {first}-{len(DATA) - 1}/{len(DATA)}"


@pytest.mark.parametrize("wrong", [other_bytes, broken_off])
def test_an_answer_that_is_wrong_or_breaks_off_is_not_what_is_restored(tmp_path, wrong):
    with fetching(tmp_path, Once(wrong)) as (files, server):
        _, filled = files.bring()
        assert filled.verified == "yes"
        assert files.found() == {DATA}
        assert len(server.spans()) == 2


def test_a_line_that_breaks_every_answer_brings_nothing_twice(tmp_path):
    def break_off(request, wire):
        first, stop = request.span
        head = Answer(206, b"", {"Content-Length": str(stop - first)} | named(first))
        wire.send(head.head + DATA[first : first + 6000])

    def named(first):
        return {"Content-Range": content_range(first)}

    with fetching(tmp_path, break_off) as (files, server):
        assert files.bring()[1].verified == "yes"
        assert files.found() == {DATA}
        assert server.spans() == [(at, len(DATA)) for at in range(0, len(DATA), 6000)]


def test_bytes_that_are_wrong_for_good_are_refused(tmp_path):
    with (
        fetching(tmp_path, other_bytes) as (files, _),
        pytest.raises(CasfsError, match="tree hash"),
    ):
        files.bring()


def test_what_the_disk_gives_back_otherwise_is_written_again(tmp_path, monkeypatch):
    read, lies = PartFile.read, [True]

    def lie(file, block, data):
        whole = read(file, block, data)
        if lies.pop() if lies else False:
            data[0] ^= 1
        return whole

    monkeypatch.setattr(PartFile, "read", lie)
    with fetching(tmp_path, Archive(DATA)) as (files, _):
        assert files.bring()[1].verified == "yes"
        assert files.found() == {DATA}


class InTurn:
    """Answers in one way after another; the last one holds."""

    def __init__(self, *answers):
        self.answers = list(answers)

    def __call__(self, request, wire):
        answer = self.answers.pop(0) if self.answers[1:] else self.answers[0]
        return answer(request, wire)


def refused(request, wire):
    return refusal(403, "AccessDeniedException")


def gone(request, wire):
    return refusal(404, "ResourceNotFoundException")


def test_a_key_that_is_refused_is_not_tried_in_the_other_way(tmp_path):
    with fetching(tmp_path, InTurn(refused, Archive(DATA))) as (files, server):
        with pytest.raises(DeniedError):
            files.bring()
        assert len(server.requests) == 1
        # Nor is what was made for it taken for a file that is whole.
        assert files.found() == {b""}
        assert files.bring()[1].fetched == len(DATA)
        assert files.found() == {DATA}


def test_an_output_that_expires_in_the_middle_of_its_answer_is_gone(tmp_path):
    with fetching(tmp_path, InTurn(broken_off, gone, Archive(DATA))) as (files, server):
        with pytest.raises(ExpiredError):
            files.bring()
        assert server.spans() == [(0, len(DATA)), (40_000, len(DATA))]
        assert files.found() == {b""}
        # Another job has brought it meanwhile.
        assert files.bring()[1].fetched == len(DATA)
        assert files.found() == {DATA}


@pytest.mark.skipif(os.geteuid() != 0, reason="mounts a tmpfs")
@pytest.mark.parametrize("use_up", [fill, use_up_inodes], ids=["bytes", "inodes"])
def test_a_disk_without_room_is_named_and_the_same_file_is_written_once_there_is_some(
    tmp_path, use_up
):
    with (
        disk(tmp_path / "small", 4 * MIB, files=40) as small,
        fetching(small, Archive(DATA)) as (files, _),
    ):
        use_up(small)
        with pytest.raises(DestinationFullError, match=rf"the disk at {small} (is full|has no)"):
            files.bring()
        assert files.found() <= {b""}
        free(small)
        assert files.bring()[1].verified == "yes"
        assert files.found() == {DATA}


def free(small):
    """Make room again."""
    (small / "filler").unlink(missing_ok=True)
    shutil.rmtree(small / "files", ignore_errors=True)


@pytest.mark.parametrize("number", [errno.EINVAL, errno.EOPNOTSUPP])
def test_a_disk_that_cannot_sync_is_said_to_be_so(tmp_path, monkeypatch, number):
    def fsync(file):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", fsync)
    with (
        fetching(tmp_path, Archive(DATA)) as (files, _),
        pytest.raises(DestinationSyncError, match=r"cannot sync files \(fsync\)"),
    ):
        files.bring()


def hang(request, wire):
    wire.hang()


def be_busy(request, wire):
    return Answer(503, b"", {"Retry-After": "60"})


@pytest.mark.parametrize("behaviour", [hang, be_busy])
def test_a_get_that_waits_ends_when_the_restore_does(tmp_path, monkeypatch, behaviour):
    asked = threading.Event()

    def answer(request, wire):
        if behaviour is hang:
            asked.set()
        return behaviour(request, wire)

    def sleep(persistence, seconds, closed):
        asked.set()
        pause(persistence, seconds, closed)

    pause = Persistence._sleep
    monkeypatch.setattr(Persistence, "_sleep", sleep)
    with fetching(tmp_path, answer) as (files, _):
        files.made.service._transport._limits = Limits()
        met = []

        def bring():
            try:
                files.bring()
            except CasfsError as error:
                met.append(error)

        thread = threading.Thread(target=bring)
        thread.start()
        assert asked.wait(10)
        files.files.close()
        thread.join(10)
        assert not thread.is_alive()
        assert met


def test_a_line_that_is_slower_than_believed_is_left_to_the_way_that_waits(tmp_path):
    def trickle(request, wire):
        wire.hang()

    with fetching(tmp_path, Once(trickle), deadline=1) as (files, _):
        files.small._limit._most = files.small._limit._most_at_first = float(len(DATA))
        assert files.small.takes(OUTPUT)
        # No error: it costs none of the attempts that an archive has.
        assert files.bring()[1].verified == "yes"
        assert not files.small.takes(OUTPUT)
        smaller = random_bytes(20_000)
        assert files.small.takes(output_of_bytes(smaller, root(smaller)))
