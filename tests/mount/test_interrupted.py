"""A program that is told to stop while it waits for a listing stops, and not at the deadline."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.mount.mounting import mounted
from tests.mount.processes import wait_until
from tests.support.running_origin import RunningOrigin

VAULTS = {"v": {"jobs": [{"JobId": "one", "@size": 3000}]}}
LIST = "import os, sys; print(os.listdir(sys.argv[1]))"
DEADLINE = 60


@pytest.mark.parametrize("library", ["fuse3", "fuse"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_listing_that_stalls_is_left_at_once(
    tmp_path: Path, number: signal.Signals, library: str
) -> None:
    with (
        RunningOrigin(tmp_path / "o", VAULTS) as origin,
        mounted(
            tmp_path / "home", origin.url, CASFS_DEADLINE=DEADLINE, FUSE_LIBRARY_NAME=library
        ) as mount,
    ):
        origin.misbehave({"when": {"call": "jobs"}, "do": {"hang": True}})
        jobs = str(mount.path("vaults", "v", "jobs"))
        with subprocess.Popen(
            [sys.executable, "-c", LIST, jobs], stdout=subprocess.PIPE, stderr=subprocess.PIPE
        ) as listing:
            wait_until(lambda: origin.requests("jobs"), "the listing to be asked for")
            listing.send_signal(number)
            try:
                # It waits for the deadline if nobody tells the mount.
                listing.wait(DEADLINE / 3)
            finally:
                listing.kill()
        assert listing.returncode == -number
        assert mount.list() == [".casfs", "vaults"]
        assert " ERROR " not in mount.log
