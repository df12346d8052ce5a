"""`casfs jobs` and `casfs cat`: what there is, for how long, and its bytes."""

import json
import os
import subprocess
import time
from datetime import UTC, datetime, timedelta

import pytest

from tests.support.archive import MIB, random_bytes
from tests.support.command import CASFS
from tests.support.emulator.running import KEYS
from tests.support.schemas import validator
from tests.support.terminal import on_terminal
from tests.system.cli.conftest import command_in
from tests.system.cli.said import one_line

VAULT = "doors"
HOUR = 3600
DATA = {
    "a/soon.tif": random_bytes(MIB + 5, seed=1),
    "a/late one.tif": random_bytes(2 * MIB + 17, seed=2),
    "a/running.tif": random_bytes(10, seed=3),
    "a/failed.tif": random_bytes(11, seed=4),
    "cold.tif": random_bytes(12, seed=5),
}
ENDS = {"a/soon.tif": -22, "a/running.tif": 1}
"""Hours from now at which jobs complete."""


@pytest.fixture(scope="module")
def doors(emulator):
    """Names -> ids of archives and jobs of a vault, in each state."""
    emulator.create_vault(VAULT)
    archives = {name: emulator.upload(VAULT, data, name) for name, data in DATA.items()}
    jobs = {name: emulator.retrieve(VAULT, archives[name]) for name in list(DATA)[:4]}
    for name, hours in ENDS.items():
        completed = time.time() + hours * HOUR
        emulator.sql("UPDATE jobs SET completed = ? WHERE id = ?", completed, jobs[name])
    emulator.sql("UPDATE jobs SET failure = 'the tape broke' WHERE id = ?", jobs["a/failed.tif"])
    jobs["inventory"] = emulator.start(VAULT, Type="inventory-retrieval", Format="JSON")
    return archives, jobs


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("own")


@pytest.fixture(scope="module")
def casfs(emulator, folder):
    """Run the command with a cache that all tests here share."""
    return command_in(folder, emulator.url)


@pytest.fixture(scope="module")
def known(casfs, doors):
    """The same as `doors`, cataloged."""
    assert casfs("catalog", "refresh", VAULT).returncode == 0
    return doors


def listed(casfs, *options):
    done = casfs("jobs", VAULT, "--json", *options)
    return done.returncode, json.loads(done.stdout)


def test_jobs_come_by_the_time_that_is_left(casfs, emulator, known):
    _, jobs = known
    assert casfs("cat", VAULT, jobs["a/soon.tif"]).stdout == DATA["a/soon.tif"]
    status, found = listed(casfs)
    assert status == 0
    order = [one["JobId"] for one in found]
    assert order[0] == jobs["a/soon.tif"]
    assert set(order[1:3]) == {jobs["a/late one.tif"], jobs["inventory"]}
    assert order[3:] == [jobs["a/running.tif"], jobs["a/failed.tif"]]
    raw = {job["JobId"]: job for job in emulator.jobs(VAULT)}
    check = validator("jobs")
    for one in found:
        check.validate(one)
        assert raw[one["JobId"]].items() <= one.items()
    first = found[0]
    left = datetime.fromisoformat(first["expires"]) - datetime.now(UTC)
    assert timedelta(hours=1.9) < left < timedelta(hours=2.1)
    wanted = {"state": "succeeded", "path": "a/soon.tif", "verified": "yes"}
    assert wanted.items() <= first.items()
    assert first["cached"] == len(DATA["a/soon.tif"])
    late = next(one for one in found if one["path"] == "a/late one.tif")
    assert (late["cached"], late["verified"]) == (0, "no")
    assert [(one["state"], one["expires"], one["cached"]) for one in found[3:]] == [
        ("running", None, None),
        ("failed", None, None),
    ]


def test_jobs_can_be_chosen(casfs, known):
    for options, status, names in (
        ("--state running --state failed", 0, ["a/running.tif", "a/failed.tif"]),
        ("--expiring-within 2h30m", 5, ["a/soon.tif"]),
        ("--expiring-within 90m", 0, []),
        ("--expiring-within 2d --kind inventory", 5, [None]),
    ):
        found = listed(casfs, *options.split())
        assert (found[0], [one["path"] for one in found[1]]) == (status, names), options


def test_what_is_expiring_is_a_setting(casfs, known):
    done = casfs("jobs", VAULT, "--json", "--state", "expiring", CASFS_EXPIRING_WITHIN="1h")
    assert json.loads(done.stdout) == []
    done = casfs("ls", VAULT, "a/soon.tif", "--json", CASFS_EXPIRING_WITHIN="1h")
    assert json.loads(done.stdout)[0]["state"] == "readable"
    assert "expiring_within must be a duration" in one_line(
        casfs("jobs", VAULT, CASFS_EXPIRING_WITHIN="soon")
    )


