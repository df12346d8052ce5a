"""What a restore brings is on disk before a reader has it; the cache gets it if that is wanted."""

import errno
import os
from unittest.mock import Mock

import pytest

from casfs.blocks.disk.block_store import BlockStore
from casfs.blocks.disk.part_store import PartStore
from casfs.blocks.verify import LeafVerdict, Trust
from casfs.blocks.write_through import WriteThrough
from casfs.errors import DestinationFullError

DATA = memoryview(b"bytes")


def part(leaf: bytes | None = b"leaf", held: bool = False) -> Mock:
    """A store of a restore, and what the cache has of the same output."""
    store = Mock(spec=PartStore)
    store.leaves = Mock()
    store.leaves.leaf.return_value = leaf
    store.leaves.trust.return_value = Trust.WHOLE
    store.place = Mock()
    store.place.error.return_value = DestinationFullError("the disk is full")
    store.cached = Mock(spec=BlockStore)
    store.cached.holds.return_value = held
    store.cached.leaves = Mock()
    store.cached.leaves.put.return_value = Mock(verdict=LeafVerdict.GOOD)
    return store


def full(*arguments: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_blocks_are_written_and_nothing_waits():
    store, writer = part(), WriteThrough(None)
    writer.save(store, "output", [(0, DATA), (3, DATA)])
    assert [call.args for call in store.write.call_args_list] == [(0, DATA), (3, DATA)]
    assert not writer.unwritten
    assert writer.lasting() > 1 << 50
    store.cached.write.assert_not_called()


def test_a_full_disk_is_an_error_that_tells_what_to_do():
    store = part()
    store.write.side_effect = full
    with pytest.raises(DestinationFullError, match="the disk is full"):
        WriteThrough(None).save(store, "output", [(0, DATA)])


def test_the_cache_gets_what_it_lacks_and_a_hash_is_known_of():
    behind = Mock()
    store = part()
    WriteThrough(behind).save(store, "output", [(2, DATA)])
    store.cached.write.assert_called_once_with(2, DATA)
    ((kept,),) = store.cached.leaves.put.call_args.args
    # The file of leaves has no word for more.
    assert (kept.number, kept.leaf, kept.trust) == (2, b"leaf", Trust.CHECKED)
    behind.added.assert_called_once_with(len(DATA))
    for other in (part(leaf=None), part(held=True)):
        WriteThrough(behind).save(other, "output", [(2, DATA)])
        other.cached.write.assert_not_called()


def test_a_full_cache_disk_does_not_end_a_restore():
    store, behind = part(), Mock()
    store.cached.write.side_effect = full
    WriteThrough(behind).save(store, "output", [(2, DATA)])
    store.write.assert_called_once()
    behind.added.assert_not_called()
