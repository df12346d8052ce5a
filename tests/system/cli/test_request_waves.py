"""`casfs request --pace`: waves, and what a pace makes of outputs, which is no fact about them."""

import sqlite3
import time
from contextlib import closing
from datetime import timedelta
from functools import partial

import pytest
from click.testing import CliRunner

from casfs.cli.main import casfs as casfs_command
from casfs.client import Client
from casfs.config import load
from casfs.errors import CatalogError
from casfs.ledger.measured_rate import record_rate
from casfs.restore.settlement import Settlement
from casfs.tree.retrievals import Retrievals
from tests.support.processes import wait_until
from tests.support.request_stress import VAULT, stress
from tests.support.restores import MIB, restores

HOUR = 3600
HIDDEN = 86_400


def rows(one, query, *values):
    """What a query finds in the record of requests."""
    with closing(sqlite3.connect(one.home / "state" / "requests.sqlite", timeout=30)) as ledger:
        found = ledger.execute(query, values).fetchall()
        ledger.commit()
    return found


def states(one):
    return sorted(state for (state,) in rows(one, "SELECT state FROM requests"))


def test_a_pace_makes_no_output_expire_for_others(tmp_path):
    with stress("cas", tmp_path, 2, 60) as one:
        assert one.request("--all", "-y")[0] == 0
        # They can be read for half an hour: too short for 64 bytes at 100 bytes an hour.
        end = time.time() - 23.5 * HOUR
        one.emulator.sql("UPDATE jobs SET completed = ? WHERE archive NOT NULL", end)
        slow = ("--all", "--pace", "100/h")
        before = rows(one, "SELECT * FROM requests"), rows(one, "SELECT * FROM owners")
        status, text = one.request(*slow, "-n")
        assert status == 0, text
        assert "not again" in text
        assert (rows(one, "SELECT * FROM requests"), rows(one, "SELECT * FROM owners")) == before
        status, text = one.request(*slow, "-y")
        assert status == 4, text
        assert "--rerequest yes" in text
        assert states(one) == ["readable", "readable"]
        status, text = one.request("--all", "-y")
        assert (status, "readable now             2" in text) == (0, True), text
        one.check()
        # Requested again, they replace what cannot be fetched.
        status, text = one.request(*slow, "-y", "--rerequest", "yes")
        assert status == 0, text
        assert states(one) == ["expired", "expired", "started", "started"]
        assert sorted(one.jobs().values()) == [2, 2]


def has_jobs(one, count):
    return one.jobs().total() == count


def test_later_waves_follow_while_the_command_waits(tmp_path):
    with stress("cas", tmp_path, 4, 60, "--job-seconds", "1") as one:
        # A wave is what 12 hours fetch: 96 bytes, which is one archive.
        pace = ("--all", "-y", "--pace", "8/h", "--wait")
        with one.start("request", VAULT, *pace) as process:
            try:
                wait_until(lambda: one.jobs().total() == 1, "the first wave")
                (foreign, *_) = sorted(one.archives() - one.jobs().keys())
                one.emulator.retrieve(VAULT, foreign)
                for count in (3, 4):
                    age = 13 * HOUR
                    shift = "UPDATE requests SET uptime = uptime - ?, intended = intended - ?"
                    rows(one, shift, age, age * 1_000_000)
                    wait_until(partial(has_jobs, one, count), f"{count} jobs")
                text = process.communicate(timeout=60)[0]
            finally:
                process.kill()
        assert process.returncode == 0, text
        assert "3 more are requested once these can be fetched" in text
        # That of the other tool may have been done before it was adopted.
        assert text.count("can be read until") >= 3
        one.check()


def test_what_ranges_have_brought_together_meanwhile_is_not_requested(tmp_path):
    size = 3 * MIB
    with restores(tmp_path, {"a.bin": size, "b.bin": size}, "--job-seconds", "0.2") as one:
        # A wave is what 12 hours fetch: one archive.
        pace = ("--all", "-y", "--pace", "300KiB/h", "--wait")
        with one.start("request", VAULT, *pace) as process:
            try:
                wait_until(lambda: one.requested().total() == 1, "the first wave")
                (other,) = one.archives() - one.requested().keys()
                for part in (f"0-{MIB - 1}", f"{MIB}-{size - 1}"):
                    one.emulator.retrieve(VAULT, other, RetrievalByteRange=part)
                done = "SELECT count(*) FROM jobs WHERE archive = ? AND completed <= ?"
                wait_until(
                    lambda: one.emulator.sql(done, other, time.time()) == [(2,)], "both ranges"
                )
                age = 13 * HOUR
                shift = "UPDATE requests SET uptime = uptime - ?, intended = intended - ?"
                rows(one, shift, age, age * 1_000_000)
                output, errors = process.communicate(timeout=60)
            finally:
                process.kill()
        assert process.returncode == 0, output + errors
        assert "1 more are requested once these can be fetched" in output + errors
        assert sorted(one.requested().values()) == [1, 2]


