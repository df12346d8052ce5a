"""What can be read follows the jobs, and costs nothing while they stay."""

import sqlite3
from contextlib import closing
from dataclasses import replace

import pytest

from casfs.tree.archives import readable
from casfs.tree.archives.entries import Scope
from casfs.tree.tree_tuning import TUNING
from tests.support.catalogs import FIRST_VERSION
from tests.support.vaults import archive, job, vaults_at


@pytest.fixture
def vaults(tmp_path):
    with vaults_at(tmp_path / "c.sqlite") as made:
        made.take("i", [archive("1", "dir/a"), archive("2", "dir/b"), archive("3", "other/c")])
        yield made


def run(name, archive_id, **facts):
    return job(name, archive_id, StatusCode="InProgress", **facts)


def piece(name, archive_id, span, **facts):
    return job(name, archive_id, RetrievalByteRange=span, **facts)


def test_an_archive_can_be_read_from_when_its_job_is_done_until_it_is_gone(vaults):
    vaults.list_jobs(run("j", "1"))
    assert vaults.tree(Scope.READABLE) == {}
    vaults.list_jobs(job("j", "1"))
    assert vaults.tree(Scope.READABLE) == {"dir": None, "dir/a": "1"}
    vaults.list_jobs(job("j", "1"), job("k", "1"), job("l", "3"))
    vaults.list_jobs(job("k", "1"), job("l", "3"))
    assert vaults.tree(Scope.READABLE) == {"dir": None, "dir/a": "1", "other": None, "other/c": "3"}
    vaults.list_jobs(job("l", "3"))
    assert vaults.tree(Scope.READABLE) == {"other": None, "other/c": "3"}


def test_one_job_alone_makes_an_archive_readable_at_once(vaults):
    vaults.catalog.put_job(job("j", "2"))
    vaults.readable.refresh()
    assert vaults.tree(Scope.READABLE) == {"dir": None, "dir/b": "2"}
    vaults.catalog.remove_vault("v")
    vaults.readable.refresh()
    assert vaults.tree(Scope.READABLE) == {}


def test_who_is_in_no_hurry_may_pause_between_transactions(vaults, monkeypatch):
    """What was settled by then can be read; readers of 100,000 jobs are not kept waiting."""
    monkeypatch.setattr(readable, "TUNING", replace(TUNING, query_rows=1))
    for number in "123":
        vaults.catalog.put_job(job(f"j{number}", number))
    seen = []
    vaults.readable.refresh(lambda: seen.append(len(vaults.tree(Scope.READABLE))))
    assert len(seen) == 3
    assert 0 < seen[0] < seen[-1] == 5


def test_ranges_that_meet_make_an_archive_readable(vaults):
    vaults.list_jobs(piece("j", "1", "0-2"), piece("k", "2", "0-2"), piece("l", "2", "3-4"))
    assert vaults.tree(Scope.READABLE) == {"dir": None, "dir/b": "2"}
    vaults.list_jobs(piece("k", "2", "0-2"))
    assert vaults.tree(Scope.READABLE) == {}


@pytest.mark.parametrize(
    "facts", [{"StatusCode": "Failed"}, {"Action": "InventoryRetrieval"}, {"ArchiveId": None}]
)
def test_other_jobs_make_nothing_readable(vaults, facts):
    vaults.list_jobs(job("j", "1", **facts))
    assert vaults.tree(Scope.READABLE) == {}
    assert vaults.jobs.of("v", ["1"]) == {}


def test_archives_that_only_jobs_tell_of_are_reached_by_id(vaults):
    vaults.list_jobs(job("j", "unlisted"), run("k", "running"))
    assert [one.id for one in vaults.archives.readable_nameless("v")] == ["unlisted"]
    assert vaults.archives.by_id("v", "running") is not None
    vaults.list_jobs()
    assert vaults.archives.by_id("v", "unlisted") is None
    assert vaults.archives.by_id("v", "running") is None


def test_nothing_is_worked_out_again_while_no_job_changes(vaults):
    vaults.list_jobs(*(job(f"j{n}", f"{n}") for n in range(3)))
    vaults.list_jobs(*(job(f"j{n}", f"{n}") for n in range(3)))
    vaults.catalog.list_jobs("v", [job(f"j{n}", f"{n}", Tier="Bulk") for n in range(3)], 2.0)
    assert vaults.database.rows("SELECT * FROM changed") == []


def test_retained_jobs_of_the_first_version_make_archives_readable(tmp_path):
    path = tmp_path / "c.sqlite"
    retained = job("retained", "1").raw
    with closing(sqlite3.connect(path)) as older:
        older.executescript(FIRST_VERSION)
        older.execute("UPDATE jobs SET description = ? WHERE id = 'retained'", (retained,))
        older.commit()
    with vaults_at(path) as vaults:
        vaults.take("i", [archive("1", "a")])
        vaults.readable.refresh()
        assert vaults.tree(Scope.READABLE) == {"a": "1"}
        (known,) = vaults.jobs.of("v", ["1"])["1"]
        assert known.retained
