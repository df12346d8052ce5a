"""`casfs restore` from a service that breaks off, or has no hash for what it sends."""

import errno
import os
import shutil
from datetime import timedelta

from click.testing import CliRunner

from casfs.cli.main import casfs as casfs_command
from casfs.errors import CacheError, CatalogError
from casfs.tree.available_archives import AvailableArchives
from casfs.tree.retrievals import Retrievals
from tests.support.command import run_command
from tests.support.emulator.running import KEYS
from tests.support.origin_account import MIB, made_bytes
from tests.support.processes import wait_until
from tests.support.restores import VAULT, manifest, restores, states
from tests.support.running_origin import RunningOrigin
from tests.support.schemas import checked_lines

SIZE = 9 * MIB + 5


def test_broken_connections_cost_nothing_twice_and_what_has_no_hash_is_marked(tmp_path):
    jobs = [
        {"JobId": "j1", "ArchiveId": "whole", "@size": SIZE, "@seed": 1},
        {"JobId": "j2", "ArchiveId": "bare", "@size": 100, "@seed": 2, "@hashes": False},
    ]
    with RunningOrigin(tmp_path / "origin", {"v": {"jobs": jobs}}) as origin:
        origin.misbehave({"when": {"call": "output"}, "do": {"cut": 2_000_000}})
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(tmp_path),
            "CASFS_ENDPOINT": origin.url,
            "CASFS_REGION": "ap-chengdu",
            **KEYS,
        }
        destination = tmp_path / "dest"
        done = run_command(["restore", "v", destination], environment)
        assert done.returncode == 0, done.stderr
        found = {path.name: path.read_bytes() for path in (destination / "by-id").iterdir()}
        assert found == {"whole": made_bytes(SIZE, 1), "bare": made_bytes(100, 2)}
        lines = {one["archive"]: one for one in manifest(destination) if one["type"] == "archive"}
        assert {name: one["state"] for name, one in lines.items()} == {
            "whole": "verified",
            "bare": "unverified",
        }
        assert lines["bare"]["sha256"]
        assert b"1 are unverified" in done.stderr
        report = run_command(["report", destination], environment)
        assert b"unverified" in report.stdout
        status = run_command(["status", destination], environment)
        assert b"done, but 1 is unverified" in status.stdout


def test_a_restore_that_waits_outlasts_a_catalog_that_fails_for_a_while(tmp_path, monkeypatch):
    real = Retrievals.catalog_jobs
    looks: list[str] = []

    def catalog_jobs(self, vault, note):
        looks.append(vault)
        # The first look makes the plan, while somebody sits there to read the error.
        if len(looks) in (2, 3):
            raise CatalogError("the catalog is being written by another process; try again later")
        real(self, vault, note)

    with restores(tmp_path, {"a.bin": 1000, "b.bin": 2000}, "--job-seconds", "1") as vault:
        for name, value in vault.environment.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(Retrievals, "catalog_jobs", catalog_jobs)
        destination = tmp_path / "dest"
        done = CliRunner().invoke(casfs_command, ["restore", VAULT, str(destination), "-y"])
        assert done.exit_code == 0, done.output
        assert len(looks) > 3
        vault.check(destination)
        assert sorted(vault.requested().values()) == [1, 1]


def test_what_is_paid_for_is_fetched_while_the_cache_cannot_be_read(tmp_path):
    """It would expire, and be paid for once more."""
    with restores(tmp_path, {"a.bin": 1000, "b.bin": 3 * MIB}, "--job-seconds", "3") as vault:
        destination, blocks = tmp_path / "dest", vault.home / "cache/blocks-1"
        process = vault.start("restore", VAULT, str(destination), "-y")
        try:
            wait_until(lambda: vault.requested().total() == 2, "the requests")
            shutil.rmtree(blocks, ignore_errors=True)
            blocks.symlink_to(blocks.name)
            output, errors = process.communicate(timeout=60)
        finally:
            process.kill()
        # Of a large one, blocks may be in the cache: it is left to another run.
        assert process.returncode == 75, output + errors
        assert f"cannot find out what is in the cache {blocks.parent}" in errors
        assert states(destination) == {"a.bin": "verified"}
        blocks.unlink()
        status, output, errors = vault.restore(destination)
        assert status == 0, output + errors
        vault.check(destination)
        assert sorted(vault.requested().values()) == [1, 1]


