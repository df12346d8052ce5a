"""`casfs jobs` and `casfs cat`: what there is, for how long, and its bytes."""

import json
import subprocess
import time
from datetime import UTC, datetime, timedelta

import pytest

from tests.support.archive import MIB, random_bytes
from tests.support.emulator.running import KEYS
from tests.support.schemas import validator
from tests.support.terminal import on_terminal
from tests.system.cli.conftest import COMMAND
from tests.system.cli.said import one_line

VAULT = "doors"
HOUR = 3600
DATA = {
    "a/soon.tif": random_bytes(MIB + 5, seed=1),
    "a/late 文書.tif": random_bytes(2 * MIB + 17, seed=2),
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
    emulator.sql(
        "UPDATE jobs SET failure = 'the tape broke' WHERE id = ?", jobs["a/failed.tif"]
    )
    jobs["inventory"] = emulator.start(VAULT, Type="inventory-retrieval", Format="JSON")
    return archives, jobs


@pytest.fixture
def known(casfs, doors):
    """The same, cataloged in this test's cache."""
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
    assert set(order[1:3]) == {jobs["a/late 文書.tif"], jobs["inventory"]}
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
    late = next(one for one in found if one["path"] == "a/late 文書.tif")
    assert (late["cached"], late["verified"]) == (0, "no")
    assert [(one["state"], one["expires"], one["cached"]) for one in found[3:]] == [
        ("running", None, None),
        ("failed", None, None),
    ]


@pytest.mark.parametrize(
    ("options", "status", "names"),
    [
        (("--state", "running", "--state", "failed"), 0, ["a/running.tif", "a/failed.tif"]),
        (("--state", "expiring"), 0, ["a/soon.tif"]),
        (("--kind", "inventory"), 0, [None]),
        (("--expiring-within", "2h30m"), 5, ["a/soon.tif"]),
        (("--expiring-within", "90m"), 0, []),
        (("--expiring-within", "2d", "--kind", "inventory"), 5, [None]),
    ],
)
def test_jobs_can_be_chosen(casfs, known, options, status, names):
    found = listed(casfs, *options)
    assert (found[0], [one["path"] for one in found[1]]) == (status, names)


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
    name, data = "a/late 文書.tif", DATA["a/late 文書.tif"]
    for what in (jobs[name], archives[name], name, f"./{name}", f"by-id/{archives[name]}"):
        done = casfs("cat", VAULT, what)
        assert (done.returncode, done.stderr, done.stdout == data) == (0, b"", True), what
    for first, last in ((0, 0), (MIB - 3, MIB + 2), (5, 2 * MIB + 16), (2 * MIB, 9 * MIB)):
        done = casfs("cat", VAULT, name, "--range", f"{first}-{last}")
        assert (done.returncode, done.stdout) == (0, data[first : last + 1])


def test_a_path_that_is_also_a_job_is_the_job_unless_it_begins_with_a_dot(casfs, emulator, doors):
    archive = emulator.upload(VAULT, b"the archive", "ambiguous")
    emulator.retrieve(VAULT, archive)
    other = emulator.retrieve(VAULT, emulator.upload(VAULT, b"the job", "other"))
    emulator.sql("UPDATE jobs SET id = 'ambiguous' WHERE id = ?", other)
    emulator.start(VAULT, Type="inventory-retrieval", Format="JSON")
    assert casfs("catalog", "refresh", VAULT).returncode == 0
    assert casfs("cat", VAULT, "ambiguous").stdout == b"the job"
    assert casfs("cat", VAULT, "./ambiguous").stdout == b"the archive"
    emulator.sql("DELETE FROM jobs WHERE archive IN (SELECT id FROM archives WHERE description IN "
                 "('ambiguous', 'other'))")  # fmt: skip


@pytest.mark.parametrize(
    ("what", "words"),
    [
        ("cold.tif", ["is cold", "casfs request doors cold.tif"]),
        ("a/running.tif", ["being retrieved", "ready by", "casfs wait doors a/running.tif"]),
        ("a", ["is a directory", "casfs ls doors a"]),
        ("./nope", ["is not a cataloged archive", "casfs ls doors"]),
        ("nope", ["neither a job nor a cataloged archive", "casfs jobs doors"]),
        ("@running", ["still running", "usually done by", "casfs wait doors"]),
        ("@failed", ["failed: ", "casfs request doors"]),
    ],
)
def test_what_cannot_be_read_says_why_and_what_to_do(casfs, known, what, words):
    if what.startswith("@"):
        what = known[1][f"a/{what[1:]}.tif"]
    done = casfs("cat", VAULT, what)
    assert (done.returncode, done.stdout) == (1, b"")
    line = one_line(done)
    assert [word for word in words if word not in line] == []


@pytest.mark.parametrize("text", ["5", "5-", "9-5", "-5-9", "x-y", "9999999-99999999"])
def test_a_range_that_is_none_is_wrong_usage(casfs, known, text):
    done = casfs("cat", VAULT, "a/soon.tif", f"--range={text}")
    assert (done.returncode, done.stdout) == (2, b"")
    assert "--range" in one_line(done)


def test_a_reader_that_stops_early_ends_it_quietly(casfs, known):
    head = subprocess.Popen(["head", "-c", "9"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        done = casfs("cat", VAULT, "a/late 文書.tif", stdout=head.stdin)
        head.stdin.close()
        assert head.stdout.read() == DATA["a/late 文書.tif"][:9]
        head.stdout.close()
    finally:
        head.kill()
        head.wait()
    assert done.stderr == b""


def test_tables_fit_the_terminal_and_end_with_totals(casfs, known, emulator, tmp_path):
    archives, jobs = known
    assert casfs("cat", VAULT, "a/soon.tif").returncode == 0
    environment = {
        "CASFS_ENDPOINT": emulator.url,
        "CASFS_CACHE_DIR": str(tmp_path / "cache"),
        "CASFS_CONFIG": str(tmp_path / "config.toml"),
        "HOME": str(tmp_path),
        "LANG": "C.UTF-8",
        **KEYS,
    }
    job = jobs["a/soon.tif"]
    lists = {
        ("jobs", VAULT): ["5 jobs: 3 readable, 1 running, 1 failed", "expires in 1 h 5"],
        ("ls", VAULT, "a"): ["4 archives", "1 expiring"],
        ("find", VAULT, "*"): ["5 archives", "1 cold"],
        ("vaults",): ["vaults: "],
        ("cache", "ls"): ["outputs, "],
        ("profiles",): ["entr"],
    }
    for arguments, totals in lists.items():
        for columns in (60, 200):
            shown = on_terminal([COMMAND, *arguments], environment, columns)
            assert shown.status == 0, shown.text
            assert shown.widest <= columns, (arguments, columns, shown.text)
            assert [text for text in totals if text not in shown.text] == [], shown.text
            assert job not in shown.text
        piped = casfs(*arguments).stdout.decode()
        assert totals[0] not in piped
    assert f"{job[:8]}..{job[-4:]}" in on_terminal([COMMAND, "jobs", VAULT], environment).text
    whole = on_terminal([COMMAND, "jobs", VAULT, "-l"], environment, 60).text
    assert job in whole.replace("\n", "")
    table = casfs("jobs", VAULT).stdout.decode()
    (line,) = [line for line in table.splitlines() if job in line]
    assert line.index("a/soon.tif") < line.index(job)
