"""The catalog in memory, where the disk fails: what it takes along, and what it does without."""

import contextlib

import pytest

from casfs.tree.sqlite import stand_in
from casfs.tree.sqlite.stand_in import StandIn
from tests.support.catalogs import catalog_at, job


def jobs_in(made):
    with made.borrow() as connection:
        return sorted(name for (name,) in connection.execute("SELECT id FROM jobs"))


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "catalog.sqlite"
    with catalog_at(path) as catalog:
        catalog.list_jobs("v", [job("b"), job("a")], 2000.5)
    return path


def test_it_begins_with_all_that_is_in_the_file(path):
    made = StandIn(path)
    assert (made.complete, jobs_in(made)) == (True, ["a", "b"])


def test_from_a_large_file_it_takes_the_listings(path, monkeypatch):
    monkeypatch.setattr(stand_in, "_BYTES", 2 * path.stat().st_size - 1)
    made = StandIn(path)
    assert (made.complete, jobs_in(made)) == (False, ["a", "b"])


def test_from_a_file_that_cannot_be_read_it_takes_nothing(path):
    path.write_bytes(b"no catalog" * 1000)
    made = StandIn(path)
    assert (made.complete, jobs_in(made)) == (False, [])


def test_what_fails_is_undone(path):
    made = StandIn(path)
    with contextlib.suppress(ZeroDivisionError), made.borrow() as connection:
        connection.execute("DELETE FROM jobs")
        raise ZeroDivisionError
    assert jobs_in(made) == ["a", "b"]
