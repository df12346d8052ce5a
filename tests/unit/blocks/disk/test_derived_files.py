"""Kept files: there whole or not at all, checked, and safe from eviction while they are read."""

import errno
import os

import pytest

from casfs.blocks.disk.derived_files import DerivedFiles
from casfs.blocks.disk.eviction import Evictor
from casfs.blocks.disk.staging import Temporary
from casfs.errors import CasfsError, ConfigError, InventoryError
from casfs.metrics import Metrics
from tests.support.archive import MIB, random_bytes

DATA = random_bytes(2 * MIB + 77, seed=5)
KEY = "ab" * 32


class Cache:
    """Kept files of a folder, and what they counted."""

    def __init__(self, folder):
        self.folder = folder
        self.metrics = Metrics()
        self.written: list[int] = []
        temporary = Temporary(folder / "temporary")
        temporary.make()
        self.files = DerivedFiles(folder, temporary, self.written.append, self.metrics)
        self.path = folder / KEY[:2] / KEY[2:] / "kept"

    def make(self, data=DATA, piece=300_001):
        pieces = (data[at : at + piece] for at in range(0, len(data), piece))
        return self.files.make(pieces, lambda: KEY)

    def keep(self, data=DATA):
        self.make(data).close()

    def find(self):
        return self.files.find(KEY)

    def left(self):
        return sorted(path for path in self.folder.rglob("*") if path.is_file())

    def evict(self):
        Evictor(self.folder, 0, self.metrics).make_room()


@pytest.fixture
def cache(tmp_path):
    return Cache(tmp_path)


def content(kept):
    blocks = [kept.read(number) for number in range(-(-kept.size // MIB))]
    return None if None in blocks else b"".join(blocks)


@pytest.mark.parametrize("size", [1, MIB - 1, MIB, MIB + 1, len(DATA)])
def test_what_was_written_is_read(cache, size):
    made = cache.make(DATA[:size])
    assert (made.size, content(made)) == (size, DATA[:size])
    made.close()
    found = cache.find()
    assert (found.size, content(found), found.leaves) == (size, DATA[:size], made.leaves)
    found.close()
    assert cache.left() == [cache.path]
    assert cache.written == [size]


def test_there_is_none_before_it_is_made(cache):
    assert cache.find() is None


@pytest.mark.parametrize("error", [InventoryError("cut off"), ValueError("a bug")])
def test_what_ends_early_leaves_nothing(cache, error):
    def pieces():
        yield DATA
        raise error

    with pytest.raises(type(error), match=str(error)):
        cache.files.make(pieces(), lambda: KEY)
    assert cache.left() == []


def test_a_folder_that_cannot_be_written_is_named(cache):
    (cache.folder / KEY[:2]).write_bytes(b"in the way")
    with pytest.raises(CasfsError, match="make room"):
        cache.keep()
    assert cache.left() == [cache.folder / KEY[:2]]


@pytest.mark.parametrize("at", [0, MIB - 1, MIB, len(DATA) - 1])
def test_a_rotten_block_is_never_handed_on(cache, at):
    cache.keep()
    flip(cache.path, at)
    found = cache.find()
    good = [number for number in range(3) if found.read(number) is not None]
    assert good == [number for number in range(3) if number != at // MIB]
    cache.files.remove_rotten(KEY, found)
    found.close()
    assert cache.left() == []
    assert cache.metrics.as_dict()["rotten_blocks"] == 1


@pytest.mark.parametrize("call", ["open", "pread"])
def test_one_that_cannot_be_read_is_made_again(cache, monkeypatch, call):
    """The disk fails: when it is opened, or while it is read."""
    cache.keep()
    kept = cache.find()

    def fails(*_, **__):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, call, fails)
    assert cache.find() is None
    assert call == "open" or content(kept) is None
    monkeypatch.undo()
    made = cache.make()
    assert content(made) == DATA
    made.close()
    kept.close()


def test_one_that_took_its_place_is_not_removed(cache):
    bad = cache.make()
    cache.keep()
    cache.files.remove_rotten(KEY, bad)
    bad.close()
    assert cache.left() == [cache.path]


@pytest.mark.parametrize("at", [len(DATA), len(DATA) + 96, -41, -1])
def test_facts_that_are_rotten_remove_it(cache, at):
    cache.keep()
    flip(cache.path, at)
    assert cache.find() is None
    assert cache.left() == []


@pytest.mark.parametrize("size", [0, 1, 39, 40, MIB, len(DATA), len(DATA) + 100])
def test_one_that_is_cut_off_is_removed(cache, size):
    cache.keep()
    os.truncate(cache.path, size)
    assert cache.find() is None
    assert cache.left() == []


def test_a_file_of_anything_is_none(cache):
    cache.keep()
    for data in (b"\xff" * 200, bytes(40), bytes(200)):
        cache.path.write_bytes(data)
        assert cache.find() is None


def test_eviction_takes_it_only_when_nobody_has_it_open(cache):
    made = cache.make()
    found = cache.find()
    made.close()
    cache.evict()
    assert cache.left() == [cache.path]
    assert content(found) == DATA
    found.close()
    cache.evict()
    assert cache.left() == []
    assert cache.metrics.as_dict()["evicted_blocks"] == 1


def test_eviction_takes_what_was_not_used_for_longest(cache):
    cache.keep()
    block = cache.folder / "cd" / ("ef" * 31) / "0" / "0"
    block.parent.mkdir(parents=True)
    block.write_bytes(bytes(MIB))
    os.utime(cache.path, (1000, 1000))
    os.utime(block, (2000, 2000))
    # Looking at it counts as use.
    cache.find().close()
    Evictor(cache.folder, 3 * MIB, cache.metrics).make_room()
    assert cache.left() == [cache.path]


def flip(path, at):
    with path.open("r+b") as file:
        file.seek(at, os.SEEK_END if at < 0 else os.SEEK_SET)
        (byte,) = file.read(1)
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([byte ^ 1]))


def test_nothing_is_placed_behind_a_link(tmp_path):
    """One that somebody else left in a directory that was open to others once."""
    cache = Cache(tmp_path / "cache")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (cache.folder / KEY[:2]).symlink_to(elsewhere)
    with pytest.raises(ConfigError, match="symbolic link"):
        cache.make()
    assert not list(elsewhere.iterdir())
