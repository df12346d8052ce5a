"""`casfs restore` of what range jobs have put in the cache together: for nothing, as planned."""

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from casfs.cli.show import size_text
from tests.support.command import run_command
from tests.support.restores import MIB, VAULT, Restores, manifest, restores
from tests.support.schemas import checked_lines

SIZES = {
    "rotten.bin": 3 * MIB,
    "whole.bin": 5 * MIB + 7,
    "apart.bin": 4 * MIB + 1,
    "some.bin": 6 * MIB,
    "bare.bin": 3 * MIB + 5,
    "bare-file.bin": 3 * MIB + 5,
    "mixed.bin": 3 * MIB + 5,
    "asked.bin": 5 * MIB + 3,
    "left.bin": 4 * MIB + 1,
}
PIECE = 2 * MIB


@pytest.fixture(scope="module")
def vault(tmp_path_factory):
    root = tmp_path_factory.mktemp("joined")
    with restores(root, SIZES, "--job-seconds", "0.2") as running:
        status, output, errors = running.run(
            "request", VAULT, "--all", "--split", "2MiB", "-y", "--wait"
        )
        assert status == 0, output + errors
        running.settings["CASFS_LISTING_TTL"] = "0"
        yield running


def read(vault: Restores, *what: str) -> bytes:
    done = run_command(["cat", VAULT, *what], vault.environment)
    assert done.returncode == 0, done.stderr
    return done.stdout


def plan_of(vault: Restores, destination, name: str):
    status, output, errors = vault.run(
        "restore", f"{VAULT}:{name}", str(destination), "-n", "--json"
    )
    assert status == 0, output + errors
    (plan,) = checked_lines(output.encode())
    return plan


def restored(vault: Restores, destination, name: str, *options: str):
    """Restore an archive, and return its line in the manifest."""
    status, output, errors = vault.run("restore", f"{VAULT}:{name}", str(destination), *options)
    assert status == 0, output + errors
    assert (destination / name).read_bytes() == vault.files[name]
    line = [one for one in manifest(destination) if one["type"] == "archive"][-1]
    assert line["state"] == "verified"
    return line


def check_free(vault: Restores, destination, name: str, *options: str) -> None:
    """Restore an archive that is in the cache: nothing is requested, and nothing is fetched."""
    size = SIZES[name]
    plan = plan_of(vault, destination, name)
    assert plan["cached"] == {"files": 1, "bytes": size, "unsized": 0}
    outputs, requests = len(vault.emulator.outputs()), len(vault.emulator.job_requests())
    line = restored(vault, destination, name, "--max-cost", "0", *options)
    assert (line.get("fetched"), line["cached"]) == (0, size)
    assert len(vault.emulator.outputs()) == outputs
    assert len(vault.emulator.job_requests()) == requests
    facts = json.loads(vault.run("report", str(destination), "--json")[1])
    assert (facts["fetched_bytes"], facts["cached_bytes"]) == (0, size)
    said = f"fetched 0 B, {size_text(size)} from the cache"
    assert said in vault.run("report", str(destination))[1]


def blocks(vault: Restores, number: int) -> Iterator[Path]:
    """The files of the block with a number, of all that is in the cache."""
    return (vault.home / "cache/blocks-1").glob(f"??/*/0/{number}")


def forget_jobs(vault: Restores, name: str) -> None:
    vault.emulator.sql(
        "DELETE FROM jobs WHERE archive = (SELECT id FROM archives WHERE description = ?)", name
    )
    # The catalog forgets them, unless they say how what is cached was brought.
    assert vault.run("jobs", VAULT)[0] == 0


def test_what_was_read_of_the_archive_is_not_fetched_again(vault, tmp_path):
    name = "whole.bin"
    assert read(vault, f"./{name}") == vault.files[name]
    check_free(vault, tmp_path / "dest", name)
    forget_jobs(vault, name)
    check_free(vault, tmp_path / "expired", name)
    check_free(vault, tmp_path / "kept", name, "--keep-in-cache")


def test_what_was_read_of_each_job_by_itself_is_not_fetched_again(vault, tmp_path):
    name = "apart.bin"
    rows = vault.emulator.sql(
        "SELECT id FROM jobs WHERE archive = (SELECT id FROM archives WHERE description = ?)", name
    )
    for (job,) in rows:
        read(vault, job)
    done = vault.run("fetch", VAULT, name)
    assert (done[0], "1 in the cache before" in done[1]) == (0, True), done
    check_free(vault, tmp_path / "dest", name)
    forget_jobs(vault, name)
    check_free(vault, tmp_path / "expired", name)


