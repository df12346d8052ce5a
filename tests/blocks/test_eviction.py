"""The disk cache keeps its size by dropping what was not read for longest."""

import os

from hypothesis import given, settings
from hypothesis import strategies as st

from casfs.blocks.eviction import Evictor
from casfs.metrics import Metrics


def fill(folder, sizes, output="ab/cd"):
    """Block files of these sizes, the first one oldest."""
    paths = []
    for number, size in enumerate(sizes):
        path = folder / output / str(number // 1024) / str(number)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(bytes(size))
        os.utime(path, (1000 + number, 1000 + number))
        paths.append(path)
    return paths


def total(folder):
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(1, 50), min_size=1, max_size=30), st.integers(0, 800))
def test_the_size_is_kept_and_the_oldest_go_first(tmp_path_factory, sizes, limit):
    folder = tmp_path_factory.mktemp("cache")
    metrics = Metrics()
    paths = fill(folder, sizes)
    Evictor(folder, limit, metrics).added(0)
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
    evictor.added(100)
    assert all(path.exists() for path in paths)
    more = fill(tmp_path, [100] * 3, "ef/gh")
    for path in more:
        os.utime(path, (5000, 5000))
    for _ in more:
        evictor.added(100)
    assert total(tmp_path) <= 1000
    assert all(path.exists() for path in more)


def test_what_others_wrote_counts_when_it_is_looked_at(tmp_path):
    evictor = Evictor(tmp_path, 1000, Metrics())
    fill(tmp_path, [100] * 5)
    evictor.added(100)
    fill(tmp_path, [100] * 20, "ef/gh")
    for _ in range(6):
        evictor.added(100)
    assert total(tmp_path) <= 1000


def test_only_blocks_are_evicted(tmp_path):
    fill(tmp_path, [100] * 5)
    (tmp_path / "ab/cd/leaves").write_bytes(bytes(500))
    (tmp_path / "temporary").mkdir()
    (tmp_path / "temporary" / "1-2-3").write_bytes(bytes(500))
    Evictor(tmp_path, 0, Metrics()).added(1)
    left = sorted(path.name for path in tmp_path.rglob("*") if path.is_file())
    assert left == ["1-2-3", "leaves"]


def test_a_block_that_cannot_be_removed_is_left(tmp_path, caplog):
    (path,) = fill(tmp_path, [100])
    path.unlink()
    path.mkdir()
    Evictor(tmp_path, 0, Metrics()).added(1)
    assert path.exists()
    assert "cannot be evicted" in caplog.text