def test_nothing_is_requested_while_nobody_knows_what_is_cached(tmp_path, monkeypatch):
    real, destination = AvailableArchives.among, tmp_path / "dest"
    looks: list[tuple[int, bool]] = []

    def among(self, vault_name, archives, shown=True):
        fails = 0 < len(looks) < 5
        looks.append((vault.requested().total(), (destination / "a.bin").exists()))
        if fails:
            raise CacheError("cannot find out what is in the cache /c: Input/output error")
        return real(self, vault_name, archives, shown)

    with restores(tmp_path, {"a.bin": 60, "b.bin": 61}, "--job-seconds", "1") as vault:
        for name, value in vault.environment.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(AvailableArchives, "among", among)
        # A wave is what 12 hours fetch: one archive.
        monkeypatch.setattr("casfs.restore.running.WAVE", timedelta(seconds=1))
        arguments = ["restore", VAULT, str(destination), "-y", "--pace", "8/h"]
        done = CliRunner().invoke(casfs_command, arguments)
        assert done.exit_code == 0, done.output
        # By then, one was fetched, and nothing was requested.
        assert looks[:2] == [(0, False), (1, False)]
        assert looks[5] == (1, True)
        assert "not requested yet: cannot find out what is in the cache /c" in done.output
        assert "could not be listed" not in done.output
        vault.check(destination)
        assert sorted(vault.requested().values()) == [1, 1]


def test_a_disk_that_cannot_sync_is_refused_before_anything_is_paid(tmp_path, monkeypatch):
    """As some FUSE file systems; the manifest may be on a disk that can."""
    destination, manifest_file = tmp_path / "dest", tmp_path / "manifest"
    sync = os.fsync

    def fsync(file):
        path = os.readlink(f"/proc/self/fd/{file}")
        if path.startswith(str(destination)) and os.path.isfile(path):
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        sync(file)

    with restores(tmp_path, {"a.bin": 1000}) as vault:
        for name, value in vault.environment.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(os, "fsync", fsync)
        arguments = ["restore", VAULT, str(destination), "-y", "--manifest", str(manifest_file)]
        done = CliRunner().invoke(casfs_command, arguments)
        assert (done.exit_code, "cannot sync files" in done.output) == (2, True), done.output
        assert not vault.requested()
        assert not destination.exists()
        assert not manifest_file.exists()


def test_cat_marks_what_has_no_hash(tmp_path):
    jobs = [
        {"JobId": "whole", "ArchiveId": "a1", "@size": SIZE, "@seed": 1},
        {"JobId": "bare", "ArchiveId": "a2", "@size": 3 * MIB, "@seed": 2, "@hashes": False},
        {"JobId": "late", "ArchiveId": "a3", "@size": SIZE, "@seed": 3},
    ]
    with RunningOrigin(tmp_path / "origin", {"v": {"jobs": jobs}}) as origin:
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(tmp_path),
            "CASFS_ENDPOINT": origin.url,
            **KEYS,
        }

        origin.misbehave({"when": {"call": "output", "job": "late"}, "do": {"hash": None}})

        def cat(*arguments):
            done = run_command(["cat", "v", *arguments], environment)
            assert done.returncode == 0, done.stderr
            return done.stdout, done.stderr

        bare = made_bytes(3 * MIB, 2)
        marked = b"casfs: bare is unverified: the service gave no hash that vouches for all of "
        assert cat("whole") == (made_bytes(SIZE, 1), b"")
        # Its hash is known as soon as all of it is there.
        assert cat("late") == (made_bytes(SIZE, 3), b"")
        assert cat("bare") == (bare, marked + b"its bytes\n")
        # From the cache, too, and of a part.
        assert cat("bare", "--range", "5-9") == (bare[5:10], marked + b"its bytes\n")
        for job, verified in (("whole", "yes"), ("bare", "no")):
            written, said = cat(job, "--range", "0-9", "--json", "--stats", "0.000001")
            lines = checked_lines(said)
            kinds = ["status", *(["warning"] if verified == "no" else []), "summary"]
            assert [line["message_type"] for line in lines] == kinds
            assert lines[0]["percent_done"] == 100
            result = (lines[-1]["bytes_written"], lines[-1]["verified"], lines[-1]["exit_status"])
            assert result == (len(written), verified, 0)
