"""`casfs restore` of an output that expires half-way, and of what is kept in the cache as well."""

import pytest

from tests.support.command import run_command
from tests.support.processes import wait_until
from tests.support.restores import MIB, VAULT, manifest, restores

SIZES = {"large.bin": 32 * MIB + 7, "kept/a.bin": 2 * MIB + 1, "kept/b.bin": 5}


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
    vault.emulator.sql("DELETE FROM jobs")
    for path in ("kept/a.bin", "kept/b.bin"):
        assert (destination / path).read_bytes() == vault.files[path]
        done = run_command(["cat", VAULT, f"./{path}"], vault.environment)
        assert (done.returncode, done.stdout) == (0, vault.files[path]), done.stderr
    assert len(vault.emulator.outputs()) == outputs
    status, output, errors = vault.run("verify", VAULT, "kept")
    assert (status, "2 whole and right" in output) == (0, True), output + errors
