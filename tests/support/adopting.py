"""casfs and another tool request archives of one vault: each sees, and adopts, what is there."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from tests.support.emulator.running import KEYS
from tests.support.schemas import checked_lines


def adopts_and_is_seen(
    url: str,
    dialect: str,
    vault: str,
    home: Path,
    archives: tuple[str, str],
    request: Callable[[str], object],
    listed: Callable[[], str],
) -> None:
    """Let another tool request the first archive, and casfs both of them.

    Args:
        url: of the service, which has no job for either archive.
        dialect: of it.
        vault: name of the vault.
        home: cache and state are below it.
        archives: their ids.
        request: lets the other tool request an archive.
        listed: returns what the other tool prints of the vault's jobs.
    """
    theirs, ours = archives
    request(theirs)
    environment = {
        **{name: value for name, value in os.environ.items() if "proxy" not in name.lower()},
        **KEYS,
        "CASFS_DIALECT": dialect,
        "CASFS_ENDPOINT": url,
        "CASFS_REGION": "us-east-1",
        "CASFS_CACHE_DIR": str(home / "cache"),
        "CASFS_STATE_DIR": str(home / "state"),
    }
    for jobs in (1, 0):
        done = subprocess.run(
            [sys.executable, "-m", "casfs", "request", vault, "--ids", "-", "-y", "--json"],
            env=environment,
            input=f"{theirs}\n{ours}\n".encode(),
            capture_output=True,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr
        plan, *rest = checked_lines(done.stdout)
        assert plan["jobs"] == jobs
        adopted = plan["running"]["files"] + plan["readable"]["files"]
        assert adopted == 2 - jobs
        sent = [line for line in rest if line["message_type"] == "request"]
        assert [line["archive"] for line in sent] == [ours][:jobs]
        for line in sent:
            assert line["job"] in listed()
