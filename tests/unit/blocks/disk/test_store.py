"""The disk cache returns exactly what was put there, or nothing."""

import errno
import multiprocessing
import os
import shutil
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from casfs.blocks.disk.output_store import OutputStore
from casfs.blocks.disk.store import DiskCache
from casfs.blocks.verify import Forgiven, Trust, Verifier
from casfs.errors import CacheError, ConfigError
from casfs.metrics import Metrics
from casfs.model import JobSlice
from casfs.private import PrivateDirectory
from casfs.ranges import Layout
from casfs.tree.archive_outputs import with_others
from casfs.treehash import SHA256
from tests.support.archive import MIB, flipped, output_of_bytes, random_bytes
from tests.support.blocks import block_files, leaves_file, put_leaf
from tests.support.jobs import ORIGIN, RangeJobs

DATA = random_bytes(3 * MIB + 5)
OUTPUT = output_of_bytes(DATA)
BLOCKS = [DATA[at : at + MIB] for at in range(0, len(DATA), MIB)]


def cache_at(folder, metrics=None):
    return DiskCache(folder, Verifier(SHA256), metrics or Metrics())


def put(store, number):
    put_leaf(store.leaves, number, SHA256.leaf(BLOCKS[number]), Trust.CHECKED)
    store.write(number, BLOCKS[number])


NUMBERS = st.integers(0, len(BLOCKS) - 1)
PLACES = st.integers(0, MIB)


def _rotten(data, at):
    return flipped(data, min(at, len(data) - 1)) if data else b"x"


class CacheAgainstBytes(RuleBasedStateMachine):
    """Whatever happens to the files: a block is right or not there, and there if unharmed."""

    def __init__(self):
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.unharmed = set()
        self.reopen()

    def teardown(self):
        shutil.rmtree(self.folder)

    @rule()
    def reopen(self):
        self.store = cache_at(self.folder).store(OUTPUT)

    @rule(number=NUMBERS)
    def put(self, number):
        put(self.store, number)
        self.unharmed.add(number)

    @rule(number=NUMBERS)
    def read(self, number):
        found = self.store.read(number)
        if number in self.unharmed:
            assert found == BLOCKS[number]
        else:
            assert found in (None, BLOCKS[number])
        if found is None:
            assert not self.store.holds(number)

    def harm(self, number, change):
        path = block_files(self.folder).get(str(number))
        if path is not None:
            self.unharmed.discard(number)
            change(path)

    @rule(number=NUMBERS, at=PLACES)
    def rot(self, number, at):
        self.harm(number, lambda p: p.write_bytes(_rotten(p.read_bytes(), at)))

    @rule(number=NUMBERS, size=PLACES)
    def tear(self, number, size):
        self.harm(number, lambda path: os.truncate(path, size))

    @rule(number=NUMBERS)
    def lengthen(self, number):
        self.harm(number, lambda path: path.write_bytes(path.read_bytes() + b"more"))

    @rule(number=NUMBERS)
    def delete(self, number):
        self.harm(number, Path.unlink)

    @rule(at=st.integers(0, 4 * 33), size=st.integers(0, 4 * 33), tear=st.booleans())
    def harm_the_leaves(self, at, size, tear):
        # A running process keeps what it knows in memory, so harm shows when it is opened anew.
        for path in self.folder.glob("blocks-*/??/*/leaves"):
            content = path.read_bytes()
            if tear:
                os.truncate(path, min(size, len(content)))
            elif at < len(content):
                path.write_bytes(flipped(content, at))
            self.unharmed.clear()
        self.reopen()


TestCacheAgainstBytes = CacheAgainstBytes.TestCase
TestCacheAgainstBytes.settings = settings(max_examples=25, stateful_step_count=20, deadline=None)


def test_a_block_is_read_as_it_was_written(tmp_path):
    store = cache_at(tmp_path).store(OUTPUT)
    for number, block in enumerate(BLOCKS):
        assert store.read(number) is None
        assert not store.holds(number)
        put(store, number)
        assert store.holds(number)
        assert store.read(number) == block
    assert store.cached_bytes() == len(DATA)


def test_a_later_process_finds_it_and_knows_when_it_is_whole(tmp_path):
    first = cache_at(tmp_path)
    for number in range(len(BLOCKS)):
        assert not first.holds_whole(OUTPUT)
        put(first.store(OUTPUT), number)
    later = cache_at(tmp_path)
    assert later.holds_whole(OUTPUT)
    assert [later.store(OUTPUT).read(number) for number in range(len(BLOCKS))] == BLOCKS


