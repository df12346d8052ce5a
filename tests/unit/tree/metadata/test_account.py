"""What is asked of the service, and what is answered from memory, catalogue and cache."""

import contextlib
import json
import os
import time
from contextlib import contextmanager

import pytest

from casfs.errors import CasfsError, DeniedError, NotFoundError
from casfs.metrics import Metrics
from casfs.service.service import Service
from casfs.tree.metadata.account import Account
from casfs.tree.metadata.account_settings import AccountSettings
from tests.support.catalogs import CachedJobs, catalog_at
from tests.support.server import Answer, serving
from tests.support.service import html, refusal, service_at


def job(name, status="Succeeded"):
    return {
        "JobId": name,
        "Action": "ArchiveRetrieval",
        "StatusCode": status,
        "ArchiveId": f"archive of {name}",
        "ArchiveSizeInBytes": 5,
        "RetrievalByteRange": "0-4",
    }


class World:
    """An account on a server, whose facts a test changes."""

    def __init__(self):
        self.vaults = ["v", "w"]
        self.jobs = {"a": job("a"), "b": job("b", "InProgress")}
        self.down = False
        self.refusal = ""

    def __call__(self, request, wire):
        if self.down:
            return html(502)
        parts = request.path.strip("/").split("/")[2:]
        if not parts and self.refusal:
            return refusal(403, self.refusal)
        found = self.find(parts)
        if found is None:
            return refusal(404, "ResourceNotFoundException")
        return Answer(body=json.dumps(found).encode())

    def find(self, parts):
        match parts:
            case []:
                return {"VaultList": [{"VaultName": name} for name in self.vaults]}
            case [vault] if vault in self.vaults:
                return {"VaultName": vault}
            case [vault, "jobs"] if vault in self.vaults:
                return {"JobList": list(self.jobs.values()) if vault == "v" else []}
            case [vault, "jobs", name] if vault in self.vaults:
                return self.jobs.get(name)
        return None


@pytest.fixture
def world():
    return World()


@pytest.fixture
def server(world):
    with serving(world) as running:
        yield running


@contextmanager
def account_at(server, folder, *, ttl=0.0, whole=(), failing=False):
    """An account whose jobs named in `whole` are whole in the cache, whose disk may be failing."""
    cache = CachedJobs(whole)
    cache.is_failing = failing
    with (
        service_at(server.url, attempts=1) as service,
        catalog_at(folder / "c.sqlite") as catalog,
    ):
        metrics = Metrics()
        made = Account(
            service,
            catalog,
            cache,
            lambda out: None,
            AccountSettings(ttl, 10),
            metrics,
        )
        made.metrics = metrics  # type: ignore[attr-defined]
        yield made


def names(account):
    return [vault.name for vault in account.vaults()]


def test_fresh_listings_are_asked_for_once(server, tmp_path):
    with account_at(server, tmp_path, ttl=60) as account:
        for _ in range(3):
            assert names(account) == ["v", "w"]
            assert account.job_names("v").keys() == {"a", "b"}
            assert account.vault("v").name == "v"
            assert account.job("v", "a").job.id == "a"
        assert len(server.requests) == 2
    with account_at(server, tmp_path, ttl=60) as later:
        assert names(later) == ["v", "w"]
        assert later.job_names("v").keys() == {"a", "b"}
        assert len(server.requests) == 2


def test_what_a_fresh_listing_lacks_is_asked_for_once(server, world, tmp_path):
    with account_at(server, tmp_path, ttl=60) as account:
        assert names(account) == ["v", "w"]
        account.job_names("v")
        world.vaults.append("x")
        world.jobs["c"] = job("c")
        asked = len(server.requests)
        assert account.vault("x").name == "x"
        assert account.job("v", "c").job.id == "c"
        assert len(server.requests) == asked + 2
        for _ in range(3):
            for missing in ("nope", "%41"):
                with pytest.raises(NotFoundError):
                    account.job("v", missing)
                with pytest.raises(NotFoundError):
                    account.vault(missing)
        assert len(server.requests) == asked + 3
        assert names(account) == ["v", "w", "x"]


