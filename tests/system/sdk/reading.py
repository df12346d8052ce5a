"""What casfs shows of what an SDK has uploaded."""

import subprocess
import sys
import tempfile
from pathlib import Path

from tests.support.emulator.running import RunningEmulator
from tests.support.mounting import mounted


def casfs_reads(emulator: RunningEmulator, dialect: str, vault: str, job: str) -> bytes:
    """Return the output of a job: a file in a mount, and the same as `casfs cat` writes it."""
    settings = {"CASFS_DIALECT": dialect, "CASFS_REGION": "us-east-1"}
    with (
        tempfile.TemporaryDirectory(prefix="sdk-", dir=emulator.root) as home,
        mounted(Path(home), emulator.url, **settings) as mount,
    ):
        shown = mount.read("vaults", vault, "jobs", job, "output")
        written = subprocess.run(
            [sys.executable, "-m", "casfs", "cat", vault, job],
            env=mount.environment,
            capture_output=True,
            timeout=120,
        )
    assert written.returncode == 0, written.stderr
    assert written.stdout == shown
    return shown
