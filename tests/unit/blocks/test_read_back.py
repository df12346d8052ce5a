"""What is on disk is what was verified, on any file system."""

import errno
import hashlib
import os
import threading
from types import SimpleNamespace
from unittest.mock import Mock

import pytest

from casfs.blocks.block import Block
from casfs.blocks.buffers import Buffers
from casfs.blocks.disk.part_place import PartPlace
from casfs.blocks.disk.part_store import PartStore
from casfs.blocks.read_back import ReadBack, ReadBehind
from casfs.blocks.verify import Trust, Verifier
from casfs.errors import DestinationError, DestinationSyncError, ThreadError
from casfs.metrics import Metrics
from casfs.ranges import BLOCK_SIZE, Layout
from casfs.treehash import SHA256
from tests.support.random_data import random_bytes

SIZE = 5 * BLOCK_SIZE + 4097


class Restored:
    """A file that is being restored, whose blocks have come."""

    def __init__(self, path, size=SIZE):
        self.data = random_bytes(size)
        self.layout = Layout(size, 0, -(-size // BLOCK_SIZE))
        self.path = path
        self.memory = Buffers()
        self.brought = []
        self.writes = True
        self.store = self.open()
        for number in range(self.layout.blocks):
            data = self.block(number)
            self.store.leaves.put([Block(number, data, SHA256.leaf(data), Trust.CHECKED)])
            self.store.write(number, data)

    def open(self):
        directory = os.open(self.path, os.O_RDONLY)
        place = PartPlace(directory, "ab" * 32, "a.bin")
        os.close(directory)
        return PartStore(place, self.layout, Verifier(SHA256), self.memory, Metrics(), Mock())

    def block(self, number):
        first, stop = self.layout.span(range(number, number + 1))
        data = self.memory.take(stop - first)
        data[:] = self.data[first:stop]
        return data

    def bring(self, number):
        self.brought.append(number)
        data = self.block(number)
        if self.writes:
            self.store.write(number, data)
        return data

    def read_back(self, received):
        """Read all back, as blocks that were just received or are from an earlier run."""
        back = ReadBack(self.store, self.layout, Verifier(SHA256), self.bring)
        blocks = [(n, self.block(n) if received else None) for n in range(self.layout.blocks)]
        with ReadBehind(back) as behind:
            for at in range(0, len(blocks) - 2, 2):
                behind.add(blocks[at : at + 2])
            behind.end()
        back.hash(back.check(blocks[-2:], os.fsync))
        return back.sha256

    @property
    def sha256(self):
        return hashlib.sha256(self.data).hexdigest()

    def on_disk(self):
        (part,) = self.path.glob("*.part")
        return part.read_bytes()

    def spoil(self, number):
        with open(self.path / self.store.place.name, "r+b") as file:
            file.seek(number * BLOCK_SIZE)
            byte = file.read(1)
            file.seek(-1, os.SEEK_CUR)
            file.write(bytes([byte[0] ^ 1]))


@pytest.fixture(params=["past the page cache", "through it", "through it, as is seen late"])
def disk(request, monkeypatch):
    """File systems that can be written and read past the page cache, and those that cannot."""
    opened, read, write = os.open, os.preadv, os.pwrite
    direct = set()

    def refuse():
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))

    def open_file(path, flags, *arguments, **named):
        if flags & os.O_DIRECT:
            if request.param == "through it":
                refuse()
            direct.add(file := opened(path, flags & ~os.O_DIRECT, *arguments, **named))
            return file
        return opened(path, flags, *arguments, **named)

    if request.param != "past the page cache":
        monkeypatch.setattr(os, "open", open_file)
        monkeypatch.setattr(
            os, "preadv", lambda file, *rest: refuse() if file in direct else read(file, *rest)
        )
        monkeypatch.setattr(
            os, "pwrite", lambda file, *rest: refuse() if file in direct else write(file, *rest)
        )


@pytest.mark.parametrize("size", [SIZE, 6 * BLOCK_SIZE, 4096, 1])
@pytest.mark.parametrize("received", [True, False])
def test_what_is_on_disk_is_hashed(disk, tmp_path, size, received):
    restored = Restored(tmp_path, size)
    assert restored.read_back(received) == restored.sha256
    assert restored.on_disk() == restored.data
    assert restored.brought == []


@pytest.mark.parametrize("received", [True, False])
def test_blocks_that_are_wrong_on_disk_are_fetched_and_written_again(disk, tmp_path, received):
    restored = Restored(tmp_path)
    for number in (0, 3, 5):
        restored.spoil(number)
    assert restored.read_back(received) == restored.sha256
    assert restored.on_disk() == restored.data
    assert restored.brought == [0, 3, 5]


def test_a_disk_that_gives_back_other_bytes_is_named(disk, tmp_path):
    restored = Restored(tmp_path)
    restored.spoil(2)
    restored.writes = False
    with pytest.raises(DestinationError, match=r"block 2 of a\.bin is not on disk"):
        restored.read_back(received=True)


def test_a_disk_that_cannot_sync_is_said_to_be_so(tmp_path, monkeypatch):
    def fsync(file):
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))

    restored = Restored(tmp_path)
    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(DestinationSyncError, match=r"write a\.bin: .* cannot sync files \(fsync\)"):
        restored.read_back(received=True)


def test_space_is_allocated_ahead_unless_too_little_would_be_left(tmp_path, monkeypatch):
    size = 32 * BLOCK_SIZE
    for free, allocated in ((size, False), (1 << 40, True)):
        status = SimpleNamespace(f_bavail=free // 4096, f_frsize=4096)
        monkeypatch.setattr(os, "fstatvfs", lambda file, status=status: status)
        folder = tmp_path / str(free)
        folder.mkdir()
        layout = Layout(size, 0, size // BLOCK_SIZE)
        directory = os.open(folder, os.O_RDONLY)
        place = PartPlace(directory, "ab" * 32, "a.bin")
        os.close(directory)
        store = PartStore(place, layout, Verifier(SHA256), Buffers(), Metrics(), Mock())
        found = os.fstat(store.file.descriptor)
        assert found.st_size == 0
        assert (found.st_blocks * 512 >= size) == allocated


@pytest.mark.parametrize("refused", ["read-back", "sha256"])
def test_a_machine_without_threads_says_so(tmp_path, monkeypatch, refused):
    start = threading.Thread.start

    def refuse(thread):
        if thread.name.startswith(refused):
            raise RuntimeError("can't start new thread")
        start(thread)

    restored = Restored(tmp_path)
    monkeypatch.setattr(threading.Thread, "start", refuse)
    with pytest.raises(ThreadError, match="process limit"):
        restored.read_back(received=True)
