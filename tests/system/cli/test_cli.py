"""The real command against the emulator: what it prints, and how it ends."""

import json
import re
import subprocess

import pytest

from tests.support.archive import MIB, flipped, random_bytes
from tests.support.emulator.running import KEY_ID, KEYS, SECRET
from tests.system.cli.said import one_line

DATA = random_bytes(3 * MIB + 17, seed=11)


@pytest.fixture(scope="module")
def job(emulator):
    return emulator.retrieve("v", emulator.upload("v", DATA, "a [b]old name"))


COMMANDS = (
    "cat",
    "catalog",
    "emulator",
    "find",
    "jobs",
    "ls",
    "mount",
    "profiles",
    "status",
    "umount",
    "vaults",
)


@pytest.mark.parametrize("arguments", [(), *[(name,) for name in COMMANDS]])
def test_help_everywhere(casfs, arguments):
    for flag in ("-h", "--help"):
        done = casfs(*arguments, flag)
        assert (done.returncode, done.stderr) == (0, b"")
        assert b"Usage: casfs" in done.stdout


def test_a_key_that_has_run_out_is_reported_in_one_line(casfs):
    done = casfs(
        *("vaults", "--dialect", "glacier", "--region", "r"),
        **dict.fromkeys(KEYS),
        AWS_ACCESS_KEY_ID=KEY_ID,
        AWS_SECRET_ACCESS_KEY=SECRET,
        AWS_CREDENTIAL_EXPIRATION="2020-01-01T00:00:00Z",
    )
    assert done.returncode == 1
    assert "sign in again" in one_line(done)


def test_vaults(casfs, job):
    done = casfs("vaults", "--json")
    assert done.returncode == 0
    assert [vault["VaultName"] for vault in json.loads(done.stdout)] == ["empty", "v"]
    table = casfs("vaults").stdout.decode()
    assert [line.split()[0] for line in table.splitlines() if line.strip()][2:] == ["empty", "v"]


def test_jobs(casfs, emulator, job):
    done = casfs("jobs", "v", "--json")
    assert done.returncode == 0
    found = {one["JobId"]: one for one in json.loads(done.stdout)}
    listed = {one["JobId"]: one for one in emulator.jobs("v")}
    assert found.keys() == listed.keys()
    assert all(listed[job].items() <= facts.items() for job, facts in found.items())
    table = casfs("jobs", "v").stdout.decode()
    (line,) = [line for line in table.splitlines() if job in line]
    assert "succeeded" in line
    assert "3.0 MiB" in line
    assert json.loads(casfs("jobs", "empty", "--json").stdout) == []


def test_cat_writes_exactly_the_output(casfs, job):
    for _ in range(2):
        done = casfs("cat", "v", job)
        assert (done.returncode, done.stderr) == (0, b"")
        assert done.stdout == DATA


def test_cat_takes_ids_that_begin_with_a_dash(casfs, emulator):
    archive = emulator.upload("v", DATA[:1000])
    for name in ("-Z" + "x" * 62, "--" + "x" * 62):
        job = emulator.retrieve("v", archive)
        emulator.sql("UPDATE jobs SET id = ? WHERE id = ?", name, job)
        assert casfs("cat", "v", name).stdout == DATA[:1000]
        assert casfs("cat", "--", "v", name).stdout == DATA[:1000]


def test_cat_never_writes_a_wrong_byte(casfs, emulator):
    archive = emulator.upload("v", DATA)
    job = emulator.retrieve("v", archive)
    file = emulator.archive_file(archive)
    file.write_bytes(flipped(DATA, 2 * MIB + 5))
    done = casfs("cat", "v", job, CASFS_ATTEMPTS="2")
    assert done.returncode == 1
    assert DATA.startswith(done.stdout)
    assert len(done.stdout) <= 2 * MIB
    assert "tree hash" in one_line(done)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("jobs", "nope"), "nope"),
        (("cat", "v", "nope"), "nope"),
        (("cat", "nope", "x"), "nope"),
    ],
)
def test_what_is_not_there_fails_with_1(casfs, arguments, told):
    done = casfs(*arguments)
    assert (done.returncode, done.stdout) == (1, b"")
    assert told in one_line(done)


def test_a_running_job_cannot_be_written(casfs, emulator, job):
    running = emulator.retrieve("v", emulator.upload("v", DATA[:100]))
    emulator.sql("UPDATE jobs SET completed = 9999999999 WHERE id = ?", running)
    done = casfs("cat", "v", running)
    assert (done.returncode, done.stdout) == (1, b"")
    one_line(done)
    emulator.finish(running)
    assert casfs("cat", "v", running).stdout == DATA[:100]


@pytest.mark.parametrize("beginning", ["-h", "--help", "-f=", "--account-"])
def test_a_job_that_looks_like_an_option_is_a_job(casfs, emulator, beginning):
    made = emulator.retrieve("v", emulator.upload("v", DATA[:99]))
    named = beginning + made[len(beginning) :]
    emulator.sql("UPDATE jobs SET id = ? WHERE id = ?", named, made)
    assert casfs("cat", "v", named).stdout == DATA[:99]
    assert casfs("cat", "--account", "-", "v", "--", named).stdout == DATA[:99]
    assert casfs("cat", named).returncode == 2


