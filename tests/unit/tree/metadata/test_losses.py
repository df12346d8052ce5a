"""A listing that lost more than it should is a warning; one that broke off changes nothing."""

import contextlib
import json
import logging
import time
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from casfs.deadline import Deadline
from casfs.errors import NotFoundError, UnreachableError
from casfs.metrics import Metrics
from casfs.tree.metadata import cached_listing
from casfs.tree.metadata.account import Account
from casfs.tree.metadata.account_settings import AccountSettings
from casfs.tree.metadata.job_table import JobTable
from casfs.tree.sqlite.database import Database
from casfs.tree.tree_tuning import TreeTuning
from tests.support.catalogs import CachedJobs
from tests.support.server import Answer, serving
from tests.support.service import html, refusal, service_at

NOW = datetime.now(UTC)
GENEROUS = 30


def facts(name, completed=None, state="Succeeded", created=None):
    """A job as CAS words it; times are hours before now."""

    def ago(hours):
        return None if hours is None else (NOW - timedelta(hours=hours)).isoformat()

    return {
        "JobId": name,
        "Action": "ArchiveRetrieval",
        "StatusCode": state,
        "CreationDate": ago(created),
        "CompletionDate": ago(completed),
    }


class Vault:
    """Serves the jobs that a test sets, or what else it does."""

    def __init__(self, jobs):
        self.jobs = jobs
        self.instead = None

    def __call__(self, request, wire):
        if self.instead is not None:
            return self.instead(request, wire)
        vault = {"VaultName": "v", "VaultQCS": "q"}
        if request.path.endswith("/vaults"):
            return Answer(body=json.dumps({"VaultList": [vault], "Marker": None}).encode())
        return Answer(body=json.dumps({"JobList": self.jobs, "Marker": None}).encode())


@contextmanager
def account_of(vault, tmp_path, ttl=0.0):
    with (
        serving(vault) as server,
        service_at(server.url, attempts=1) as service,
    ):
        database = Database(tmp_path / "catalogue.db")
        metrics, settings = Metrics(), AccountSettings(ttl, GENEROUS)
        yield Account(service, JobTable(database), CachedJobs(), lambda _: None, settings, metrics)
        database.close()


def warned(caplog):
    return [r.getMessage() for r in caplog.records if "not due to expire" in r.getMessage()]


LOST = {
    "many of them": (40, 12, {"completed": 1}, True),
    "all of them": (11, 11, {"completed": 1}, True),
    "more than ten, but no tenth": (130, 12, {"completed": 1}, False),
    "ten": (20, 10, {"completed": 1}, False),
    "what was due": (40, 40, {"completed": 25}, False),
    "what ran": (40, 12, {"created": 2, "state": "InProgress"}, True),
    "what ran long ago": (40, 40, {"created": 50, "state": "InProgress"}, False),
    "what has no times": (40, 12, {}, True),
}


@pytest.mark.parametrize(("count", "lost", "times", "told"), LOST.values(), ids=LOST.keys())
def test_a_list_that_loses_much_is_a_warning(tmp_path, caplog, count, lost, times, told):
    vault = Vault([facts(f"{n:03}", **times) for n in range(count)])
    with account_of(vault, tmp_path) as account, caplog.at_level(logging.WARNING):
        assert len(account.job_names("v")) == count
        assert warned(caplog) == []
        vault.jobs = vault.jobs[lost:]
        assert len(account.job_names("v")) == count - lost
        account.job_names("v")
    assert len(warned(caplog)) == told
    if told:
        assert f"vault v lost {lost} of {count} entries" in warned(caplog)[0]
        assert "rsync --delete" in warned(caplog)[0]


@pytest.mark.parametrize(("count", "told"), [(40, True), (10, False)])
def test_a_vault_that_is_said_to_be_missing_loses_its_jobs_with_a_warning(
    tmp_path, caplog, count, told
):
    vault = Vault([facts(f"{n:03}", completed=1) for n in range(count)])
    with account_of(vault, tmp_path) as account, caplog.at_level(logging.WARNING):
        assert len(account.job_names("v")) == count
        vault.instead = lambda request, wire: refusal(404, "ResourceNotFoundException")
        for _ in range(2):
            with pytest.raises(NotFoundError):
                account.refresh_jobs("v")
    assert len(warned(caplog)) == told
    if told:
        assert f"vault v lost {count} of {count} entries" in warned(caplog)[0]


