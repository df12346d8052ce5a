"""An output that is not what its job says is refused, whenever its blocks land and are written."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from casfs.blocks.disk.output_store import OutputStore
from casfs.blocks.disk.write_behind import WriteBehind
from casfs.errors import OutputMismatchError
from casfs.treehash import Digest
from tests.support.archive import MIB, Archive, output_of_bytes, random_bytes
from tests.support.blocks import bringing
from tests.support.server import serving

DATA = random_bytes(MIB + 777, seed=6)
WRONG = output_of_bytes(DATA, Digest(bytes(32)))


def read_all(reader):
    return b"".join(bytes(reader.pread(MIB, at)) for at in range(0, reader.size, MIB))


def test_blocks_that_still_wait_for_a_slow_disk_are_not_read_as_if_checked(tmp_path, monkeypatch):
    ready, write = threading.Event(), OutputStore.write

    def write_late(store, *block):
        assert ready.wait(60)
        write(store, *block)

    monkeypatch.setattr(OutputStore, "write", write_late)
    archive = Archive(DATA, hashes=False)
    with serving(archive) as server, bringing(server.url, tmp_path) as parts:
        try:
            for _ in range(3):
                with pytest.raises(OutputMismatchError):
                    read_all(parts.reader(WRONG))
        finally:
            ready.set()


def test_blocks_that_land_after_the_mismatch_are_not_read_as_if_checked(tmp_path, monkeypatch):
    held, ready, save = threading.Event(), threading.Event(), WriteBehind.save

    def save_late(write_behind, store, key, blocks):
        blocks = list(blocks)
        if blocks[0][0] == 0 and not held.is_set():
            held.set()
            assert ready.wait(60)
        save(write_behind, store, key, blocks)

    monkeypatch.setattr(WriteBehind, "save", save_late)
    archive = Archive(DATA, hashes=False)
    with (
        serving(archive) as server,
        bringing(server.url, tmp_path) as parts,
        ThreadPoolExecutor(1) as pool,
    ):
        opened = parts.cache.open(WRONG)
        first = pool.submit(parts.cache.get, opened, range(1), None, 0, MIB)
        try:
            assert held.wait(60)
            with pytest.raises(OutputMismatchError):
                parts.cache.get(opened, range(1, 2), None, MIB, MIB + 1)
        finally:
            ready.set()
        with pytest.raises(OutputMismatchError):
            first.result(60)
        del opened
        for _ in range(2):
            with pytest.raises(OutputMismatchError):
                read_all(parts.reader(WRONG))
