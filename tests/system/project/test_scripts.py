"""The scripts that people run first: they say what they do, and leave nothing behind."""

import os
import pty
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from tests.support.processes import SECONDS

ROOT = Path(__file__).parents[3]
FIRST = b"An archive service on this machine"


def begun_and_ended(folder: Path, *who: str, terminal: bool, **more: str) -> tuple[bytes, int]:
    """Run the demo until it has begun, end it with a signal, and return what it printed."""
    reading, writing = pty.openpty() if terminal else os.pipe()
    environment = {"PATH": os.environ["PATH"], "TMPDIR": str(folder), **more}
    process = subprocess.Popen(
        [*who, ROOT / "scripts" / "demo"],
        stdin=subprocess.DEVNULL,
        stdout=writing,
        stderr=subprocess.STDOUT,
        env=environment,
    )
    os.close(writing)
    said = b""
    try:
        while FIRST not in said:
            piece = os.read(reading, 65536)
            assert piece, said
            said += piece
        process.send_signal(signal.SIGTERM)
        # What it still prints must have room.
        while True:
            try:
                piece = os.read(reading, 65536)
            except OSError:
                # A terminal that everybody has closed.
                break
            if not piece:
                break
            said += piece
        status = process.wait(SECONDS)
    finally:
        process.kill()
        process.wait()
        os.close(reading)
    return said, status


@pytest.mark.parametrize(
    ("terminal", "variables", "colored"),
    [(True, {}, True), (True, {"NO_COLOR": "1"}, False), (False, {}, False)],
    ids=["terminal", "NO_COLOR", "pipe"],
)
def test_the_demo_is_colored_on_a_terminal_alone_and_cleans_up(
    tmp_path: Path, terminal: bool, variables: dict[str, str], colored: bool
) -> None:
    said, status = begun_and_ended(tmp_path, terminal=terminal, **variables)
    assert status == 1
    assert (b"\x1b[" in said) == colored
    assert list(tmp_path.iterdir()) == []


def setup_with(folder: Path, *arguments: str) -> str:
    """What `scripts/setup` says where everything is missing and every command is a stand-in."""
    (folder / "scripts").mkdir(parents=True)
    (folder / "pyproject.toml").touch()
    script = shutil.copy(ROOT / "scripts" / "setup", folder / "scripts")
    shutil.copy(ROOT / "scripts" / "setup-sdk", folder / "scripts")
    programs = folder / "bin"
    programs.mkdir()
    for name, line in (
        ("apt-get", "exit 0"),
        ("ldconfig", "exit 0"),
        ("python3", "exit 0"),
        ("sudo", 'shift; exec "$@"'),
    ):
        (programs / name).write_text(f"#!/bin/sh\n{line}\n")
        (programs / name).chmod(0o755)
    done = subprocess.run(
        [script, *arguments],
        env={"PATH": f"{programs}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    return done.stderr


def test_setup_prints_what_it_runs_and_installs_no_more_than_the_demo_needs(tmp_path: Path) -> None:
    lines = setup_with(tmp_path / "demo").splitlines()
    run = [line.removeprefix("setup: ").removeprefix("sudo -n ") for line in lines]
    assert "apt-get update --quiet=2" in run
    assert any(line.startswith("env DEBIAN_FRONTEND=noninteractive") for line in run)
    assert "python3 -m venv .venv" in run
    (install,) = [line for line in run if line.startswith(".venv/bin/pip --python .venv/")]
    assert install.endswith(r"--editable .\[emulator\]")
    tests = setup_with(tmp_path / "tests", "--tests")
    assert r"--editable .\[emulator\,dev\]" in tests or r".\[emulator,dev\]" in tests