def test_what_was_read_partly_of_the_archive_and_partly_of_a_job_is_there(vault, tmp_path):
    name = "mixed.bin"
    read(vault, f"./{name}")
    rows = vault.emulator.sql(
        "SELECT id FROM jobs WHERE first > 0 AND archive IN"
        " (SELECT id FROM archives WHERE description = ?)",
        name,
    )
    ((job,),) = rows
    read(vault, job)
    # The last block is evicted from the archive.
    data = vault.files[name][3 * MIB :]
    (block,) = [one for one in blocks(vault, 3) if one.read_bytes() == data]
    block.unlink()
    check_free(vault, tmp_path / "dest", name)
    forget_jobs(vault, name)
    check_free(vault, tmp_path / "expired", name)
    assert read(vault, f"./{name}") == vault.files[name]


@pytest.mark.parametrize("as_file", [False, True])
def test_what_a_job_that_stated_no_hash_brought_is_there_after_it_expired(vault, tmp_path, as_file):
    name = "bare-file.bin" if as_file else "bare.bin"
    ((archive,),) = vault.emulator.sql("SELECT id FROM archives WHERE description = ?", name)
    forget_jobs(vault, name)
    # The inventory states it, and is cataloged.
    plan_of(vault, tmp_path / "dest", name)
    vault.emulator.sql("UPDATE archives SET tree_hash = x'' WHERE id = ?", archive)
    job = vault.emulator.retrieve(VAULT, archive)
    vault.emulator.sql("UPDATE jobs SET tree_hash = NULL WHERE id = ?", job)
    vault.emulator.finish(job)
    assert read(vault, f"./{name}" if as_file else job) == vault.files[name]
    plan = plan_of(vault, tmp_path / "dest", name)
    assert plan["cached" if as_file else "readable"]["files"] == 1
    forget_jobs(vault, name)
    check_free(vault, tmp_path / "expired", name)


def test_of_what_is_there_in_part_only_the_rest_is_fetched(vault, tmp_path):
    name = "some.bin"
    read(vault, f"./{name}", "--range", "0-9")
    line = restored(vault, tmp_path / "dest", name, "-y")
    assert line["cached"] >= MIB
    assert line["fetched"] + line["cached"] == SIZES[name]


def test_what_was_read_of_jobs_is_not_fetched_from_one_that_lasts_longer(vault, tmp_path):
    name = "asked.bin"
    ((archive,),) = vault.emulator.sql("SELECT id FROM archives WHERE description = ?", name)
    rows = vault.emulator.sql("SELECT id FROM jobs WHERE archive = ? ORDER BY first", archive)
    ranges = [job for (job,) in rows]
    read(vault, ranges[1])
    vault.emulator.finish(vault.emulator.retrieve(VAULT, archive))
    soon = time.time() - vault.lifetime + 3600
    vault.emulator.sql_many(
        "UPDATE jobs SET completed = ? WHERE id = ?", [(soon, one) for one in ranges]
    )
    assert plan_of(vault, tmp_path / "part", name)["readable"]["files"] == 1
    line = restored(vault, tmp_path / "part", name)
    assert (line["fetched"], line["cached"]) == (SIZES[name] - PIECE, PIECE)
    assert line["job"] not in ranges
    for job in ranges:
        read(vault, job)
    check_free(vault, tmp_path / "all", name)


def test_what_an_expired_job_has_left_is_not_paid_for_again(vault, tmp_path):
    name = "left.bin"
    ((archive,),) = vault.emulator.sql("SELECT id FROM archives WHERE description = ?", name)
    ((job,),) = vault.emulator.sql("SELECT id FROM jobs WHERE archive = ? AND first = 0", archive)
    read(vault, job)
    data = vault.files[name][MIB : 2 * MIB]
    (evicted,) = [path for path in blocks(vault, 1) if path.read_bytes() == data]
    evicted.unlink()
    vault.emulator.sql("DELETE FROM jobs WHERE id = ?", job)
    status, output, errors = vault.run("jobs", VAULT)
    assert (status, job in output) == (0, False), output + errors
    rest = vault.emulator.retrieve(VAULT, archive, RetrievalByteRange=f"{MIB}-{2 * MIB - 1}")
    vault.emulator.finish(rest)
    requests = len(vault.emulator.job_requests())
    line = restored(vault, tmp_path / "dest", name, "-y")
    assert (line["fetched"], line["cached"]) == (SIZES[name] - MIB, MIB)
    assert len(vault.emulator.job_requests()) == requests


def test_what_has_rotted_meanwhile_is_fetched_once_it_is_agreed_to(vault, tmp_path):
    name, destination = "rotten.bin", tmp_path / "dest"
    assert read(vault, f"./{name}") == vault.files[name]
    data = vault.files[name][MIB : 2 * MIB]
    (block,) = [path for path in blocks(vault, 1) if path.read_bytes() == data]
    block.write_bytes(bytes(MIB))
    forget_jobs(vault, name)
    assert plan_of(vault, destination, name)["cached"]["files"] == 1
    status, output, errors = vault.run("restore", f"{VAULT}:{name}", str(destination), "-y")
    assert (status, "--rerequest yes" in errors) == (1, True), output + errors
    assert plan_of(vault, destination, name)["jobs"] == 1
    assert restored(vault, destination, name, "-y", "--rerequest", "yes")["fetched"] == MIB
