"""`casfs restore` of what finished jobs and the cache only have together: for nothing."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.command import run_command
from tests.support.processes import wait_until
from tests.support.restores import MIB, VAULT, Restores, manifest, restores
from tests.support.schemas import checked_lines

SIZES = {
    "ranges.bin": 6 * MIB - 5,
    "known.bin": 6 * MIB - 7,
    "forgotten.bin": 6 * MIB - 9,
    "gap.bin": 6 * MIB,
    "rotten.bin": 6 * MIB,
    "soon.bin": 6 * MIB,
    "half-way.bin": 32 * MIB + 7,
}
NONE = {"files": 0, "bytes": 0, "unsized": 0}


@pytest.fixture(scope="module")
def vault(tmp_path_factory):
    root = tmp_path_factory.mktemp("half-cached")
    with restores(root, SIZES, "--job-seconds", "0.2") as running:
        running.settings["CASFS_LISTING_TTL"] = "0"
        yield running


def request(vault: Restores, *what: str) -> None:
    status, output, errors = vault.run("request", VAULT, *what, "-y", "--wait")
    assert status == 0, output + errors


def read(vault: Restores, *what: str) -> bytes:
    done = run_command(["cat", VAULT, *what], vault.environment)
    assert done.returncode == 0, done.stderr
    return done.stdout


def jobs_of(vault: Restores, name: str) -> list[str]:
    """The jobs of an archive, by the places of their ranges."""
    rows = vault.emulator.sql(
        """SELECT jobs.id FROM jobs JOIN archives ON archives.id = jobs.archive
        WHERE archives.description = ? ORDER BY first""",
        name,
    )
    return [job for (job,) in rows]


def forget(vault: Restores, job: str) -> None:
    """Let the service drop a job, and the catalog forget it unless it is still worth something."""
    vault.emulator.sql("DELETE FROM jobs WHERE id = ?", job)
    assert vault.run("jobs", VAULT)[0] == 0


def blocks(vault: Restores, data: bytes) -> Iterator[Path]:
    """The files of the blocks with these bytes, of all that is in the cache."""
    for path in (vault.home / "cache/blocks-1").glob("??/*/*/*"):
        if path.stat().st_size == len(data) and path.read_bytes() == data:
            yield path


def evict(vault: Restores, name: str, *numbers: int) -> None:
    for number in numbers:
        for path in blocks(vault, vault.files[name][number * MIB : (number + 1) * MIB]):
            path.unlink()


def plan_of(vault: Restores, *command: str):
    status, output, errors = vault.run(*command, "-n", "--json")
    assert status == 0, output + errors
    (plan,) = checked_lines(output.encode())
    return plan


def check_plan(plan, size: int) -> None:
    """Check that a plan reads one archive, and requests none."""
    assert plan["readable"] == {"files": 1, "bytes": size, "unsized": 0}
    assert (plan["cached"], plan["requested"], plan["jobs"]) == (NONE, NONE, 0)


@contextmanager
def nothing_is_requested(vault: Restores):
    requests = len(vault.emulator.job_requests())
    yield
    assert len(vault.emulator.job_requests()) == requests


def check_restored(vault: Restores, destination: Path, name: str, *options: str) -> tuple[int, int]:
    """Restore an archive; return the bytes that were fetched, and those from the cache."""
    status, output, errors = vault.run("restore", f"{VAULT}:{name}", str(destination), *options)
    assert status == 0, output + errors
    assert (destination / name).read_bytes() == vault.files[name]
    line = [one for one in manifest(destination) if one["type"] == "archive"][-1]
    assert line["state"] == "verified"
    return line["fetched"], line["cached"]


def in_ranges(vault: Restores, name: str, size: str = "2MiB") -> list[str]:
    """Request an archive in ranges, read the first by itself, and let that job expire."""
    request(vault, name, "--split", size)
    jobs = jobs_of(vault, name)
    read(vault, jobs[0])
    forget(vault, jobs[0])
    return jobs


def test_a_range_that_expired_is_taken_from_the_cache(vault, tmp_path):
    name = "ranges.bin"
    size = SIZES[name]
    in_ranges(vault, name)
    restore = ("restore", f"{VAULT}:{name}", str(tmp_path))
    check_plan(plan_of(vault, *restore), size)
    # A mount shows it as a file, so that there is nothing to request.
    check_plan(plan_of(vault, "request", VAULT, name), size)
    # What the service has left of it expires.
    fetch = plan_of(vault, "fetch", VAULT, name)
    assert fetch["to_fetch"]["missing"] == size - 2 * MIB
    assert fetch["soonest_expiry"] is not None
    with nothing_is_requested(vault):
        assert check_restored(vault, tmp_path, name) == (size - 2 * MIB, 2 * MIB)
    assert read(vault, f"./{name}") == vault.files[name]


@pytest.mark.parametrize("name", ["known.bin", "forgotten.bin"])
def test_the_rest_of_what_an_expired_job_brought_in_part_comes_from_a_range(vault, tmp_path, name):
    size = SIZES[name]
    ((archive,),) = vault.emulator.sql("SELECT id FROM archives WHERE description = ?", name)
    job = vault.emulator.retrieve(VAULT, archive)
    vault.emulator.finish(job)
    assert read(vault, f"./{name}") == vault.files[name]
    evict(vault, name, 3, 4, 5)
    vault.emulator.sql("DELETE FROM jobs WHERE id = ?", job)
    if name == "forgotten.bin":
        # Nothing can be read of it any more without another job.
        assert vault.run("jobs", VAULT)[0] == 0
    request(vault, name, "--range", f"{3 * MIB}-{size - 1}")
    check_plan(plan_of(vault, "restore", f"{VAULT}:{name}", str(tmp_path)), size)
    # No mount shows it as a file.
    assert plan_of(vault, "request", VAULT, name)["jobs"] == 1
    with nothing_is_requested(vault):
        assert check_restored(vault, tmp_path, name) == (size - 3 * MIB, 3 * MIB)


def test_it_is_requested_if_a_block_is_nowhere(vault, tmp_path):
    name = "gap.bin"
    in_ranges(vault, name)
    evict(vault, name, 1)
    plan = plan_of(vault, "restore", f"{VAULT}:{name}", str(tmp_path))
    assert (plan["readable"], plan["jobs"]) == (NONE, 1)


def test_it_is_requested_if_the_ranges_expire_too_soon(vault, tmp_path):
    name = "soon.bin"
    job = in_ranges(vault, name)[1]
    soon = time.time() - vault.lifetime + 30
    vault.emulator.sql("UPDATE jobs SET completed = ? WHERE id = ?", soon, job)
    restore = ("restore", f"{VAULT}:{name}", str(tmp_path))
    plan = plan_of(vault, *restore)
    assert (plan["readable"], plan["jobs"]) == (NONE, 1)
    # What it brought is not needed of it any more.
    vault.emulator.sql("UPDATE jobs SET completed = ? WHERE id = ?", time.time(), job)
    read(vault, job)
    vault.emulator.sql("UPDATE jobs SET completed = ? WHERE id = ?", soon, job)
    check_plan(plan_of(vault, *restore), SIZES[name])
    assert check_restored(vault, tmp_path, name) == (2 * MIB, 4 * MIB)


def test_what_the_cache_has_lost_meanwhile_is_requested_once_it_is_agreed_to(vault, tmp_path):
    name = "rotten.bin"
    restore = ("restore", f"{VAULT}:{name}", str(tmp_path))
    in_ranges(vault, name)
    for path in blocks(vault, vault.files[name][MIB : 2 * MIB]):
        path.write_bytes(bytes(MIB))
    check_plan(plan_of(vault, *restore), SIZES[name])
    with nothing_is_requested(vault):
        status, output, errors = vault.run(*restore, "-y")
    assert (status, "--rerequest yes" in errors) == (1, True), output + errors
    assert not (tmp_path / name).exists()
    assert plan_of(vault, *restore)["jobs"] == 1
    fetched, _ = check_restored(vault, tmp_path, name, "-y", "--rerequest", "yes")
    assert MIB <= fetched < SIZES[name]


def test_a_range_that_expires_meanwhile_is_requested_once_it_is_agreed_to(vault, tmp_path):
    name = "half-way.bin"
    restore = ("restore", f"{VAULT}:{name}", str(tmp_path), "-y")
    jobs = in_ranges(vault, name, "16MiB")
    check_plan(plan_of(vault, *restore), SIZES[name])
    with nothing_is_requested(vault):
        process = vault.start(*restore, "--bwlimit", "4M", "--connections", "1")
        try:
            wait_until(
                lambda: any(part.stat().st_size > 17 * MIB for part in tmp_path.glob(".*.part")),
                "the first block of the second range",
            )
            vault.emulator.sql("UPDATE jobs SET completed = 1 WHERE id = ?", jobs[1])
            output, errors = process.communicate(timeout=60)
        finally:
            process.kill()
        assert (process.returncode, "--rerequest yes" in errors) == (1, True), output + errors
    assert plan_of(vault, *restore)["jobs"] == 1
    fetched, _ = check_restored(vault, tmp_path, name, "-y", "--rerequest", "yes")
    assert 0 < fetched < 16 * MIB + 7