@pytest.mark.parametrize(
    "arguments",
    [
        ("nope",),
        ("jobs",),
        ("cat", "v"),
        ("vaults", "--nope"),
        ("vaults", "extra"),
    ],
)
def test_wrong_usage_fails_with_2(casfs, arguments):
    done = casfs(*arguments)
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"Usage: casfs" in done.stderr
    assert b"Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "environment", "told"),
    [
        (("vaults",), {"CASFS_SECRET_ACCESS_KEY": None}, "CASFS_SECRET_ACCESS_KEY"),
        (("vaults",), {"CASFS_ENDPOINT": None}, "--endpoint"),
        (("vaults", "--connections", "x"), {}, "connections"),
        (("vaults", "--cache-size", "x"), {}, "cache_size"),
        (("vaults", "--dialect", "s3"), {}, "dialect"),
        (("vaults", "--profile", "nope"), {}, "nope"),
        (("vaults", "--endpoint", "http://[::1"), {}, "endpoint"),
        (("vaults", "--cache-dir", "/dev/null/x"), {}, "--cache-dir"),
    ],
)
def test_wrong_settings_fail_with_2_and_name_the_setting(casfs, arguments, environment, told):
    done = casfs(*arguments, **environment)
    assert (done.returncode, done.stdout) == (2, b"")
    assert told in one_line(done)


@pytest.mark.parametrize("verbose", [(), ("-v",)])
def test_refused_credentials_fail_with_1_and_tell_no_secret(casfs, verbose):
    done = casfs(*verbose, "vaults", CASFS_SECRET_ACCESS_KEY="a wrong secret")
    assert (done.returncode, done.stdout) == (1, b"")
    text = done.stderr.decode()
    assert "InvalidSignatureException" in text
    assert "check the keys" in text
    assert "request id" in text
    assert "a wrong secret" not in text
    assert "q-signature" not in text
    assert "Traceback" not in text


def test_a_service_that_is_not_there_fails_with_1(casfs):
    done = casfs("vaults", "--endpoint", "http://127.0.0.1:1", CASFS_ATTEMPTS="2")
    assert done.returncode == 1
    assert "--endpoint" in one_line(done)


def test_a_deadline_that_passes_fails_with_1(casfs):
    done = casfs("vaults", "--endpoint", "http://127.0.0.1:1", "--deadline", "0.3")
    assert done.returncode == 1
    assert "0.3 s" in one_line(done)


def test_verbose_logs_failed_attempts_without_secrets(casfs):
    done = casfs("-v", "vaults", "--endpoint", "http://127.0.0.1:1", CASFS_ATTEMPTS="2")
    text = done.stderr.decode()
    assert "attempt 1 failed" in text
    assert SECRET not in text
    assert "q-ak" not in text


def test_a_profile_is_enough(casfs, emulator, tmp_path):
    (tmp_path / "config.toml").write_text(
        f"[profiles.mine]\nendpoint = '{emulator.url}'\n"
        f"access_key_id = '{KEYS['CASFS_ACCESS_KEY_ID']}'\nsecret_access_key = '{SECRET}'\n"
    )
    nothing = dict.fromkeys(("CASFS_ENDPOINT", *KEYS))
    done = casfs("vaults", "--json", "--profile", "mine", **nothing)
    assert done.returncode == 0
    assert len(json.loads(done.stdout)) == 2


def test_a_reader_that_wants_no_more_is_no_traceback(casfs, job):
    reader = subprocess.Popen(["head", "-c", "10"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        done = casfs("cat", "v", job, stdout=reader.stdin)
        assert reader.stdin is not None
        reader.stdin.close()
        assert reader.stdout is not None
        assert reader.stdout.read() == DATA[:10]
        reader.stdout.close()
    finally:
        reader.kill()
        reader.wait()
    assert b"Traceback" not in done.stderr
    assert done.returncode in (0, 1)


def test_a_full_disk_behind_the_output_is_one_line(casfs, job):
    with open("/dev/full", "wb") as full:
        done = casfs("cat", "v", job, stdout=full)
    assert done.returncode == 1
    assert "No space left" in one_line(done)


def test_status_of_what_is_no_mount_fails_with_1(casfs, tmp_path):
    done = casfs("status", str(tmp_path))
    assert done.returncode == 1
    assert str(tmp_path) in one_line(done)


@pytest.mark.parametrize(
    ("library", "wanted"),
    [
        ("fuse3", rb"libfuse 3\.[0-9.]+, mfusepy [0-9.]+"),
        ("fuse", rb"libfuse 2\.9, fusepy [0-9.]+"),
    ],
)
def test_the_version_names_python_libfuse_and_the_binding(casfs, library, wanted):
    done = casfs("--version", FUSE_LIBRARY_NAME=library)
    assert (done.returncode, done.stderr) == (0, b"")
    assert re.fullmatch(rb"casfs [0-9.]+ \(Python 3\.[0-9.]+, " + wanted + rb"\)\n", done.stdout)


def test_profiles_say_what_was_found_and_never_a_secret(casfs):
    done = casfs("profiles", "--json")
    assert (done.returncode, done.stderr) == (0, b"")
    listed = json.loads(done.stdout)
    assert {"access_key_id": KEY_ID, "source": "environment (CASFS_*)"}.items() <= listed[0].items()
    table = casfs("profiles").stdout.decode()
    assert KEY_ID in table
    assert SECRET not in table + done.stdout.decode()
