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
    (listed,) = json.loads(casfs("jobs", VAULT, "--json").stdout)
    assert listed["request"]["cost"] is not None
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


def test_an_inventory_that_was_adopted_is_not_requested_when_it_is_done(quick, casfs):
    job = quick.start(VAULT, Type="inventory-retrieval")
    assert casfs("request", VAULT, "--inventory", "-y").returncode == 0
    quick.finish(job)
    done = casfs("request", VAULT, "--inventory", "-y")
    assert done.returncode == 0, done.stderr
    assert f"inventory job {job} is done\nnow run: casfs catalog" in done.stdout.decode()
    assert len(inventories(quick)) == 1
    # Once it has expired, the next one is requested.
    quick.expire(job)
    assert casfs("request", VAULT, "--inventory", "-y").returncode == 0
    assert [one != job for one, _, _ in inventories(quick)] == [False, True]


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
        # The first parts were read when they were done: they may have expired since.
        parts = [job for job, _, _ in inventories(one.emulator)]
        one.emulator.sql("DELETE FROM jobs WHERE id IN (?, ?)", *parts[:2])
        with one.start("catalog", "refresh", VAULT, "--json") as refresh:
            (facts,) = json.loads(refresh.communicate(timeout=60)[0])
        assert (facts["catalogued"], facts["missing"]) == (MANY, 0)
        assert one.request("--inventory", "-y")[0] == 0
        assert [job for job, _, _ in inventories(one.emulator)] == parts[2:]


def limited(emulator, archives):
    """Let a vault seem to have so many archives that its inventory takes several jobs."""
    emulator.sql("UPDATE vaults SET archive_count = ?", archives)


def test_a_failed_inventory_is_named_and_requested_again_with_consent_alone(tmp_path):
    options = ("--tier-seconds", "inventory=0.2", "--fail-jobs", "1")
    with running_emulator(tmp_path / "emulator", *options) as failing:
        failing.create_vault(VAULT)
        failing.upload(VAULT, b"one", "one.txt")
        casfs = command_in(tmp_path, failing.url)
        event = tmp_path / "event"
        command = ("--on-event", f"cat > {event}")
        done = casfs("request", VAULT, "--inventory", "-y", "--wait", *command)
        assert done.returncode == 1
        (ended,) = checked_lines(event.read_bytes())
        assert (ended["kind"], ended["state"]) == ("inventory", "failed")
        assert "internal failure" in ended["reason"]
        assert "internal failure" in done.stderr.decode()
        assert len(inventories(failing)) == 1
        for more in ((), ("--rerequest", "never")):
            done = casfs("request", VAULT, "--inventory", "-y", *more)
            assert done.returncode == 4
            assert "--rerequest yes" in done.stderr.decode()
        assert len(inventories(failing)) == 1
        done = casfs("request", VAULT, "--inventory", "-y", "--rerequest", "yes", "--wait")
        assert done.returncode == 1
        assert len(inventories(failing)) == 2


def test_nothing_is_started_after_an_adopted_job_unless_that_was_agreed_to(tmp_path):
    with running_emulator(tmp_path / "emulator", "--tier-seconds", "inventory=2") as running:
        running.create_vault(VAULT)
        running.upload(VAULT, b"one", "one.txt")
        running.start(VAULT, Type="inventory-retrieval")
        casfs = command_in(tmp_path, running.url)
        done = casfs("request", VAULT, "--inventory", "--wait", stdin=b"")
        assert done.returncode == 0, done.stderr
        assert len(inventories(running)) == 1


def test_the_jobs_that_continue_an_adopted_one_are_in_the_plan(quick, casfs):
    quick.start(VAULT, Type="inventory-retrieval")
    limited(quick, 20_001)
    done = casfs("request", VAULT, "--inventory", stdin=b"")
    assert done.returncode == 4
    assert "to be requested 2 jobs that continue it" in done.stdout.decode()
    assert len(inventories(quick)) == 1


def test_a_part_that_somebody_else_asked_for_is_not_adopted(quick, casfs):
    quick.start(VAULT, Type="inventory-retrieval", InventoryRetrievalParameters={"Limit": "5"})
    done = casfs("request", VAULT, "--inventory", "-y")
    assert done.returncode == 0, done.stderr
    assert len(inventories(quick)) == 2


def test_an_archive_job_that_failed_meanwhile_is_named(tmp_path):
    options = ("--tier-seconds", "inventory=3600,standard=0.1", "--fail-jobs", "1")
    with running_emulator(tmp_path / "emulator", *options) as failing:
        failing.create_vault(VAULT)
        archive = failing.upload(VAULT, b"one", "one.txt")
        casfs = command_in(tmp_path, failing.url)
        assert casfs("request", VAULT, "--ids", "-", "-y", stdin=archive.encode()).returncode == 0
        failing.sql("UPDATE jobs SET completed = created")
        done = casfs("request", VAULT, "--inventory", "-y")
        assert f"for archive {archive} failed" in done.stderr.decode()
        assert "internal failure" in done.stderr.decode()
