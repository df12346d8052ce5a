"""`casfs restore` from a service that breaks off, or has no hash for what it sends."""

import os

from tests.support.command import run_command
from tests.support.emulator.running import KEYS
from tests.support.origin_account import MIB, made_bytes
from tests.support.restores import manifest
from tests.support.running_origin import RunningOrigin

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