def test_cat_takes_a_job_an_archive_or_a_path(casfs, known):
    archives, jobs = known
    name, data = "a/late one.tif", DATA["a/late one.tif"]
    for what in (jobs[name], archives[name], name, f"./{name}", f"by-id/{archives[name]}"):
        done = casfs("cat", VAULT, what)
        assert (done.returncode, done.stderr, done.stdout == data) == (0, b"", True), what
    done = casfs("cat", VAULT, name, "--stats", "0.001s", "--bwlimit", "8M")
    assert done.stdout == data
    assert b"writing: 1 of 1 outputs, 2.0 MiB of 2.0 MiB (100 %)" in done.stderr
    for first, last in ((0, 0), (MIB - 3, MIB + 2), (5, 2 * MIB + 16), (2 * MIB, 9 * MIB)):
        done = casfs("cat", VAULT, name, "--range", f"{first}-{last}")
        assert (done.returncode, done.stdout) == (0, data[first : last + 1])


def test_a_path_that_is_also_a_job_is_the_job_unless_it_begins_with_a_dot(casfs, emulator):
    emulator.create_vault("both")
    emulator.retrieve("both", emulator.upload("both", b"the archive", "ambiguous"))
    other = emulator.retrieve("both", emulator.upload("both", b"the job", "other"))
    emulator.sql("UPDATE jobs SET id = 'ambiguous' WHERE id = ?", other)
    emulator.start("both", Type="inventory-retrieval", Format="JSON")
    assert casfs("catalog", "refresh", "both").returncode == 0
    assert casfs("cat", "both", "ambiguous").stdout == b"the job"
    assert casfs("cat", "both", "./ambiguous").stdout == b"the archive"


def test_what_cannot_be_read_says_why_and_what_to_do(casfs, known):
    _, jobs = known
    for what, words in {
        "cold.tif": ["is cold", "casfs request doors cold.tif"],
        "a/running.tif": ["being retrieved", "ready by", "casfs wait doors a/running.tif"],
        "a": ["is a directory", "casfs ls doors a"],
        "./nope": ["is not a cataloged archive", "casfs ls doors"],
        f"./{jobs['a/soon.tif']}": ["is not a cataloged archive"],
        "nope": ["neither a job nor a cataloged archive", "casfs jobs doors"],
        jobs["a/running.tif"]: ["still running", "usually done by", "casfs wait doors"],
        jobs["a/failed.tif"]: ["failed: ", "casfs request doors"],
    }.items():
        done = casfs("cat", VAULT, what)
        assert (done.returncode, done.stdout) == (1, b""), what
        line = one_line(done)
        assert [word for word in words if word not in line] == [], line


def test_a_range_that_is_none_is_wrong_usage(casfs, known):
    for text in ("9-5", "x-y", "9999999-99999999"):
        done = casfs("cat", VAULT, "a/soon.tif", f"--range={text}")
        assert (done.returncode, done.stdout) == (2, b""), text
        assert "--range" in one_line(done)


def test_a_reader_that_stops_early_ends_it_quietly(casfs, known):
    head = subprocess.Popen(["head", "-c", "9"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        done = casfs("cat", VAULT, "a/late one.tif", stdout=head.stdin)
        assert head.stdin
        assert head.stdout
        head.stdin.close()
        assert head.stdout.read() == DATA["a/late one.tif"][:9]
        head.stdout.close()
    finally:
        head.kill()
        head.wait()
    assert done.stderr == b""


def test_tables_fit_the_terminal_and_end_with_totals(casfs, known, emulator, folder):
    _, jobs = known
    assert casfs("cat", VAULT, "a/soon.tif").returncode == 0
    environment = {
        "CASFS_ENDPOINT": emulator.url,
        "CASFS_CACHE_DIR": str(folder / "cache"),
        "CASFS_CONFIG": str(folder / "config.toml"),
        "HOME": str(folder),
        **({"PYTHONPATH": path} if (path := os.environ.get("PYTHONPATH")) else {}),
        "LANG": "C.UTF-8",
        **KEYS,
    }
    job = jobs["a/soon.tif"]
    lists = {
        ("jobs", VAULT): ["5 jobs: 3 readable, 1 running, 1 failed", "the first expires in"],
        ("ls", VAULT, "a"): ["4 archives", "1 expiring"],
        ("find", VAULT, "*"): ["5 archives", "2 cold"],
        ("vaults",): ["vaults: "],
        ("cache", "ls"): ["outputs, "],
        ("profiles",): ["entr"],
    }
    for arguments, totals in lists.items():
        for columns in (60, 200):
            shown = on_terminal([CASFS, *arguments], environment, columns)
            assert shown.status == 0, shown.text
            assert shown.widest <= columns, (arguments, columns, shown.text)
            flat = " ".join(shown.text.split())
            assert [text for text in totals if text not in flat] == [], shown.text
            assert job not in shown.text
        piped = casfs(*arguments).stdout.decode()
        assert totals[0] not in piped
    assert f"{job[:8]}..{job[-4:]}" in on_terminal([CASFS, "jobs", VAULT], environment).text
    whole = on_terminal([CASFS, "jobs", VAULT, "-l"], environment, 60).text
    assert job in whole.replace("\n", "")
    table = casfs("jobs", VAULT).stdout.decode()
    (line,) = [line for line in table.splitlines() if job in line]
    assert line.index("a/soon.tif") < line.index(job)
