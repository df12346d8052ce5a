"""Which jobs are forgotten once they are no longer listed, and what it takes to find that out."""

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing

import pytest

from casfs.errors import CacheError
from casfs.model import output_of
from casfs.service.service import Service
from casfs.tree.archive_outputs import archive_output
from casfs.tree.metadata import expired_jobs
from casfs.tree.metadata.expired_jobs import ExpiredJobs
from casfs.treehash import Digest
from tests.support.archive import MIB
from tests.support.catalogs import FIRST_VERSION
from tests.support.service import service_at
from tests.support.vaults import archive, job, vaults_at

SIZE = 3 * MIB


@pytest.fixture
def vaults(tmp_path):
    with vaults_at(tmp_path / "c.sqlite") as made:
        made.take("i", [archive(f"{n}", f"dir/{n}", size=SIZE) for n in range(4)])
        yield made


@pytest.fixture
def service() -> Iterator[Service]:
    with service_at("http://127.0.0.1:1") as made:
        yield made


class Held:
    """A cache that has something under these keys, and notes which it was asked for."""

    def __init__(self) -> None:
        self.keys: set[str] = set()
        self.failure: CacheError | None = None
        self.asked: list[str] = []

    def __call__(self, keys):
        if self.failure is not None:
            raise self.failure
        self.asked.extend(keys)
        return self.keys & set(keys)


@pytest.fixture
def held():
    return Held()


@pytest.fixture
def expired(service, vaults, held):
    return ExpiredJobs(service, vaults.database, held)


def job_of(name, archive_id, first=0, stop=3, **facts):
    span = f"{first * MIB}-{stop * MIB - 1}"
    return job(name, archive_id, ArchiveSizeInBytes=SIZE, RetrievalByteRange=span, **facts)


def inventory(name):
    return job(name, "", Action="InventoryRetrieval", ArchiveId=None, InventorySizeInBytes=7)


def own_key(service, one, size=None):
    return output_of(one, size or one.size or 0, service.origin).key


def known(vaults):
    return {name for name, _, _ in vaults.catalog.jobs("v")}


def list_only(vaults, *jobs):
    vaults.catalog.list_jobs("v", jobs, 1.0)


def test_what_is_not_listed_and_not_cached_is_forgotten(vaults, expired):
    listed = job_of("listed", "0")
    expired.forget("v")
    list_only(vaults, listed, job_of("gone", "1"), inventory("old"), job_of("half", "2", 1, 2))
    expired.forget("v")
    assert known(vaults) == {"listed", "gone", "old", "half"}
    list_only(vaults, listed)
    expired.forget("v")
    assert known(vaults) == {"listed"}
    vaults.readable.refresh()
    assert [vaults.archives.by_id("v", f"{n}").readable for n in range(3)] == [True, False, False]


def test_what_brought_something_that_is_cached_stays(vaults, expired, held, service):
    alone, half, other = job_of("alone", "0"), job_of("half", "1", 0, 1), job_of("other", "2")
    stated = job_of("stated", "3", 2, 3, ArchiveSHA256TreeHash="cd" * 32)
    jobs = [alone, half, other, stated, inventory("as stated"), inventory("as measured")]
    list_only(vaults, *jobs)
    vaults.catalog.put_size("v", "as measured", 9)
    digest = Digest(bytes.fromhex("ab" * 32))
    held.keys = {
        own_key(service, alone),
        # What several jobs bring together is under the key of the archive, by either hash.
        archive_output(half, SIZE, digest, service.origin).key,
        archive_output(stated, SIZE, Digest(bytes.fromhex("cd" * 32)), service.origin).key,
        own_key(service, jobs[4]),
        own_key(service, jobs[5], 9),
    }
    list_only(vaults)
    expired.forget("v")
    assert known(vaults) == {"alone", "half", "stated", "as stated", "as measured"}


def test_what_alone_tells_of_an_archive_stays(vaults, expired):
    list_only(vaults, job_of("known", "0"), job_of("only", "in no inventory"))
    vaults.readable.refresh()
    list_only(vaults)
    expired.forget("v")
    vaults.readable.refresh()
    assert known(vaults) == {"only"}
    assert vaults.archives.by_id("v", "in no inventory") is not None


def test_what_an_earlier_version_cataloged_is_kept_until_its_archive_is_known(
    tmp_path, service, held
):
    path = tmp_path / "older.sqlite"
    with closing(sqlite3.connect(path)) as older:
        older.executescript(FIRST_VERSION)
        only = job_of("retained", "in no inventory").raw
        older.execute("UPDATE jobs SET description = ? WHERE id = 'retained'", (only,))
        older.commit()
    with vaults_at(path) as vaults:
        ExpiredJobs(service, vaults.database, held).forget("v")
        assert known(vaults) == {"listed", "retained"}
        vaults.readable.refresh()
        assert vaults.archives.by_id("v", "in no inventory") is not None


def test_each_is_looked_at_once(vaults, expired, held, service):
    kept, later = job_of("kept", "0"), job_of("later", "1")
    held.keys = {own_key(service, kept)}
    list_only(vaults, kept, later)
    list_only(vaults, later)
    expired.forget("v")
    assert own_key(service, kept) in held.asked
    held.asked.clear()
    expired.forget("v")
    list_only(vaults, later)
    expired.forget("v")
    assert held.asked == []
    list_only(vaults)
    expired.forget("v")
    assert own_key(service, later) in held.asked
    assert own_key(service, kept) not in held.asked
    assert known(vaults) == {"kept"}


def test_nothing_is_forgotten_while_the_cache_cannot_be_looked_at(vaults, expired, held, service):
    kept = job_of("kept", "0")
    list_only(vaults, kept, job_of("gone", "1"))
    list_only(vaults)
    held.keys, held.failure = {own_key(service, kept)}, CacheError("too many open files")
    expired.forget("v")
    assert known(vaults) == {"kept", "gone"}
    held.failure = None
    expired.forget("v")
    assert known(vaults) == {"kept"}


def test_a_catalog_that_begins_again_is_looked_at_again(vaults, expired):
    for _ in range(5):
        list_only(vaults, job_of("a", "0"))
    expired.forget("v")
    vaults.catalog.remove_vault("v")
    list_only(vaults, job_of("b", "0"))
    list_only(vaults)
    expired.forget("v")
    assert known(vaults) == set()


def test_more_than_a_page_of_jobs(vaults, expired, monkeypatch):
    monkeypatch.setattr(expired_jobs, "_PAGE", 3)
    listed = [job_of(f"kept-{n}", "0") for n in range(7)]
    list_only(vaults, *listed, *(job_of(f"gone-{n}", "1") for n in range(7)))
    list_only(vaults, *listed)
    expired.forget("v")
    assert known(vaults) == {one.id for one in listed}


def test_no_other_vault_and_no_archive_without_a_job_is_looked_at(vaults):
    values = ("v", 0, 9, "", 10)
    plan = vaults.database.rows(f"EXPLAIN QUERY PLAN {expired_jobs._EXPIRED}", *values)
    steps = [text for *_, text in plan]
    assert len(steps) == 2
    assert re.fullmatch(r"SEARCH (TABLE )?jobs USING PRIMARY KEY \(vault=\? AND id>\?\)", steps[0])
    assert "archives_by_hash (hash=?)" in steps[1]
