"""What range jobs bring together can be read: it is not requested again, and is verified whole."""

import time
from contextlib import contextmanager

import pytest

from tests.support.processes import wait_until
from tests.support.restores import MIB, VAULT, manifest, restores
from tests.support.schemas import checked_lines

SIZES = {
    "whole.bin": 5 * MIB + 7,
    "short.bin": 4 * MIB,
    "gap.bin": 6 * MIB,
    "wrong.bin": 4 * MIB,
    "half-way.bin": 32 * MIB + 7,
    "lasting.bin": 4 * MIB,
}
NONE = {"files": 0, "bytes": 0, "unsized": 0}


@pytest.fixture(scope="module")
def vault(tmp_path_factory):
    root = tmp_path_factory.mktemp("together")
    with restores(root, SIZES, "--job-seconds", "0.2") as running:
        for names, size in ((["*[!y].bin"], "2MiB"), (["half-way.bin"], "16MiB")):
            status, output, errors = running.run(
                "request", VAULT, *names, "--split", size, "-y", "--wait"
            )
            assert status == 0, output + errors
        yield running


def plan_of(vault, *command: str):
    status, output, errors = vault.run(*command, "-n", "--json")
    assert status == 0, output + errors
    (plan,) = checked_lines(output.encode())
    return plan


def jobs_of(vault, name: str) -> list[str]:
    rows = vault.emulator.sql(
        """SELECT jobs.id FROM jobs JOIN archives ON archives.id = jobs.archive
        WHERE archives.description = ? ORDER BY first""",
        name,
    )
    return [job for (job,) in rows]


def restored_from(vault, destination, name: str) -> list[str]:
    """Restore an archive for nothing, and return the jobs that brought it."""
    restore = ("restore", f"{VAULT}:{name}", str(destination))
    assert plan_of(vault, *restore)["readable"]["files"] == 1
    with nothing_is_requested(vault):
        status, output, errors = vault.run(*restore)
    assert status == 0, output + errors
    (line,) = [one for one in manifest(destination) if one["type"] == "archive"]
    return str(line["job"]).split()


def has_succeeded(vault, job: str) -> bool:
    ((completed,),) = vault.emulator.sql("SELECT completed FROM jobs WHERE id = ?", job)
    return completed is not None and completed <= time.time()


@contextmanager
def nothing_is_requested(vault):
    requests = len(vault.emulator.job_requests())
    yield
    assert len(vault.emulator.job_requests()) == requests


def test_all_of_it_is_restored_without_a_question(vault, tmp_path):
    name, destination = "whole.bin", tmp_path / "dest"
    restore = ("restore", f"{VAULT}:{name}", str(destination))
    plan = plan_of(vault, *restore)
    assert plan["readable"] == {"files": 1, "bytes": SIZES[name], "unsized": 0}
    assert (plan["requested"], plan["jobs"]) == (NONE, 0)
    with nothing_is_requested(vault):
        status, output, errors = vault.run(*restore)
    assert (status, "readable now             1" in output) == (0, True), output + errors
    assert (destination / name).read_bytes() == vault.files[name]
    (line,) = [one for one in manifest(destination) if one["type"] == "archive"]
    assert (line["state"], line["fetched"], line["cached"]) == ("verified", SIZES[name], 0)
    assert line["job"].split() == jobs_of(vault, name)


def test_it_is_verified_as_a_whole(vault, tmp_path):
    ((archive,),) = vault.emulator.sql("SELECT id FROM archives WHERE description = 'wrong.bin'")
    with vault.emulator.archive_file(archive).open("r+b") as file:
        file.seek(3 * MIB)
        file.write(b"wrong")
    with nothing_is_requested(vault):
        status, output, errors = vault.run("restore", f"{VAULT}:wrong.bin", str(tmp_path / "dest"))
    assert (status, "readable now             1" in output) == (3, True), output + errors
    assert not (tmp_path / "dest/wrong.bin").exists()


@pytest.mark.parametrize("part", [(), ("--range", f"0-{4 * MIB - 1}"), ("--split", "4MiB")])
def test_nothing_of_it_is_requested_again(vault, part):
    request = ("request", VAULT, "whole.bin", *part)
    plan = plan_of(vault, *request)
    assert (plan["readable"]["bytes"] >= 4 * MIB, plan["requested"], plan["jobs"]) == (
        True,
        NONE,
        0,
    )
    with nothing_is_requested(vault):
        status, output, errors = vault.run(*request, "-y", "--wait")
    assert status == 0, output + errors


def test_of_a_whole_job_and_ranges_those_are_read_that_last_longer(vault, tmp_path):
    name = "lasting.bin"
    ((archive,),) = vault.emulator.sql("SELECT id FROM archives WHERE description = ?", name)
    ranges = jobs_of(vault, name)
    whole = vault.emulator.retrieve(VAULT, archive)
    wait_until(lambda: has_succeeded(vault, whole), "the whole job")
    soon = time.time() - vault.lifetime + 1800
    vault.emulator.sql("UPDATE jobs SET completed = ? WHERE id = ?", soon, whole)
    assert restored_from(vault, tmp_path / "ranges", name) == ranges
    vault.emulator.sql("UPDATE jobs SET completed = ? WHERE id = ?", soon - 900, ranges[0])
    assert restored_from(vault, tmp_path / "whole", name) == [whole]


@pytest.mark.parametrize("name", ["short.bin", "gap.bin"])
def test_it_is_requested_if_not_all_of_it_is_there_for_long_enough(vault, tmp_path, name):
    restore = ("restore", f"{VAULT}:{name}", str(tmp_path / "dest"))
    assert plan_of(vault, *restore)["readable"]["files"] == 1
    job = jobs_of(vault, name)[1]
    if name == "gap.bin":
        vault.emulator.sql("DELETE FROM jobs WHERE id = ?", job)
    else:
        soon = time.time() - vault.lifetime + 30
        vault.emulator.sql("UPDATE jobs SET completed = ? WHERE id = ?", soon, job)
    plan = plan_of(vault, *restore)
    assert plan["readable"] == NONE
    assert (plan["requested"]["files"], plan["jobs"]) == (1, 1)
    status, output, errors = vault.run(*restore, "-y")
    assert status == 0, output + errors
    assert (tmp_path / "dest" / name).read_bytes() == vault.files[name]


def test_what_expires_after_the_plan_is_requested_only_if_that_is_agreed_to(vault, tmp_path):
    name, destination = "half-way.bin", tmp_path / "dest"
    restore = ("restore", f"{VAULT}:{name}", str(destination), "-y")
    jobs = jobs_of(vault, name)
    with nothing_is_requested(vault):
        process = vault.start(*restore, "--bwlimit", "8M", "--connections", "1")
        try:
            wait_until(
                lambda: any(part.stat().st_size > 4 * MIB for part in destination.glob(".*.part")),
                "the first blocks",
            )
            vault.emulator.sql("UPDATE jobs SET completed = 1 WHERE id = ?", jobs[1])
            output, errors = process.communicate(timeout=60)
        finally:
            process.kill()
        assert (process.returncode, "--rerequest yes" in errors) == (1, True), output + errors
    assert not (destination / name).exists()
    plan = plan_of(vault, *restore)
    assert (plan["readable"], plan["jobs"]) == (NONE, 1)
    status, output, errors = vault.run(*restore)
    assert status == 0, output + errors
    assert (destination / name).read_bytes() == vault.files[name]
    line = [one for one in manifest(destination) if one["type"] == "archive"][-1]
    assert line["state"] == "verified"
    assert 0 < line["fetched"] < SIZES[name]
    assert line["job"] not in jobs