def test_what_a_fresh_listing_lacks_is_not_there_when_nobody_answers(server, world, tmp_path):
    with account_at(server, tmp_path, ttl=60) as account:
        account.vaults()
        account.job_names("v")
        world.down = True
        for _ in range(2):
            with pytest.raises(NotFoundError):
                account.vault("x")
            with pytest.raises(NotFoundError):
                account.job("v", "c")


def test_a_listing_is_not_parsed_again_from_the_catalog(server, world, tmp_path, monkeypatch):
    world.jobs["a"]["CompletionDate"] = "2026-02-03T04:05:06Z"
    monkeypatch.delattr(Service, "parse_job")
    for _ in range(2):
        with account_at(server, tmp_path, ttl=1000.0) as account:
            assert account.job_names("v") == {"a": 1770091506_000000000, "b": 0}


def test_old_listings_show_what_came_and_what_went(server, world, tmp_path):
    with account_at(server, tmp_path) as account:
        assert account.job_names("v").keys() == {"a", "b"}
        world.jobs = {"b": job("b"), "c": job("c")}
        world.vaults = ["v", "x"]
        assert account.job_names("v").keys() == {"b", "c"}
        assert names(account) == ["v", "x"]
        with pytest.raises(NotFoundError):
            account.job("v", "a")


def test_one_job_is_asked_for_by_itself_and_only_until_it_is_finished(server, tmp_path, world):
    with account_at(server, tmp_path) as account:
        assert not account.job("v", "b").job.readable
        world.jobs["b"] = job("b")
        assert account.job("v", "b").job.readable
        asked = len(server.requests)
        assert account.job("v", "b").job.readable
        assert len(server.requests) == asked
    assert not any(path.endswith("/jobs") for path in server.paths())


def test_what_the_service_forgot_stays_if_it_is_whole(server, world, tmp_path):
    with account_at(server, tmp_path, whole={"a"}) as account:
        account.job_names("v")
        world.jobs = {}
        assert account.job_names("v").keys() == {"a"}
        assert account.job("v", "a").retained
        with pytest.raises(NotFoundError):
            account.job("v", "b")
    with account_at(server, tmp_path) as later:
        assert later.job_names("v").keys() == set()


def test_a_retained_job_keeps_its_vault(server, world, tmp_path):
    with account_at(server, tmp_path, whole={"a"}) as account:
        names(account)
        account.job_names("v")
        world.vaults = ["w"]
        assert names(account) == ["v", "w"]
        assert account.job_names("v").keys() == {"a"}
    with account_at(server, tmp_path) as later:
        assert names(later) == ["w"]
        with pytest.raises(NotFoundError):
            later.job_names("v")


def test_nothing_is_forgotten_while_the_cache_cannot_be_read(server, world, tmp_path):
    """What it holds seems not to be there then, and would have to be paid for again."""
    with account_at(server, tmp_path, failing=True) as account:
        names(account)
        account.job_names("v")
        world.jobs = {"c": job("c")}
        assert account.job_names("v").keys() == {"a", "b", "c"}
        world.vaults = ["w"]
        assert names(account) == ["v", "w"]
    with account_at(server, tmp_path, whole={"a"}) as later:
        assert names(later) == ["v", "w"]
        assert later.job_names("v").keys() == {"a"}


def test_a_job_that_comes_back_is_no_longer_retained(server, world, tmp_path):
    with account_at(server, tmp_path, whole={"a"}) as account:
        account.job_names("v")
        kept, world.jobs = world.jobs, {}
        account.job_names("v")
        assert account.job("v", "a").retained
        world.jobs = kept
        account.job_names("v")
        assert not account.job("v", "a").retained


def test_a_failing_service_changes_nothing(server, world, tmp_path):
    with account_at(server, tmp_path) as account:
        names(account)
        account.job_names("v")
        world.down = True
        assert names(account) == ["v", "w"]
        assert account.job_names("v").keys() == {"a", "b"}
        assert account.vault("w").name == "w"
        assert account.job("v", "a").job.readable
        assert account.job("v", "b").job.id == "b"
        assert account.metrics.as_dict()["stale_listings"] >= 3
        with pytest.raises(CasfsError):
            account.job_names("w")
        with pytest.raises(CasfsError):
            account.job("v", "unknown")


