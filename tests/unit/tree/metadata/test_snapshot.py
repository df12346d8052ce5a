"""Which jobs that the service has dropped are shown, kept or forgotten: by what the cache has."""

import errno
import os

import pytest

from casfs.blocks.disk.store import DiskCache
from casfs.blocks.verify import Trust, Verifier
from casfs.errors import CacheError
from casfs.metrics import Metrics
from casfs.tree.metadata.snapshot import Snapshot
from casfs.treehash import SHA256
from tests.support.archive import MIB, random_bytes
from tests.support.blocks import put_leaf
from tests.support.service import service_at
from tests.support.vaults import archive, job, vaults_at

SIZE = 3 * MIB
BLOCK = random_bytes(MIB)


class World:
    """An account whose jobs a test lists, and its cache."""

    def __init__(self, service, vaults, folder):
        self.service, self.vaults, self.folder = service, vaults, folder
        self.reopen()

    def reopen(self):
        self.disk = DiskCache(self.folder, Verifier(SHA256), Metrics())
        self.snapshot = Snapshot(self.service, self.vaults.catalog, self.disk)

    def output(self, one):
        return self.service.output(one, one.size)

    def put(self, one, *numbers):
        store = self.disk.store(self.output(one))
        for number in numbers:
            put_leaf(store.leaves, number, SHA256.leaf(BLOCK), Trust.CHECKED)
            store.write(number, memoryview(BLOCK))

    def list(self, *jobs):
        self.vaults.catalog.list_jobs("v", jobs, 1.0)

    def shown(self):
        return set(self.snapshot.jobs("v"))

    def known(self):
        return {name for name, _, _ in self.vaults.catalog.jobs("v")}

    def readable(self, archive_id):
        self.vaults.readable.refresh()
        return self.vaults.archives.by_id("v", archive_id).readable


@pytest.fixture
def world(tmp_path):
    with service_at("http://127.0.0.1:1") as service, vaults_at(tmp_path / "c.sqlite") as vaults:
        vaults.take("i", [archive(f"{n}", f"dir/{n}", size=SIZE) for n in range(4)])
        yield World(service, vaults, tmp_path / "cache")


def job_of(name, archive_id, first=0, stop=3):
    span = f"{first * MIB}-{stop * MIB - 1}"
    return job(name, archive_id, ArchiveSizeInBytes=SIZE, RetrievalByteRange=span)


def inventory(name):
    return job(name, "", Action="InventoryRetrieval", ArchiveId=None, InventorySizeInBytes=2 * MIB)


def test_what_is_whole_is_retained_and_what_has_left_nothing_is_forgotten(world):
    whole, gone = job_of("whole", "0"), job_of("gone", "1")
    world.put(whole, 0, 1, 2)
    world.list(whole, gone)
    world.list()
    assert world.shown() == world.known() == {"whole"}
    assert world.snapshot.job("v", "whole").retained
    assert (world.readable("0"), world.readable("1")) == (True, False)


def test_jobs_that_have_left_a_part_stay_for_restores_but_are_not_shown(world):
    """By them, a restore finds what they have left, and need not pay for it again."""
    first, second, other = job_of("a", "0", 0, 2), job_of("b", "0", 1, 3), job_of("c", "1", 0, 2)
    listing = inventory("i")
    world.put(first, 0)
    world.put(second, 1)
    world.put(listing, 0)
    world.list(first, second, other, listing)
    assert world.readable("0")
    world.list()
    for _ in range(2):
        assert world.shown() == set()
        assert world.known() == {"a", "b"}
        assert world.snapshot.job("v", "a") is None
        # Whoever reads it as a file would miss most of it.
        assert not world.readable("0")
        assert world.vaults.jobs.in_ranges_or_unlisted("v", ["0", "1"]) == ["0"]
        assert {one.job.id for one in world.vaults.jobs.of("v", ["0"])["0"]} == {"a", "b"}
    world.list(first, second)
    assert world.shown() == {"a", "b"}
    assert world.readable("0")


def fail_for(monkeypatch, call, path, code=errno.EMFILE):
    real = getattr(os, call)

    def fail(target, *more, **options):
        if str(target).startswith(str(path)):
            raise OSError(code, os.strerror(code))
        return real(target, *more, **options)

    monkeypatch.setattr(os, call, fail)


@pytest.mark.parametrize("call", ["open", "lstat", "scandir"])
def test_a_job_of_which_the_cache_cannot_be_read_is_kept(world, monkeypatch, call):
    kept, other, gone = job_of("kept", "0"), job_of("other", "1"), job_of("gone", "2")
    world.put(kept, 0, 1, 2)
    world.put(other, 0, 1, 2)
    world.list(kept, other, gone)
    world.list()
    world.reopen()
    with monkeypatch.context() as patch:
        fail_for(patch, call, world.disk.directory_of(world.output(kept)))
        assert world.shown() == {"kept", "other"}
        assert world.known() == {"kept", "other"}
        assert world.snapshot.job("v", "kept").retained
        assert not world.snapshot.is_cached(kept)
        world.snapshot.forget_job("v", "kept")
    assert world.known() == {"kept", "other"}
    world.reopen()
    assert world.readable("0")
    assert world.snapshot.is_cached(kept)


def test_no_job_is_forgotten_where_its_place_cannot_be_looked_at(world, monkeypatch):
    part, rest = job_of("part", "0", 0, 2), job_of("rest", "1")
    world.put(part, 0)
    world.list(part, rest)
    world.list()
    with monkeypatch.context() as patch:
        place = world.disk.directory_of(world.output(part))
        real = DiskCache.holds_whole

        def holds_whole(self, output):
            found = real(self, output)
            # From here on.
            fail_for(patch, "lstat", place, errno.EIO)
            return found

        patch.setattr(DiskCache, "holds_whole", holds_whole)
        assert world.shown() == {"part", "rest"}
        with pytest.raises(CacheError):
            list(world.disk.held([world.output(part).key]))
    assert world.known() == {"part", "rest"}
    assert world.shown() == set()
    assert world.known() == {"part"}
