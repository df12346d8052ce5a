"""Runs the official SDKs of the Python 2 era, as released, in the environment that they need."""

import json
import os
import re
import socket
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support.emulator.running import KEY_ID, SECRET, RunningEmulator, running_emulator

ENVIRONMENT = Path(__file__).parents[3] / ".venv-sdk"
"""Made by `scripts/setup --tests`."""

_SECONDS = 240
"""The longest that any of them may take; they pause up to four seconds before each part."""


def run(*arguments: object, folder: Path) -> str:
    """Run Python 2 with its home in `folder`; it must succeed and complain of nothing.

    Returns:
        Its standard output.
    """
    python = ENVIRONMENT / "bin" / "python"
    assert python.exists(), f"{ENVIRONMENT} is missing: run scripts/setup --tests"
    done = subprocess.run(
        [python, *map(str, arguments)],
        cwd=folder,
        env={
            "HOME": str(folder),
            "PATH": os.environ["PATH"],
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONIOENCODING": "utf-8",
        },
        capture_output=True,
        text=True,
        timeout=_SECONDS,
    )
    # The tools tell their time there.
    complaints = re.sub(r"[\d.]+\(s\) elapsed\n", "", done.stderr)
    assert (done.returncode, complaints) == (0, ""), (arguments, done.stdout, done.stderr)
    return done.stdout


def session(name: str, emulator: RunningEmulator, folder: Path, **facts: object) -> dict[str, Any]:
    """Run one of the scripts beside this file and return what its last line says, which is JSON.

    The script gets a JSON object with host, port, keys, and `facts`.
    """
    script = Path(__file__).parent / "sessions" / name
    where = {"host": "127.0.0.1", "port": emulator.port, "key_id": KEY_ID, "secret": SECRET}
    output = run(script, json.dumps({**where, **facts}, default=str), folder=folder)
    said: dict[str, Any] = json.loads(output.splitlines()[-1])
    return said


def tool(name: str, command: str, options: Sequence[object], *names: object, folder: Path) -> str:
    """Run a command of one of the official command line tools; names may begin with `-`."""
    script = ENVIRONMENT / "site" / "bin" / name
    return run(script, command, *options, *(["--", *names] if names else []), folder=folder)


def after(label: str, output: str) -> str:
    """Return what a tool has printed behind a label on the same line."""
    return output.split(label, 1)[1].split("\n", 1)[0].strip(" :,")


@contextmanager
def at_port_80(root: Path) -> Iterator[tuple[RunningEmulator, str]]:
    """Run an emulator of CAS at the only port that `cascmd.py` knows, on an address of its own."""
    number = os.getpid()
    host = f"127.{80 + number // 62500 % 100}.{number // 250 % 250}.{number % 250 + 2}"
    with socket.socket() as trial:
        try:
            trial.bind((host, 80))
        except PermissionError:
            pytest.fail(
                "cascmd.py knows port 80 alone, which ordinary users may not serve here; run the "
                "tests as root, or: sudo sysctl net.ipv4.ip_unprivileged_port_start=80"
            )
    with running_emulator(root, "--host", host, "--port", "80") as emulator:
        yield emulator, host
