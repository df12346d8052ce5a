"""`casfs restore` of an output that expires half-way, and of what is kept in the cache as well."""

import json
import sqlite3
from contextlib import closing

import pytest

from casfs.cli.show import size_text
from tests.support.command import run_command
from tests.support.processes import wait_until
from tests.support.restores import MIB, VAULT, manifest, restores
from tests.support.schemas import checked_lines

SIZES = {"large.bin": 32 * MIB + 7, "kept/a.bin": 2 * MIB + 1, "kept/b.bin": 5}
SIZES |= {"other/c.bin": 3, "other/d.bin": 4}


@pytest.fixture(scope="module")
def vault(tmp_path_factory):
    root = tmp_path_factory.mktemp("expiring")
    with restores(root, SIZES, "--job-seconds", "0.2") as running:
        yield running


def test_of_an_output_that_expires_half_way_only_the_rest_is_fetched_again(vault, tmp_path):
    sql = vault.emulator.sql
    ((archive,),) = sql("SELECT id FROM archives WHERE description = 'large.bin'")
    destination = tmp_path / "dest"
    command = ("restore", f"{VAULT}:large.bin", str(destination), "-y", "--rerequest", "yes")
    # One connection, so that what is on its way when it expires is a small part.
    process = vault.start(*command, "--bwlimit", "8M", "--connections", "1")
    try:

        def is_half_way() -> bool:
            return any(part.stat().st_size > 8 * MIB for part in destination.glob(".*.part"))

        wait_until(is_half_way, "the first blocks")
        sql("UPDATE jobs SET completed = 1 WHERE archive = ?", archive)
        output, errors = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 0, output + errors
    assert (destination / "large.bin").read_bytes() == vault.files["large.bin"]
    assert vault.requested()[archive] == 2
    # What was on its way when it expired comes again, and nothing else.
    assert vault.fetched() < SIZES["large.bin"] + 9 * MIB
    (line,) = [one for one in manifest(destination) if one["type"] == "archive"]
    jobs = {job for (job,) in sql("SELECT id FROM jobs WHERE archive = ?", archive)}
    assert (line["state"], line["job"] in jobs) == ("verified", True)


def test_what_is_kept_in_the_cache_is_read_without_the_service(vault, tmp_path):
    destination = tmp_path / "dest"
    status, output, errors = vault.run(
        "restore", f"{VAULT}:kept", str(destination), "-y", "--keep-in-cache"
    )
    assert status == 0, output + errors
    outputs = len(vault.emulator.outputs())
    check_from_the_cache(vault, tmp_path / "other")
    vault.emulator.sql("DELETE FROM jobs")
    for path in ("kept/a.bin", "kept/b.bin"):
        assert (destination / path).read_bytes() == vault.files[path]
        done = run_command(["cat", VAULT, f"./{path}"], vault.environment)
        assert (done.returncode, done.stdout) == (0, vault.files[path]), done.stderr
    assert len(vault.emulator.outputs()) == outputs
    status, output, errors = vault.run("verify", VAULT, "kept")
    assert (status, "2 whole and right" in output) == (0, True), output + errors


def test_jobs_that_have_expired_are_forgotten_without_a_mount(vault, tmp_path):
    def cataloged() -> set[str]:
        (path,) = (vault.home / "cache/catalog-1").glob("*.sqlite")
        with closing(sqlite3.connect(path)) as catalog:
            return {job for (job,) in catalog.execute("SELECT id FROM jobs WHERE kind = 'archive'")}

    def restore(path: str) -> set[str]:
        """Restore it, and return the jobs that the service has."""
        destination = str(tmp_path / path.replace("/", "-"))
        status, output, errors = vault.run("restore", f"{VAULT}:{path}", destination, "-y")
        assert status == 0, output + errors
        return {job for (job,) in vault.emulator.sql("SELECT id FROM jobs WHERE archive NOT NULL")}

    first = restore("other/c.bin")
    assert first <= cataloged()
    for job in first:
        vault.emulator.expire(job)
    second = restore("other/d.bin") - first
    assert second <= cataloged()
    assert not first & cataloged()


def check_from_the_cache(vault, destination):
    """Restore what is in the cache: it costs nothing, and is not said to be fetched."""
    restore = ("restore", f"{VAULT}:kept", str(destination))
    size = SIZES["kept/a.bin"] + SIZES["kept/b.bin"]
    status, output, errors = vault.run(*restore, "-n", "--json")
    assert status == 0, output + errors
    (plan,) = checked_lines(output.encode())
    nothing = {"files": 0, "bytes": 0, "unsized": 0}
    assert plan["readable"] == nothing
    assert plan["cached"] == {"files": 2, "bytes": size, "unsized": 0}
    assert float(plan["traffic_of_readable"]) == 0
    # Nothing costs, so no cap is in the way.
    status, output, errors = vault.run(*restore, "--max-cost", "0")
    assert status == 0, output + errors
    assert "in the cache             2" in output
    facts = json.loads(vault.run("report", str(destination), "--json")[1])
    assert (facts["fetched_bytes"], facts["cached_bytes"]) == (0, size)
    page = destination.parent / "page.html"
    text = vault.run("report", str(destination), "--html", str(page))[1]
    said = f"fetched 0 B, {size_text(size)} from the cache"
    assert said in text
    assert said in page.read_text()
    # What there is, though nothing of it is left to do.
    status, output, errors = vault.run(*restore)
    assert output.startswith(f"{VAULT}: 2 archives, {size_text(size)}\n"), output
    assert "there is nothing to do" in output
    status, output, errors = vault.run(*restore, "-n", "--json")
    (plan,) = checked_lines(output.encode())
    assert (plan["total_files"], plan["files_skipped"], plan["jobs"]) == (2, 2, 0)
    assert plan["total_bytes"] == size
