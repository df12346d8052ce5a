"""`casfs restore` of many small archives that meets what stops it half-way, and goes on."""

import os

import pytest

from casfs.restore.fetch_order import Lanes
from tests.support.command import run_command
from tests.support.disks import disk
from tests.support.emulator.running import KEYS
from tests.support.origin_account import made_bytes
from tests.support.processes import wait_until
from tests.support.restores import VAULT, restores, states
from tests.support.running_origin import RunningOrigin

COUNT, SIZE = 24, 40_000


def small(count: int = COUNT) -> dict[str, int]:
    return {f"{number:02}.bin": SIZE for number in range(count)}


def test_a_key_that_is_refused_half_way_ends_the_restore_and_another_goes_on(tmp_path):
    jobs = [
        {"JobId": f"j{n}", "ArchiveId": f"a{n:02}", "@size": SIZE, "@seed": n} for n in range(COUNT)
    ]
    refused = {"when": {"call": "output"}, "skip": COUNT // 2}
    with RunningOrigin(tmp_path / "origin", {"v": {"jobs": jobs}}) as origin:
        origin.misbehave({**refused, "do": {"status": 403, "error": "AccessDeniedException"}})
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(tmp_path),
            "CASFS_ENDPOINT": origin.url,
            **KEYS,
        }
        destination = tmp_path / "dest"

        def restored() -> dict[str, bytes]:
            found = (destination / "by-id").iterdir()
            return {one.name: one.read_bytes() for one in found if one.name.startswith("a")}

        done = run_command(["restore", "v", destination, "--connections", "1"], environment)
        assert done.returncode == 75, done.stderr
        assert b"AccessDenied" in done.stderr
        expected = {f"a{n:02}": made_bytes(SIZE, n) for n in range(COUNT)}
        before = restored()
        assert 0 < len(before) <= COUNT // 2
        assert before.items() <= expected.items()
        asked = len(origin.requests("output"))
        # Each lane is refused once, with at most one more attempt, and none goes on.
        assert asked <= COUNT // 2 + 2 * Lanes.of(1).all

        origin.misbehave()
        done = run_command(["restore", "v", destination], environment)
        assert done.returncode == 0, done.stderr
        assert restored() == expected
        assert len(origin.requests("output")) - asked == COUNT - len(before)


def test_what_expires_half_way_alone_is_requested_and_fetched_again(tmp_path):
    with restores(tmp_path, small(), "--job-seconds", "0.2") as vault:
        destination = tmp_path / "dest"
        command = ("restore", VAULT, str(destination), "-y", "--rerequest", "yes")
        process = vault.start(*command, "--bwlimit", "300k", "--connections", "1")
        try:

            def some() -> bool:
                return len(list(destination.glob("*.bin"))) >= COUNT // 4

            wait_until(some, "the first files")
            vault.emulator.sql("UPDATE jobs SET completed = 1 WHERE kind = 'archive'")
            output, errors = process.communicate(timeout=60)
        finally:
            process.kill()
        assert process.returncode == 0, output + errors
        vault.check(destination)
        assert set(states(destination).values()) == {"verified"}
        # What had come is neither paid for nor fetched twice.
        requested = vault.requested()
        assert set(requested.values()) == {1, 2}
        assert list(requested.values()).count(1) >= COUNT // 4
        assert vault.fetched() <= (COUNT + 2) * SIZE


@pytest.mark.skipif(os.geteuid() != 0, reason="mounts a tmpfs")
def test_a_disk_that_is_full_half_way_costs_nothing_twice(tmp_path):
    with (
        restores(tmp_path, small(), "--job-seconds", "0.2") as vault,
        disk(tmp_path / "disk", 12 * SIZE) as folder,
    ):
        destination = folder / "dest"
        status, output, errors = vault.restore(destination, "-y", "--connections", "1")
        assert status == 75, output + errors
        assert f"the disk at {folder} is full; make room and run the same command again" in errors
        before = len(list(destination.glob("*.bin")))
        assert 0 < before < COUNT
        fetched = vault.fetched()
        assert os.system(f"mount -o remount,size=8m {folder}") == 0
        status, output, errors = vault.restore(destination, "-y")
        assert status == 0, output + errors
        vault.check(destination)
        assert set(vault.requested().values()) == {1}
        assert vault.fetched() - fetched <= (COUNT - before) * SIZE