def test_an_archive_is_there_if_every_block_is_under_some_key(tmp_path):
    jobs = RangeJobs(DATA, {"a": (0, 2), "b": (2, len(BLOCKS))})
    output = jobs.joined()
    cache = cache_at(tmp_path)
    own = cache.store(jobs.own("b"))
    for number in range(len(BLOCKS)):
        assert not cache.holds_everywhere(output)
        if number < 2:
            put(cache.store(output), number)
        else:
            put_leaf(own.leaves, number - 2, SHA256.leaf(BLOCKS[number]), Trust.CHECKED)
            own.write(number - 2, BLOCKS[number])
    assert cache.holds_everywhere(output)
    assert not cache.holds_whole(output)
    own.remove(0)
    assert not cache.holds_everywhere(output)


def test_what_an_archive_lacks_is_told_for_each_of_its_jobs(tmp_path, monkeypatch):
    jobs = RangeJobs(DATA, {"a": (0, 2), "b": (2, len(BLOCKS))})
    joined = jobs.joined()
    cache = cache_at(tmp_path)
    empty = replace(OUTPUT, key="e" * 64, sources=())
    opened: list[str] = []
    real = DiskCache.store

    def store(self, output):
        opened.append(output.key)
        return real(self, output)

    monkeypatch.setattr(DiskCache, "store", store)
    assert list(cache.lacking([joined, empty])) == [[2 * MIB, MIB + 5], []]
    assert opened == [], "though nothing of it is there"
    for number in (1, 2, 3):
        put(cache.store(joined), number)
    assert list(cache.lacking([joined, empty])) == [[MIB, 0], []]
    parts = replace(joined, key="f" * 64)
    own = cache.store(jobs.own("b"))
    put_leaf(own.leaves, 0, SHA256.leaf(BLOCKS[2]), Trust.CHECKED)
    own.write(0, BLOCKS[2])
    opened.clear()
    assert list(cache.lacking([parts])) == [[2 * MIB, 5]]
    assert set(opened) == {parts.key, jobs.own("b").key}, "though the first job has no place"


def test_of_a_large_archive_only_what_is_there_is_looked_at(tmp_path, monkeypatch):
    large, begin = 5000, 3
    layout = Layout(large * MIB, 0, large)
    whole = replace(OUTPUT, key="a" * 64, layout=layout)
    own = JobSlice("b", range(begin, large), begin, "b" * 64, Layout((large - begin) * MIB, begin))
    output = replace(whole, sources=(JobSlice("a", range(begin), 0, "a" * 64, layout), own))
    cache, looked = cache_at(tmp_path), []
    leaf = SHA256.leaf(BLOCKS[0])
    for store, number in ((cache.store(whole), 1025), (cache.store(own), large - begin - 1)):
        put_leaf(store.leaves, number, leaf, Trust.CHECKED)
        store.write(number, BLOCKS[0])
    real = OutputStore.holds

    def holds(self, block):
        looked.append(block)
        return real(self, block)

    monkeypatch.setattr(OutputStore, "holds", holds)
    assert list(cache.lacking([output])) == [[begin * MIB, (large - begin - 2) * MIB]]
    assert len(looked) < large


def test_an_archive_is_there_if_jobs_that_it_does_not_ask_have_brought_it(tmp_path):
    jobs = RangeJobs(DATA, {"a": (0, 2), "b": (1, 3), "c": (2, len(BLOCKS))})
    asked = RangeJobs(DATA, {"whole": (0, len(BLOCKS))}).joined()
    output = with_others(asked, [jobs.job(name) for name in "abc"], ORIGIN)
    cache = cache_at(tmp_path)
    for name, number in (("a", 0), ("b", 1), ("b", 2), ("c", 3)):
        assert not cache.holds_everywhere(output)
        first, _ = jobs.ranges[name]
        own = cache.store(jobs.own(name))
        put_leaf(own.leaves, number - first, SHA256.leaf(BLOCKS[number]), Trust.CHECKED)
        own.write(number - first, BLOCKS[number])
    assert cache.holds_everywhere(output)
    assert list(cache.lacking([output, asked])) == [[0], [len(DATA)]]


@pytest.mark.parametrize("code", [errno.EMFILE, errno.EIO, errno.ESTALE])
def test_a_cache_that_cannot_be_looked_at_is_not_taken_for_empty(tmp_path, monkeypatch, code):
    cache = cache_at(tmp_path)
    put(cache.store(OUTPUT), 0)
    assert list(cache.held([OUTPUT.key, "e" * 64])) == [OUTPUT.key]
    for call in ("listdir", "lstat"):
        real = getattr(os, call)

        def fail(path, real=real, **more):
            if str(path).startswith(str(cache.directory)):
                raise OSError(code, os.strerror(code))
            return real(path, **more)

        with monkeypatch.context() as failing:
            failing.setattr(os, call, fail)
            with pytest.raises(CacheError, match=f"cache {tmp_path}: {os.strerror(code)}; fix"):
                list(cache.held([OUTPUT.key]))
            with pytest.raises(CacheError):
                list(cache.lacking([OUTPUT]))


