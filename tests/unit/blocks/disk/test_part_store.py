"""The file of a restore: what an earlier run left counts if it hashes to its leaf."""

import os
from unittest.mock import Mock

import pytest

from casfs.blocks.block import Block
from casfs.blocks.buffers import Buffers
from casfs.blocks.disk.part_place import PartPlace
from casfs.blocks.disk.part_store import PartStore
from casfs.blocks.verify import Trust, Verifier
from casfs.metrics import Metrics
from casfs.ranges import BLOCK_SIZE, Layout
from casfs.treehash import SHA256
from tests.support.random_data import random_bytes

SIZE = 2 * BLOCK_SIZE + 5
DATA = random_bytes(SIZE)
LAYOUT = Layout(SIZE, 0, 3)


def open_store(path, metrics=None) -> PartStore:
    directory = os.open(path, os.O_RDONLY)
    place = PartPlace(directory, "ab" * 32, "a.bin")
    os.close(directory)
    return PartStore(place, LAYOUT, Verifier(SHA256), Buffers(), metrics or Metrics(), Mock())


def block(number: int) -> memoryview:
    return memoryview(DATA)[number * BLOCK_SIZE : (number + 1) * BLOCK_SIZE]


def bring(store: PartStore, *numbers: int) -> None:
    for number in numbers:
        data = block(number)
        store.leaves.put([Block(number, data, SHA256.leaf(data), Trust.CHECKED)])
        store.write(number, data)
    store.leaves.flush()


def test_the_next_run_finds_what_is_there(tmp_path):
    bring(open_store(tmp_path), 0, 2)
    store = open_store(tmp_path)
    assert [store.holds(number) for number in range(3)] == [True, False, True]
    assert (store.missing(), store.cached_bytes()) == (BLOCK_SIZE, BLOCK_SIZE + 5)
    loaded = store.load(2)
    assert loaded is not None
    assert bytes(loaded.data) == bytes(block(2))
    assert store.load(1) is None


@pytest.mark.parametrize("damage", ["flip", "cut", "no leaves"])
def test_what_is_damaged_is_missing(tmp_path, damage):
    bring(open_store(tmp_path), 0, 1, 2)
    (part,) = tmp_path.glob("*.part")
    (leaves,) = tmp_path.glob("*.leaves")
    if damage == "flip":
        data = bytearray(part.read_bytes())
        data[2 * BLOCK_SIZE] ^= 1
        part.write_bytes(data)
    elif damage == "cut":
        os.truncate(part, SIZE - 1)
    else:
        leaves.unlink()
    metrics = Metrics()
    store = open_store(tmp_path, metrics)
    # A flipped byte shows when the block is read.
    assert store.load(2) is None
    assert not store.holds(2)
    assert store.missing() == (SIZE if damage == "no leaves" else 5)


def test_what_is_longer_than_the_archive_is_cut_and_what_came_too_late_is_not_written(tmp_path):
    bring(open_store(tmp_path), 0)
    (part,) = tmp_path.glob("*.part")
    os.truncate(part, SIZE + 100)
    store = open_store(tmp_path)
    assert part.stat().st_size == SIZE
    store.write(1, block(1), generation=store.leaves.generation + 1)
    assert not store.holds(1)


def test_a_block_is_copied_from_the_cache(tmp_path):
    store = open_store(tmp_path)
    store.leaves.put([Block(1, block(1), SHA256.leaf(block(1)), Trust.CHECKED)])
    store.share(1, block(1), tmp_path / "evicted")
    assert store.read(1) == block(1)


def test_what_came_since_it_was_opened_is_counted_by_where_it_came_from(tmp_path):
    bring(open_store(tmp_path), 0)
    store = open_store(tmp_path)
    assert (store.fetched(), store.copied()) == (0, 0)
    store.share(1, block(1), tmp_path / "evicted")
    bring(store, 2)
    assert (store.fetched(), store.copied()) == (5, BLOCK_SIZE)
    # One that has rotted, and was fetched again.
    bring(store, 0)
    assert (store.fetched(), store.copied()) == (BLOCK_SIZE + 5, BLOCK_SIZE)
