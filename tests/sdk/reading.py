"""What others see of what an SDK has uploaded."""

import os
import subprocess
import sys
from collections.abc import Callable

from tests.emulator.oas import Oas
from tests.emulator.running import KEYS, RunningEmulator


def _casfs_cat(emulator: RunningEmulator, vault: str, job: str) -> bytes:
    command = [sys.executable, "-m", "casfs", "cat", "--endpoint", emulator.url, vault, job]
    cache = {"XDG_CACHE_HOME": str(emulator.root / "cache")}
    done = subprocess.run(
        command, env={**os.environ, **KEYS, **cache}, capture_output=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def _oas_output(emulator: RunningEmulator, vault: str, job: str) -> bytes:
    oas = Oas(emulator)
    [found] = [
        one["VaultId"] for one in oas.good("GET").json()["VaultList"] if one["VaultName"] == vault
    ]
    return oas.good("GET", f"/{found}/jobs/{job}/output").content


READERS: dict[str, Callable[[RunningEmulator, str, str], bytes]] = {
    "cas": _casfs_cat,
    "oas": _oas_output,
}
"""The output of a job, by dialect: with `casfs cat` where casfs speaks it."""
