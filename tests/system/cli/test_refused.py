"""Lists are shown though the service does not give them, but never as if it had."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from tests.support.emulator.running import running_emulator
from tests.system.cli.conftest import command_in

LISTS = [("vaults",), ("jobs", "v"), ("ls", "v"), ("find", "v", "*")]
WRONG = {"CASFS_SECRET_ACCESS_KEY": "some-other-secret-000000000000001"}


@pytest.fixture
def emulator(tmp_path):
    """An emulator with an archive that is cataloged, and that a test may end."""
    files = tmp_path / "files"
    files.mkdir()
    (files / "one").write_bytes(b"1")
    options = ("--seed", f"v={files}", "--seed-inventory")
    with running_emulator(tmp_path / "emulator", *options) as running:
        yield running


@pytest.fixture
def casfs(emulator, tmp_path):
    """The command, which has listed everything a moment ago."""
    run = command_in(tmp_path, emulator.url)
    assert run("catalog", "refresh", "v").returncode == 0
    for command in LISTS:
        done = run(*command, "--json")
        assert done.returncode == 0, done.stderr
        assert not any("stale" in one or "as_of" in one for one in json.loads(done.stdout))
    return run


def test_a_wrong_secret_fails_though_what_is_known_is_shown(casfs):
    for command in LISTS:
        known = casfs(*command, "--json").stdout
        done = casfs(*command, "--json", **WRONG)
        assert (done.returncode, done.stdout) == (1, known), command
        assert b"check the keys" in done.stderr


def test_a_service_that_does_not_answer_is_no_failure(casfs, emulator):
    known = [json.loads(casfs(*command, "--json").stdout) for command in LISTS]
    before = datetime.now(UTC)
    emulator.__exit__(None, None, None)
    for command, facts in zip(LISTS, known, strict=True):
        done = casfs(*command, "--json", CASFS_DEADLINE="1", CASFS_ATTEMPTS="1")
        assert done.returncode == 0, done.stderr
        found = json.loads(done.stdout)
        times = [datetime.fromisoformat(one.pop("as_of")) for one in found]
        assert all(one.pop("stale") is True for one in found)
        assert found == facts
        # It was listed after the emulator began and before it ended.
        assert all(before - timedelta(minutes=5) < time <= before for time in times)
