"""What is saved can be found at once, is written in the end, and never holds a reader up."""

import threading

import pytest

from casfs.blocks.block_tuning import BlockTuning
from casfs.blocks.disk.eviction import Evictor
from casfs.blocks.disk.store import DiskCache
from casfs.blocks.disk.write_behind import WriteBehind
from casfs.blocks.verify import Trust, Verifier
from casfs.metrics import Metrics
from casfs.treehash import SHA256
from tests.support.archive import output_of_bytes
from tests.support.blocks import block_files, put_leaf
from tests.support.threads import no_new_threads

GENEROUS = 30
BLOCK = memoryview(b"x" * 4096)
OUTPUT = output_of_bytes(bytes(60 << 20))


class Disk:
    """A store whose writes can be held up or made to fail."""

    def __init__(self, store):
        self._store = store
        self.go_on = threading.Event()
        self.go_on.set()
        self.begun = threading.Event()
        self.error = None

    def write(self, block, data):
        self.begun.set()
        assert self.go_on.wait(GENEROUS)
        if self.error is not None:
            raise self.error
        self._store.write(block, data)


@pytest.fixture
def metrics():
    return Metrics()


@pytest.fixture
def disk(tmp_path, metrics):
    store = DiskCache(tmp_path, Verifier(SHA256), metrics).store(OUTPUT)
    put_leaf(store.leaves, 0, SHA256.leaf(BLOCK), Trust.CHECKED)
    return Disk(store)


@pytest.fixture
def evictor(tmp_path, metrics):
    return Evictor(tmp_path / "blocks-1", 1 << 30, metrics)


@pytest.fixture
def write_behind(evictor, metrics):
    made = WriteBehind(evictor, metrics)
    yield made
    made.close(GENEROUS)


def save(write_behind, disk, numbers):
    write_behind.save(disk, OUTPUT.key, [(number, BLOCK) for number in numbers])


def test_everything_is_on_disk_after_closing(write_behind, disk, tmp_path):
    save(write_behind, disk, range(20))
    write_behind.close(GENEROUS)
    assert block_files(tmp_path).keys() == {str(number) for number in range(20)}
    assert all(path.read_bytes() == BLOCK for path in block_files(tmp_path).values())


def test_a_block_that_waits_is_found(write_behind, disk):
    disk.go_on.clear()
    save(write_behind, disk, [7, 8])
    assert disk.begun.wait(GENEROUS)
    for number in (7, 8):
        assert write_behind.unwritten.get((OUTPUT.key, number)) == BLOCK
    assert write_behind.unwritten.get((OUTPUT.key, 9)) is None
    disk.go_on.set()
    write_behind.close(GENEROUS)
    assert write_behind.unwritten.get((OUTPUT.key, 7)) is None


def test_a_slow_disk_drops_blocks_instead_of_holding_readers_up(
    write_behind, disk, metrics, monkeypatch, caplog
):
    monkeypatch.setattr("casfs.blocks.disk.write_behind.TUNING", BlockTuning(write_patience=0.01))
    disk.go_on.clear()
    save(write_behind, disk, range(40))
    write_behind.wait_for_room()
    save(write_behind, disk, range(40, 60))
    assert metrics.as_dict()["unsaved_blocks"] == 20
    assert "slow" in caplog.text
    disk.go_on.set()
    write_behind.close(GENEROUS)
    assert metrics.as_dict()["unsaved_blocks"] == 20


def test_waiting_for_room_ends_when_there_is_room(write_behind, disk):
    disk.go_on.clear()
    save(write_behind, disk, range(40))
    waiter = threading.Thread(target=write_behind.wait_for_room)
    waiter.start()
    disk.go_on.set()
    waiter.join(GENEROUS)
    assert not waiter.is_alive()


def test_a_failing_disk_is_counted_and_told_once(write_behind, disk, metrics, caplog):
    disk.error = OSError(28, "No space left on device")
    save(write_behind, disk, range(5))
    write_behind.close(GENEROUS)
    assert metrics.as_dict()["unsaved_blocks"] == 5
    assert caplog.text.count("make room") == 1


def test_a_bug_is_reported_and_ends_no_thread(write_behind, disk, metrics, tmp_path, caplog):
    disk.error = ValueError("a bug")
    save(write_behind, disk, range(6))
    for number in range(6):
        while write_behind.unwritten.get((OUTPUT.key, number)) is not None:
            assert all(thread.is_alive() for thread in write_behind._threads)
    disk.error = None
    save(write_behind, disk, [7])
    write_behind.close(GENEROUS)
    assert list(block_files(tmp_path)) == ["7"]
    assert metrics.as_dict()["unsaved_blocks"] == 6
    assert "hit a bug" in caplog.text


def test_a_closed_saver_takes_nothing(write_behind, disk, metrics):
    write_behind.close(GENEROUS)
    save(write_behind, disk, [1])
    assert write_behind.unwritten.get((OUTPUT.key, 1)) is None
    assert metrics.as_dict()["unsaved_blocks"] == 1


def test_the_disk_gets_a_block_while_it_is_at_another(write_behind, disk, monkeypatch):
    both = threading.Barrier(2)
    write = disk.write

    def together(block, data):
        both.wait(GENEROUS)
        write(block, data)

    monkeypatch.setattr(disk, "write", together)
    save(write_behind, disk, range(2))
    write_behind.close(GENEROUS)
    assert not both.broken


def test_nothing_is_written_while_room_is_made(write_behind, disk, evictor, monkeypatch):
    """Else the cache outgrows its size for as long as that takes."""
    begun, go_on = threading.Event(), threading.Event()
    make_room = evictor.make_room

    def slowly():
        begun.set()
        assert go_on.wait(GENEROUS)
        make_room()

    monkeypatch.setattr(evictor, "make_room", slowly)
    save(write_behind, disk, [0])
    assert begun.wait(GENEROUS)
    disk.begun.clear()
    save(write_behind, disk, range(1, 6))
    assert not disk.begun.wait(0.1)
    go_on.set()
    write_behind.close(GENEROUS)
    assert disk.begun.is_set()
    assert all(write_behind.unwritten.get((OUTPUT.key, number)) is None for number in range(6))


def test_a_folder_that_cannot_be_looked_through_stops_nothing(
    write_behind, disk, evictor, monkeypatch, tmp_path, caplog
):
    def fail():
        raise OSError(5, "Input/output error")

    monkeypatch.setattr("casfs.blocks.disk.eviction.spare_bytes", lambda _: fail())
    save(write_behind, disk, range(5))
    write_behind.close(GENEROUS)
    assert len(block_files(tmp_path)) == 5
    assert "cannot scan the cache" in caplog.text


def test_blocks_wait_where_no_thread_can_be_started_and_are_written_later(
    write_behind, disk, tmp_path, caplog
):
    with no_new_threads():
        save(write_behind, disk, range(3))
        save(write_behind, disk, range(3, 5))
    assert caplog.text.count("ulimit") == 1
    assert write_behind.unwritten.get((OUTPUT.key, 0)) == BLOCK
    save(write_behind, disk, [5])
    write_behind.close(GENEROUS)
    assert block_files(tmp_path).keys() == {str(number) for number in range(6)}


def test_without_a_thread_it_ends_and_says_what_was_not_cached(write_behind, disk, caplog):
    with no_new_threads():
        save(write_behind, disk, range(3))
        write_behind.close(GENEROUS)
    assert "3 blocks were not cached" in caplog.text