@pytest.mark.parametrize("jobs", ["missing", "empty"])
def test_a_vault_that_is_not_listed_any_more_loses_its_jobs_with_a_warning(tmp_path, caplog, jobs):
    """Until somebody asks for them they stay; the service may have listed too little."""
    vault = Vault([facts(f"{n:03}", completed=1) for n in range(40)])

    def dropped(request, wire):
        if request.path.endswith("/vaults"):
            return Answer(body=json.dumps({"VaultList": [], "Marker": None}).encode())
        if jobs == "missing":
            return refusal(404, "ResourceNotFoundException")
        return Answer(body=json.dumps({"JobList": [], "Marker": None}).encode())

    with account_of(vault, tmp_path) as account, caplog.at_level(logging.WARNING):
        assert len(account.vaults()) == 1
        assert len(account.job_names("v")) == 40
        vault.instead = dropped
        assert [found.name for found in account.vaults()] == ["v"]
        assert len(account.listed_jobs("v")) == 40
        assert warned(caplog) == []
        with contextlib.suppress(NotFoundError):
            assert account.job_names("v") == {}
        assert account.vaults() == []
    assert len(warned(caplog)) == 1
    assert "vault v lost 40 of 40 entries" in warned(caplog)[0]


def test_a_list_of_vaults_that_loses_much_is_a_warning(tmp_path, caplog):
    vaults = [{"VaultName": f"v{n}", "VaultQCS": "q"} for n in range(30)]

    def behave(request, wire):
        return Answer(body=json.dumps({"VaultList": vaults, "Marker": None}).encode())

    with account_of(behave, tmp_path) as account, caplog.at_level(logging.WARNING):
        assert len(account.vaults()) == 30
        del vaults[15:]
        assert len(account.vaults()) == 15
    assert "the list of vaults lost 15 of 30 entries" in warned(caplog)[0]


def test_a_gateways_page_takes_nothing_from_a_list(tmp_path):
    vault = Vault([facts(f"{n}", completed=1) for n in range(3)])
    with account_of(vault, tmp_path) as account:
        before = account.job_names("v")
        assert [found.name for found in account.vaults()] == ["v"]
        for status in (404, 410, 403, 401, 407, 302, 400, 200, 502):
            vault.instead = lambda request, wire, status=status: html(status)
            assert account.job_names("v") == before
            assert [found.name for found in account.vaults()] == ["v"]


def test_a_list_that_breaks_off_leaves_the_old_one_and_nothing_else(tmp_path):
    vault = Vault([facts(f"{n:04}", completed=1) for n in range(1500)])

    def broken(request, wire):
        if "marker" in request.query:
            wire.reset()
            return None
        # Some of them known, and many that are not.
        jobs = [facts(f"{n:04}", completed=1) for n in range(500, 4000)]
        return Answer(body=json.dumps({"JobList": jobs, "Marker": "next"}).encode())

    with account_of(vault, tmp_path) as account:
        before = account.job_names("v")
        assert len(before) == 1500
        vault.instead = broken
        with pytest.raises(UnreachableError):
            account.refresh_jobs("v")
        assert account.job_names("v") == before
    with account_of(vault, tmp_path) as again:
        assert again.job_names("v") == before
        database = Database(tmp_path / "catalogue.db")
        assert database.rows("SELECT count(*) FROM jobs") == [(1500,)]
        database.close()
        vault.instead = None
        vault.jobs = vault.jobs[:7]
        again.refresh_jobs("v")
        assert len(again.job_names("v")) == 7


def test_nobody_waits_long_where_a_list_is_known(tmp_path, monkeypatch):
    monkeypatch.setattr(cached_listing, "TUNING", TreeTuning(listing_patience=0.2))
    vault = Vault([facts("a", completed=1)])
    with account_of(vault, tmp_path) as account:
        before = account.job_names("v")
        deadline = Deadline(GENEROUS / 2)
        vault.instead = lambda request, wire: wire.hang()
        assert account.job_names("v") == before
        assert not deadline.passed()


def test_running_jobs_are_not_waited_for_one_by_one_while_the_service_is_away(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(cached_listing, "TUNING", TreeTuning(listing_patience=0.2))
    jobs = [facts(f"{n}", state="InProgress", created=1) for n in range(20)]
    vault = Vault(jobs)
    clock = [1000.0]
    monkeypatch.setattr(
        cached_listing, "time", SimpleNamespace(monotonic=lambda: clock[0], time=time.time)
    )
    with account_of(vault, tmp_path, ttl=60) as account:
        before = account.job_names("v")
        clock[0] += 61
        vault.instead = lambda request, wire: wire.hang()
        deadline = Deadline(GENEROUS)
        assert account.job_names("v") == before
        asked = []

        def counted(request, wire):
            asked.append(request.path)
            wire.hang()

        vault.instead = counted
        assert [account.job("v", name).job.id for name in before] == list(before)
        assert asked == []
        assert not deadline.passed()
