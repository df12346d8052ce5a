"""A key that may not list vaults: a real mount of those that it may see, and the command line."""

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.command import CASFS
from tests.support.mounting import mounted
from tests.support.running_origin import RunningOrigin, content

JOB = {"JobId": "one", "@size": 3_000_000}
SCOPED = {"when": {"call": "vaults"}, "do": {"status": 403, "error": "AccessDeniedException"}}


@pytest.fixture
def origin(tmp_path: Path) -> Iterator[RunningOrigin]:
    vaults = {name: {"jobs": [JOB]} for name in ("mine", "named", "other")}
    with RunningOrigin(tmp_path / "origin", vaults) as running:
        running.misbehave(SCOPED)
        yield running


def test_named_vaults_are_mounted_and_others_are_found(
    origin: RunningOrigin, tmp_path: Path
) -> None:
    with mounted(tmp_path / "home", origin.url, CASFS_VAULTS="named") as mount:
        assert mount.list("vaults") == ["named"]
        assert mount.read("vaults", "mine", "jobs", "one", "output") == content(JOB)
        assert mount.list("vaults") == ["mine", "named"]
        assert mount.errno(os.stat, mount.path("vaults", "nope")) == errno.ENOENT
        assert "not all vaults are shown" in mount.log


def test_vaults_are_known_from_before(origin: RunningOrigin, tmp_path: Path) -> None:
    with mounted(tmp_path / "home", origin.url) as mount:
        assert mount.list("vaults") == []
        mount.good(CASFS, "jobs", "mine")
        mount.umount()
        assert mount.start().returncode == 0
        assert mount.list("vaults") == ["mine"]
        assert mount.read("vaults", "mine", "jobs", "one", "output") == content(JOB)


def test_a_key_of_no_vault_at_all_is_reported_at_once(
    origin: RunningOrigin, tmp_path: Path
) -> None:
    origin.misbehave({"do": {"status": 403, "error": "AccessDeniedException"}})
    with mounted(tmp_path / "other", origin.url) as mount:
        mount.umount()
        mount.environment["CASFS_VAULTS"] = "mine,named"
        done = mount.start()
        assert done.returncode == 1
        assert "AccessDeniedException" in done.stderr
        assert "`vaults`" in done.stderr


def test_the_commands_say_that_these_are_not_all(origin: RunningOrigin, tmp_path: Path) -> None:
    with mounted(tmp_path / "home", origin.url) as mount:
        done = mount.run(CASFS, "vaults")
        assert (done.returncode, done.stdout) == (1, "")
        assert "AccessDeniedException" in done.stderr
        mount.environment["CASFS_VAULTS"] = "mine, named"
        done = mount.run(CASFS, "vaults")
        assert done.returncode == 1
        assert "mine" in done.stdout
        assert "other" not in done.stdout
        assert done.stderr.strip().splitlines()[-1].startswith("casfs: List Vaults")
        done = mount.run(CASFS, "catalog", "refresh")
        assert done.returncode == 0
        assert done.stdout.splitlines() == ["mine: 0 new inventories", "named: 0 new inventories"]
        assert "not all vaults are refreshed" in done.stderr
