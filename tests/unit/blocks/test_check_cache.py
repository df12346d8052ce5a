"""Checking the cache while others use it."""

import os

import pytest

from casfs.blocks.check_cache import CacheChecker
from casfs.blocks.disk.derived_files import DerivedFiles
from casfs.blocks.disk.staging import Temporary
from casfs.blocks.disk.store import DiskCache
from casfs.blocks.verify import Trust, Verifier
from casfs.metrics import Metrics
from casfs.treehash import SHA256
from tests.support.archive import MIB, flipped, output_of_bytes, random_bytes
from tests.support.blocks import block_files, put_leaf

DATA = random_bytes(2 * MIB + 5)
OUTPUT = output_of_bytes(DATA)
KEY = "ab" * 32


@pytest.fixture
def disk(tmp_path):
    disk = DiskCache(tmp_path, Verifier(SHA256), Metrics())
    store = disk.store(OUTPUT)
    for number in range(OUTPUT.layout.blocks):
        block = memoryview(DATA[number * MIB : (number + 1) * MIB])
        put_leaf(store.leaves, number, SHA256.leaf(block), Trust.CHECKED)
        store.write(number, block)
    return disk


@pytest.fixture
def derived(tmp_path):
    temporary = Temporary(tmp_path / "temporary")
    temporary.make()
    return DerivedFiles(tmp_path, temporary, lambda _: None, Metrics())


def test_a_block_that_is_evicted_meanwhile_is_not_wrong(disk, derived, tmp_path, monkeypatch):
    path = block_files(tmp_path)["1"]
    store = disk.store(OUTPUT)
    leaf = store.leaves.leaf

    def evicting(number):
        if number == 1:
            path.unlink(missing_ok=True)
        return leaf(number)

    monkeypatch.setattr(store.leaves, "leaf", evicting)
    found = CacheChecker(disk, derived).output(OUTPUT, lambda _: None)
    assert (found.wrong, found.unreadable, found.size) == ((), (), MIB + 5)


def test_a_wrong_block_is_wrong(disk, derived, tmp_path):
    path = block_files(tmp_path)["1"]
    path.write_bytes(flipped(path.read_bytes(), 7))
    found = CacheChecker(disk, derived).output(OUTPUT, lambda _: None)
    assert (found.wrong, found.unreadable, found.size) == ((1,), (), MIB + 5)
    assert not path.exists()


def test_a_derived_file_that_is_evicted_is_not_wrong_and_a_wrong_one_is_removed(derived, tmp_path):
    checker = CacheChecker(DiskCache(tmp_path, Verifier(SHA256), Metrics()), derived)
    found = checker.derived(KEY, lambda _: None)
    assert (found.wrong, found.unreadable, found.size) == ((), (), 0)
    derived.make([DATA], lambda: KEY).close()
    (path,) = tmp_path.rglob("kept")
    used = path.stat().st_mtime_ns - 10**12
    os.utime(path, ns=(used, used))
    found = checker.derived(KEY, lambda _: None)
    assert (found.wrong, found.size, path.stat().st_mtime_ns) == ((), len(DATA), used)
    path.write_bytes(flipped(path.read_bytes(), 7))
    assert checker.derived(KEY, lambda _: None).wrong == (0,)
    assert not path.exists()
