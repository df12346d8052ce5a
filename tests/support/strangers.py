"""Another user of the machine, and what he may have planted; tests that need one run as root."""

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

STRANGER = 54321
"""Somebody without an entry in any file."""


def given_to(path: Path, uid: int = STRANGER) -> Path:
    """Let a path, or a link itself, belong to somebody else."""
    os.chown(path, uid, uid, follow_symlinks=False)
    return path


def run_as(
    uid: int, command: Sequence[str | Path], environment: Mapping[str, str]
) -> "subprocess.CompletedProcess[str]":
    """Run a program as another user."""
    who = ["setpriv", "--reuid", str(uid), "--regid", str(uid), "--clear-groups"]
    return subprocess.run(
        [*who, *command], env=dict(environment), capture_output=True, text=True, timeout=60, cwd="/"
    )


def modes(folder: Path) -> dict[str, int]:
    """The permissions of a directory and of all that is below it, by relative path."""
    paths = [folder, *folder.rglob("*")]
    return {str(path.relative_to(folder)): path.lstat().st_mode & 0o7777 for path in paths}