def test_a_cache_that_is_not_there_yet_is_empty(tmp_path):
    cache = cache_at(tmp_path)
    shutil.rmtree(tmp_path)
    assert list(cache.held([OUTPUT.key])) == []
    cache.directory.mkdir(parents=True)
    (cache.directory / OUTPUT.key[:2]).write_text("no directory")
    assert list(cache.held([OUTPUT.key])) == []


def test_an_archive_that_is_wrong_for_good_is_not_there(tmp_path):
    """Nobody reads it from the cache, so a plan must not count on that."""
    cache = cache_at(tmp_path)
    store = cache.store(OUTPUT)
    for found in (True, False):
        for number in range(len(BLOCKS)):
            put(store, number)
        assert cache.holds_everywhere(OUTPUT) is found
        store.leaves.end_wrong_whole(store.leaves.generation, Forgiven.EVERYTHING)


def test_a_cache_that_fails_while_it_is_used_is_named(tmp_path, monkeypatch):
    """Else a restore would blame its destination."""
    cache = cache_at(tmp_path)
    look = PrivateDirectory.check_directory

    def fail(private, path):
        if path == cache.directory_of(OUTPUT):
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return look(private, path)

    monkeypatch.setattr(PrivateDirectory, "check_directory", fail)
    with pytest.raises(CacheError, match=f"cache {tmp_path}"):
        cache.store(OUTPUT)


def test_all_who_ask_for_an_output_share_its_store(tmp_path):
    cache = cache_at(tmp_path)
    assert cache.store(OUTPUT) is cache.store(OUTPUT)
    assert cache.store(OUTPUT) is not cache.store(output_of_bytes(DATA[:MIB]))


def test_looking_at_an_output_makes_no_folder(tmp_path):
    cache = cache_at(tmp_path)
    cache.store(OUTPUT).read(0)
    assert cache.store(OUTPUT).cached_bytes() == 0
    assert list(tmp_path.glob("blocks-*/??")) == []


def test_rot_is_counted_and_removed(tmp_path):
    metrics = Metrics()
    store = cache_at(tmp_path, metrics).store(OUTPUT)
    put(store, 1)
    path = block_files(tmp_path)["1"]
    path.write_bytes(flipped(BLOCKS[1], MIB - 1))
    assert store.read(1) is None
    assert not path.exists()
    assert metrics.as_dict()["rotten_blocks"] == 1


def test_a_folder_in_a_blocks_place_is_no_block(tmp_path):
    store = cache_at(tmp_path).store(OUTPUT)
    put(store, 1)
    path = block_files(tmp_path)["1"]
    path.unlink()
    path.mkdir()
    assert store.read(1) is None


def test_reading_makes_a_block_young(tmp_path):
    """Eviction takes what was not read for longest."""
    store = cache_at(tmp_path).store(OUTPUT)
    put(store, 0)
    path = block_files(tmp_path)["0"]
    os.utime(path, (1000, 1000))
    store.read(0)
    assert path.stat().st_mtime > 1000


def test_a_write_that_fails_leaves_nothing_behind(tmp_path):
    cache = cache_at(tmp_path)
    store = cache.store(OUTPUT)
    put(store, 0)
    path = block_files(tmp_path)["0"]
    path.unlink()
    path.mkdir()
    (path / "in the way").touch()
    with pytest.raises(OSError, match="directory"):
        store.write(0, BLOCKS[0])
    assert list((cache.directory / "temporary").iterdir()) == []


def test_caches_of_one_process_stage_apart(tmp_path):
    caches = [cache_at(tmp_path), cache_at(tmp_path)]
    staged = [cache.store(OUTPUT).stage(memoryview(BLOCKS[0])) for cache in caches]
    assert len(set(staged)) == 2


def stage_in_a_process(folder):
    """What a process staged that then died."""
    process = multiprocessing.get_context("fork").Process(
        target=lambda: cache_at(folder).store(OUTPUT).stage(memoryview(BLOCKS[0]))
    )
    process.start()
    process.join(60)
    assert process.exitcode == 0


def test_what_a_dead_process_staged_is_cleared_away_at_once(tmp_path):
    """A pass may have staged gigabytes."""
    stage_in_a_process(tmp_path)
    temporary = tmp_path / "blocks-1" / "temporary"
    assert len(list(temporary.iterdir())) == 1
    cache_at(tmp_path)
    assert list(temporary.iterdir()) == []


def test_what_a_living_process_staged_stays_however_old_it_is(tmp_path):
    """A pass takes as long as it takes, and others may begin and end in the meantime."""
    staged = cache_at(tmp_path).store(OUTPUT).stage(memoryview(BLOCKS[0]))
    os.utime(staged, (1000, 1000))
    cache_at(tmp_path)
    assert staged.exists()


