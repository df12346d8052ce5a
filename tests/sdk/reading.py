"""What casfs shows of what an SDK has uploaded."""

import os
import subprocess
import sys

from tests.emulator.running import KEYS, RunningEmulator


def casfs_cat(emulator: RunningEmulator, dialect: str, vault: str, job: str) -> bytes:
    """Return the output of a job, as `casfs cat` writes it."""
    command = [sys.executable, "-m", "casfs", "cat", "--dialect", dialect]
    done = subprocess.run(
        [*command, "--endpoint", emulator.url, vault, job],
        env={**os.environ, **KEYS, "HOME": str(emulator.root)},
        capture_output=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
