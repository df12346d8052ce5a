"""`casfs request --inventory`: one list of all archives, in as many jobs as that takes."""

import json
import time

import pytest

from tests.support.emulator.running import running_emulator
from tests.support.request_stress import VAULT, stress
from tests.support.schemas import checked_lines
from tests.system.cli.conftest import command_in

MANY = 25_000


def inventories(emulator):
    return emulator.sql(
        "SELECT id, marker, start FROM jobs WHERE kind = 'inventory' ORDER BY created"
    )


@pytest.fixture
def quick(tmp_path):
    with running_emulator(tmp_path / "emulator", "--tier-seconds", "inventory=3600") as running:
        running.create_vault(VAULT)
        running.upload(VAULT, b"one", "one.txt")
        yield running


@pytest.fixture
def casfs(quick, tmp_path):
    return command_in(tmp_path, quick.url)


def test_an_inventory_is_requested_once_while_it_runs(quick, casfs):
    for _ in range(2):
        done = casfs("request", VAULT, "--inventory", "-y")
        assert done.returncode == 0, done.stderr
    ((job, _, _),) = inventories(quick)
    assert f"inventory job {job} is running" in done.stdout.decode()
    assert f"casfs catalog refresh {VAULT}" in done.stdout.decode()


def test_without_consent_no_inventory_is_requested(quick, casfs):
    assert casfs("request", VAULT, "--inventory", stdin=b"y\n").returncode == 4
    assert casfs("request", VAULT, "--inventory", "-n").returncode == 0
    assert casfs("request", VAULT, "--inventory", "-y", "--max-cost", "0").returncode == 4
    assert inventories(quick) == []


def test_an_inventory_that_somebody_else_started_is_adopted(quick, casfs):
    job = quick.start(VAULT, Type="inventory-retrieval")
    done = casfs("request", VAULT, "--inventory", "--json", stdin=b"")
    assert done.returncode == 0, done.stderr
    found = checked_lines(done.stdout)
    assert {line["job"] for line in found if line["message_type"] == "request"} == {job}
    assert len(inventories(quick)) == 1


def test_a_list_that_shows_the_job_late_starts_no_other(tmp_path):
    with stress("cas", tmp_path, 1, 60, "--listing-lag", "3600") as one:
        one.emulator.sql("DELETE FROM jobs")
        for _ in range(2):
            status, text = one.request("--inventory", "-y")
            assert status == 0, text
        assert len(inventories(one.emulator)) == 1


def test_dates_limit_an_inventory_of_its_own(quick, casfs):
    quick.start(VAULT, Type="inventory-retrieval")
    done = casfs("request", VAULT, "--inventory", "--since", "2026-01-02", "-y")
    assert done.returncode == 0, done.stderr
    assert [start is not None for _, _, start in inventories(quick)] == [False, True]
    assert casfs("request", VAULT, "--inventory", "--since", "2026-01-02", "-y").returncode == 0
    assert len(inventories(quick)) == 2
    assert casfs("request", VAULT, "--inventory", "--since", "soon", "-y").returncode == 2


def test_a_chain_goes_on_where_it_was_interrupted(tmp_path):
    with stress("cas", tmp_path, 1, 60, "--tier-seconds", "inventory=1.5") as one:
        names = [column[1] for column in one.emulator.sql("PRAGMA table_info(archives)")]
        (row,) = one.emulator.sql("SELECT * FROM archives")
        known = dict(zip(names, row, strict=True))
        marks = ", ".join("?" * len(names))
        rows = [
            tuple({**known, "id": f"{number:0138}", "seed": None}.values())
            for number in range(MANY - 1)
        ]
        one.emulator.sql_many(f"INSERT INTO archives VALUES ({marks})", rows)
        one.emulator.sql("UPDATE vaults SET archive_count = ?", MANY)
        one.emulator.sql("DELETE FROM jobs")
        process = one.start("request", VAULT, "--inventory", "-y")
        end = time.monotonic() + 60
        while len(inventories(one.emulator)) < 2 and time.monotonic() < end:
            time.sleep(0.05)
        process.kill()
        process.communicate()
        status, text = one.request("--inventory", "-y")
        assert status == 0, text
        assert len(inventories(one.emulator)) == 3
        with one.start("catalog", "refresh", VAULT, "--json") as refresh:
            (facts,) = json.loads(refresh.communicate(timeout=60)[0])
        assert (facts["catalogued"], facts["missing"]) == (MANY, 0)
        assert one.request("--inventory", "-y")[0] == 0
        assert len(inventories(one.emulator)) == 3