def test_a_wave_follows_after_the_catalog_failed_in_it(tmp_path, monkeypatch):
    real = Retrievals.available_of
    failed: list[str] = []

    def available_of(self, vault, archive):
        if len(failed) < 2:
            failed.append(archive)
            raise CatalogError("the catalog was corrupt and is being rebuilt; try again")
        return real(self, vault, archive)

    monkeypatch.setattr(Retrievals, "available_of", available_of)
    monkeypatch.setattr("casfs.restore.running.WAVE", timedelta(seconds=1))
    monkeypatch.setattr("casfs.restore.waves._RETRY", 0.5)
    with stress("cas", tmp_path, 3, 60, "--job-seconds", "1") as one:
        for name, value in one.environment.items():
            monkeypatch.setenv(name, value)
        paced = ["request", VAULT, "--all", "-y", "--pace", "8/h", "--wait"]
        done = CliRunner().invoke(casfs_command, paced)
        assert done.exit_code == 0, done.output
        assert len(failed) == 2
        one.check()


def test_an_archive_that_is_split_is_looked_up_once_for_each_list(tmp_path, monkeypatch):
    """Of a thousand parts, each look took as long as all jobs of the archive take."""
    looks: list[str] = []
    lists: list[int] = []
    look, list_again = Retrievals.available_of, Settlement.list_again

    def available_of(self, vault, archive):
        looks.append(archive)
        return look(self, vault, archive)

    def counted(self):
        lists.append(len(lists))
        return list_again(self)

    monkeypatch.setattr(Retrievals, "available_of", available_of)
    monkeypatch.setattr(Settlement, "list_again", counted)
    monkeypatch.setattr("casfs.restore.running.WAVE", timedelta(seconds=1))
    with restores(tmp_path, {"a.bin": 9 * MIB}, "--job-seconds", "1") as one:
        for name, value in one.environment.items():
            monkeypatch.setenv(name, value)
        # A wave is what 12 hours fetch: three parts.
        paced = ["request", VAULT, "--all", "--split", "1MiB", "-y", "--pace", "300KiB/h", "--wait"]
        done = CliRunner().invoke(casfs_command, paced)
        assert done.exit_code == 0, done.output
        assert list(one.requested().values()) == [9]
        assert 0 < len(looks) <= len(lists)


def test_what_ranges_have_brought_is_not_requested_again_after_an_error(tmp_path):
    size, options = 3 * MIB, ("--fault", "error-500@post=1,1", "--job-seconds", "0.2")
    with restores(tmp_path, {"a.bin": size}, *options) as one:
        one.settings["CASFS_SETTLE_SECONDS"] = "6"
        with one.start("request", VAULT, "--all", "-y", "--wait") as process:
            try:
                wait_until(lambda: one.requested().total() == 1, "the request that fails")
                (archive,) = one.archives()
                for part in (f"0-{MIB - 1}", f"{MIB}-{size - 1}"):
                    one.emulator.retrieve(VAULT, archive, RetrievalByteRange=part)
                output, errors = process.communicate(timeout=60)
            finally:
                process.kill()
        assert process.returncode == 0, output + errors
        assert one.requested() == {archive: 3}


@pytest.mark.parametrize("earlier", [False, True])
def test_what_was_not_accepted_is_requested_while_the_command_waits(tmp_path, earlier):
    # An error 500 before anything was done, and once only.
    options = ("--fault", "error-500@post=1,1", "--job-seconds", "1")
    with stress("cas", tmp_path, 3, 8 if earlier else 2, *options) as one:
        if earlier:
            assert one.request("--all", "-y")[0] == 75
        status, text = one.request("--all", "-y", "--wait")
        assert status == 0, text
        # On a slow machine the earlier command may have settled some of them.
        assert text.count("can be read until") >= (1 if earlier else 3)
        assert sorted(one.jobs().values()) == [1, 1, 1]


def test_a_pace_that_is_measured_is_that_of_the_last_fetch(tmp_path, monkeypatch):
    with stress("cas", tmp_path, 2, 60) as one:
        status, text = one.request("--all", "-y", "--pace", "auto")
        assert status == 2, text
        assert "--pace 40GiB/h" in text
        for name, value in one.environment.items():
            monkeypatch.setenv(name, value)
        with Client(load()) as client:
            account = client.retrievals.account_key(client.retrievals.vault(VAULT))
            record_rate(client.config.state_dir, account, 100_000_000, 4.0)
        status, text = one.request("--all", "-n", "--pace", "auto")
        assert status == 0, text
        assert f"at 25.0 MB/s (measured {time.strftime('%Y-%m-%d')})" in text


def test_more_jobs_than_a_list_can_show_are_not_started(tmp_path, monkeypatch):
    with stress("cas", tmp_path, 3, 60) as one:
        for name, value in one.environment.items():
            monkeypatch.setenv(name, value)
        # The list has one job, that of the inventory.
        monkeypatch.setattr("casfs.tree.retrievals.MOST_LISTED", 3)
        done = CliRunner().invoke(casfs_command, ["request", VAULT, "--all", "-y"])
        assert done.exit_code == 4, done.output
        assert "casfs could list only 2 of 3 more jobs again" in done.output
        assert one.jobs().total() == 0
        paced = ["request", VAULT, "--all", "-y", "--pace", "1GiB/h"]
        assert CliRunner().invoke(casfs_command, paced).exit_code == 75
        assert one.jobs().total() == 2
        dates = ("--since", "2026-01-01", "-y")
        done = CliRunner().invoke(casfs_command, ["request", VAULT, "--inventory", *dates])
        assert done.exit_code == 4, done.output
        assert "casfs could list only 0 of 1 more jobs again" in done.output
        assert len(one.emulator.job_requests()) == 2