def test_a_check_asks_and_tells_of_a_refusal_whatever_is_known(server, world, tmp_path):
    with account_at(server, tmp_path, ttl=60) as account:
        names(account)
        asked = len(server.requests)
        account.check()
        assert len(server.requests) == asked + 1
        world.refusal = "ExpiredTokenException"
        with pytest.raises(DeniedError):
            account.check()
        assert names(account) == ["v", "w"]


def test_a_check_passes_without_the_service_if_something_is_known(server, world, tmp_path):
    world.down = True
    with account_at(server, tmp_path) as account, pytest.raises(CasfsError):
        account.check()
    world.down = False
    with account_at(server, tmp_path) as account:
        account.check()
    world.down = True
    with account_at(server, tmp_path) as later:
        later.check()
        assert names(later) == ["v", "w"]


def test_a_job_that_was_not_there_is_there_once_it_is_listed(server, world, tmp_path):
    with account_at(server, tmp_path, ttl=60) as account:
        with pytest.raises(NotFoundError):
            account.job("v", "c")
        world.jobs["c"] = job("c")
        with pytest.raises(NotFoundError):
            account.job("v", "c")
        account.refresh_jobs("v")
        assert account.job("v", "c").job.id == "c"


def test_a_job_that_was_running_is_finished_once_a_list_says_so(server, world, tmp_path):
    with account_at(server, tmp_path, ttl=60) as account:
        assert not account.job("v", "b").job.readable
        world.jobs["b"] = job("b")
        account.refresh_jobs("v")
        assert account.job("v", "b").job.readable


def test_what_another_process_listed_is_known_at_once(server, world, tmp_path):
    with account_at(server, tmp_path, ttl=60) as account:
        assert names(account) == ["v", "w"]
        account.job_names("v")
        assert not account.job("v", "b").job.readable
        world.vaults.append("x")
        world.jobs |= {"b": job("b"), "c": job("c")}
        with account_at(server, tmp_path, ttl=60) as other:
            other.vaults(refresh=True)
            other.refresh_jobs("v")
        asked = len(server.requests)
        assert account.vault("x").name == "x"
        assert account.job("v", "b").job.readable
        assert account.job("v", "c").job.readable
        assert len(server.requests) == asked


@pytest.mark.parametrize("ahead", [1, 600, 86400, 10**9])
def test_a_list_noted_under_a_clock_ahead_is_not_fresh(server, world, tmp_path, ahead, monkeypatch):
    def now():
        return 1_700_000_000.0 + ahead

    monkeypatch.setattr(time, "time", now)
    with account_at(server, tmp_path, ttl=60) as account:
        account.vaults()
        account.job_names("v")
    world.vaults.append("x")
    world.jobs["c"] = job("c")
    ahead = 0
    with account_at(server, tmp_path, ttl=60) as account:
        assert names(account) == ["v", "w", "x"]
        assert account.job_names("v").keys() == {"a", "b", "c"}


def test_a_lost_catalogue_hides_nothing_from_who_knew_it(server, tmp_path):
    with account_at(server, tmp_path, ttl=60) as account:
        assert names(account) == ["v", "w"]
        account.vault("v")
        account.job_names("v")
        assert account.job("v", "a").job.id == "a"
        for file in tmp_path.glob("c.sqlite*"):
            with file.open("r+b") as opened:
                opened.write(os.urandom(file.stat().st_size))
        for _ in range(3):
            # Whoever meets the damage may be told to try again.
            with contextlib.suppress(CasfsError):
                account.refresh_jobs("w")
        assert list(tmp_path.glob("c.damaged"))
        for _ in range(2):
            assert account.vault("v").name == "v"
            assert account.job_names("v").keys() == {"a", "b"}
            assert account.job("v", "a").job.id == "a"
            assert names(account) == ["v", "w"]
        asked = len(server.requests)
        with pytest.raises(NotFoundError):
            account.vault("nope")
        assert len(server.requests) == asked
