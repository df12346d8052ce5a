"""The disk cache keeps its size by dropping what was not read for longest."""

import itertools
import os
import time
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casfs.blocks.disk.eviction import Evictor
from casfs.metrics import Metrics


def fill(folder, sizes, output=f"ab/{'cd' * 31}"):
    """Block files of these sizes, the first one oldest."""
    paths = []
    for number, size in enumerate(sizes):
        path = folder / output / str(number // 1024) / str(number)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(bytes(size))
        os.utime(path, (1000 + number, 1000 + number))
        paths.append(path)
    return paths


def note(evictor):
    """Say that a block was written, and do what is to be done then."""
    evictor.added(100)
    if evictor.due:
        evictor.make_room()


def total(folder):
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


@given(st.lists(st.integers(1, 50), min_size=1, max_size=30), st.integers(0, 800))
def test_the_size_is_kept_and_the_oldest_go_first(tmp_path_factory, sizes, limit):
    folder = tmp_path_factory.mktemp("cache")
    metrics = Metrics()
    paths = fill(folder, sizes)
    Evictor(folder, limit, metrics).make_room()
    left = [path.exists() for path in paths]
    assert total(folder) <= limit
    # What went is older than what stayed, and nothing went without need.
    assert left == sorted(left)
    if sum(sizes) <= limit:
        assert all(left)
    else:
        gone = left.index(True) if any(left) else len(left)
        assert sum(sizes[gone - 1 :]) > limit * 0.9 - 1
    assert metrics.as_dict()["evicted_blocks"] == left.count(False)


def test_what_is_written_later_counts(tmp_path):
    evictor = Evictor(tmp_path, 1000, Metrics())
    paths = fill(tmp_path, [100] * 10)
    note(evictor)
    assert all(path.exists() for path in paths)
    more = fill(tmp_path, [100] * 3, f"ef/{'ab' * 31}")
    for path in more:
        os.utime(path, (5000, 5000))
    for _ in more:
        note(evictor)
    assert total(tmp_path) <= 1000
    assert all(path.exists() for path in more)


def test_what_others_wrote_counts_when_it_is_looked_at(tmp_path):
    evictor = Evictor(tmp_path, 1000, Metrics())
    fill(tmp_path, [100] * 5)
    note(evictor)
    fill(tmp_path, [100] * 20, f"ef/{'ab' * 31}")
    for _ in range(6):
        note(evictor)
    assert total(tmp_path) <= 1000


def test_only_blocks_are_evicted(tmp_path):
    fill(tmp_path, [100] * 5)
    (tmp_path / "ab" / ("cd" * 31) / "leaves").write_bytes(bytes(500))
    (tmp_path / "temporary").mkdir()
    (tmp_path / "temporary" / "1-2-3").write_bytes(bytes(500))
    Evictor(tmp_path, 0, Metrics()).make_room()
    left = sorted(path.name for path in tmp_path.rglob("*") if path.is_file())
    assert left == ["1-2-3", "leaves"]


def test_a_block_of_a_clock_that_was_ahead_does_not_outlive_all_others(tmp_path):
    ahead = fill(tmp_path, [100] * 5)
    for number, path in enumerate(ahead):
        tomorrow = time.time() + 86400 + number
        os.utime(path, (tomorrow, tomorrow))
    now = fill(tmp_path, [100] * 5, f"ef/{'ab' * 31}")
    for number, path in enumerate(now):
        used = time.time() + number * 60
        os.utime(path, (used, used))
    Evictor(tmp_path, 700, Metrics()).make_room()
    # Those ahead go first, in their order; a few minutes are no wrong clock.
    assert [path.exists() for path in ahead] == [False] * 4 + [True]
    assert all(path.exists() for path in now)


class Disk:
    """What the file system says of itself, while others use it too."""

    def __init__(self, folder, size):
        self._folder = folder
        self._size = size
        self.others = 0

    def statvfs(self, _):
        free = max(self._size - self.others - total(self._folder), 0)
        return SimpleNamespace(f_blocks=self._size, f_frsize=1, f_bavail=free)


@pytest.fixture
def disk(tmp_path, monkeypatch):
    made = Disk(tmp_path, 10_000)
    monkeypatch.setattr("os.statvfs", made.statvfs)
    return made


def write(folder, evictor, outputs):
    for number in outputs:
        (path,) = fill(folder, [100], f"ab/{number:062}")
        os.utime(path, (2000 + number, 2000 + number))
        note(evictor)


def test_a_cache_that_fills_its_disk_makes_room_for_itself(tmp_path, disk):
    write(tmp_path, Evictor(tmp_path, 1 << 40, Metrics()), range(300))
    assert 8_000 < total(tmp_path) <= 9_800, "a fiftieth of the disk stays free"


def test_a_cache_does_not_give_way_to_others_who_fill_the_disk(tmp_path, disk):
    """What it holds may be all that is left of an output; and the disk would be full again."""
    evictor = Evictor(tmp_path, 1 << 40, Metrics())
    write(tmp_path, evictor, range(50))
    disk.others = 9_000
    write(tmp_path, evictor, range(50, 70))
    assert total(tmp_path) >= 5_000 - 1_000
    assert total(tmp_path) <= 5_000, "nor does it grow"


def test_a_full_disk_is_not_looked_through_for_every_block(tmp_path, disk, monkeypatch):
    evictor = Evictor(tmp_path, 1 << 40, Metrics())
    write(tmp_path, evictor, range(60))
    disk.others = 9_000
    looks, ages = itertools.count(), evictor._ages
    monkeypatch.setattr(evictor, "_ages", lambda: (next(looks), ages())[1])
    write(tmp_path, evictor, range(60, 100))
    assert next(looks) <= 40


def test_what_could_not_be_written_is_a_reason_to_look_at_the_disk(tmp_path):
    evictor = Evictor(tmp_path, 1 << 40, Metrics())
    evictor.make_room()
    assert not evictor.due
    evictor.failed()
    assert evictor.due
    evictor.make_room()
    assert not evictor.due, "once is enough until something else happens"


def test_an_output_of_which_nothing_is_left_goes_when_it_is_not_used_for_days(tmp_path):
    old, young, kept = f"ab/{1:062}", f"ab/{2:062}", f"cd/{3:062}"
    for output in (old, young):
        fill(tmp_path, [100], output)
        (tmp_path / output / "leaves").write_bytes(bytes(33))
    os.utime(tmp_path / old / "leaves", (1000, 1000))
    (block,) = fill(tmp_path, [100], kept)
    os.utime(block, (5000, 5000))
    (tmp_path / kept / "leaves").write_bytes(bytes(33))
    os.utime(tmp_path / kept / "leaves", (1000, 1000))
    (tmp_path / "temporary").mkdir()
    Evictor(tmp_path, 150, Metrics()).make_room()
    left = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*"))
    assert left == [
        "ab", young, f"{young}/leaves",
        "cd", kept, f"{kept}/0", f"{kept}/0/0", f"{kept}/leaves",
        "temporary",
    ]  # fmt: skip
    Evictor(tmp_path, 0, Metrics()).make_room()
    assert not (tmp_path / "cd").exists()


def test_a_block_that_cannot_be_removed_is_left(tmp_path, caplog):
    (path,) = fill(tmp_path, [100])
    path.unlink()
    path.mkdir()
    Evictor(tmp_path, 0, Metrics()).make_room()
    assert path.exists()
    assert "cannot evict block" in caplog.text


def test_what_eviction_means_is_said_once(tmp_path, caplog):
    """Once when what was not used for long goes, and once when what is being read does."""
    evictor = Evictor(tmp_path, 1000, Metrics())
    for number in range(3):
        fill(tmp_path, [100] * 20, f"ab/{number:062x}")
        evictor.added(2000)
        evictor.make_room()
    assert ["copy what is needed" in message for message in caplog.messages] == [True]
    for number in range(3):
        for path in fill(tmp_path, [100] * 20, f"cd/{number:062x}"):
            os.utime(path)
        evictor.added(2000)
        evictor.make_room()
    assert ["too small for what is read" in message for message in caplog.messages] == [False, True]