def test_what_another_host_staged_stays_for_days(tmp_path, monkeypatch):
    """A cache may be on a network file system, and what lives there cannot be seen from here."""
    with monkeypatch.context() as patch:
        patch.setattr("socket.gethostname", lambda: "elsewhere")
        stage_in_a_process(tmp_path)
    (staged,) = (tmp_path / "blocks-1" / "temporary").iterdir()
    cache_at(tmp_path)
    assert staged.exists()
    os.utime(staged, (time.time() - 8 * 86400,) * 2)
    cache_at(tmp_path)
    assert not staged.exists()


def test_what_nobody_knows_who_staged_goes_when_it_is_old(tmp_path):
    temporary = cache_at(tmp_path).directory / "temporary"
    old, young = temporary / "1-2-3", temporary / "x@y"
    old.touch()
    young.touch()
    os.utime(old, (time.time() - 8 * 86400,) * 2)
    cache_at(tmp_path)
    assert [path.name for path in temporary.iterdir()] == ["x@y"]


def test_backups_and_other_people_stay_out(tmp_path):
    root = tmp_path / "cache"
    store = cache_at(root).store(OUTPUT)
    put(store, 0)
    assert (root / "CACHEDIR.TAG").read_bytes().startswith(b"Signature: 8a477f597d28d172789f0688")
    assert block_files(root)["0"].stat().st_mode & 0o077 == 0
    assert leaves_file(root).stat().st_mode & 0o077 == 0


def test_a_cache_folder_that_cannot_be_used_is_named(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match=r"cache directory .*file.*--cache-dir"):
        cache_at(tmp_path / "file")


def filled(folder):
    """A cache that has every block of the output, as a later process finds it."""
    for number in range(len(BLOCKS)):
        put(cache_at(folder).store(OUTPUT), number)
    return cache_at(folder)


def failing(patch, call, code, end=""):
    """Let a call of the system fail for paths with this end, and count how often it does."""
    real, failed = getattr(os, call), []

    def fail(target, *more, **options):
        if str(target).endswith(end):
            failed.append(target)
            raise OSError(code, os.strerror(code))
        return real(target, *more, **options)

    patch.setattr(os, call, fail)
    return failed


@pytest.mark.parametrize("code", [errno.EMFILE, errno.EIO, errno.ESTALE])
@pytest.mark.parametrize(("call", "end"), [("open", "/leaves"), ("pread", "")])
def test_leaves_that_cannot_be_read_are_not_taken_for_none(tmp_path, monkeypatch, code, call, end):
    cache = filled(tmp_path)
    with monkeypatch.context() as patch:
        failing(patch, call, code, end)
        for look in (cache.holds_whole, cache.holds_everywhere, lambda o: list(cache.lacking([o]))):
            with pytest.raises(CacheError, match=f"cache {tmp_path}: {os.strerror(code)}; fix"):
                look(OUTPUT)
        store = cache.store(OUTPUT)
        # Who reads fetches it.
        assert not store.holds(0)
        assert store.read(0) is None
        del store
    assert list(cache.lacking([OUTPUT])) == [[0]]
    assert cache.holds_whole(OUTPUT)
    assert cache.holds_everywhere(OUTPUT)


def test_what_was_fetched_since_is_there_though_the_leaves_could_not_be_read(tmp_path, monkeypatch):
    cache = filled(tmp_path)
    with monkeypatch.context() as patch:
        failing(patch, "open", errno.EMFILE, "/leaves")
        store = cache.store(OUTPUT)
    for number in range(len(BLOCKS)):
        with pytest.raises(CacheError):
            cache.holds_everywhere(OUTPUT)
        put(store, number)
    assert cache.holds_whole(OUTPUT)
    assert cache.holds_everywhere(OUTPUT)
    assert list(cache.lacking([OUTPUT])) == [[0]]


@pytest.mark.parametrize("end", ["/0", "/0/1"])
def test_a_block_that_cannot_be_looked_at_is_not_taken_for_none(tmp_path, monkeypatch, end):
    cache = filled(tmp_path)
    failing(monkeypatch, "lstat", errno.ESTALE, end)
    with pytest.raises(CacheError):
        list(cache.lacking([OUTPUT]))
    if end == "/0/1":
        with pytest.raises(CacheError):
            cache.holds_everywhere(OUTPUT)
        assert not cache.store(OUTPUT).holds(1)


def test_an_output_whose_directory_cannot_be_looked_at_is_not_taken_for_none(tmp_path, monkeypatch):
    cache = filled(tmp_path)
    failing(monkeypatch, "lstat", errno.EIO, OUTPUT.key[2:])
    for look in (cache.holds_whole, cache.holds_everywhere, lambda o: list(cache.lacking([o]))):
        with pytest.raises(CacheError):
            look(OUTPUT)
