"""What `--help` says of options."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.commands import COMMANDS


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_help_fits_and_names_variables_and_defaults(command):
    casfs = Path(sys.executable).with_name("casfs")
    done = subprocess.run([casfs, *command, "--help"], capture_output=True, text=True, timeout=60)
    assert max(map(len, done.stdout.splitlines())) <= 80
    text = " ".join(done.stdout.split())
    if "--cache-size" in text:
        assert "[env var: CASFS_CACHE_SIZE; default: 20GiB]" in text
    if "--profile" in text:
        assert "[env var: CASFS_PROFILE]" in text
    if command == ("emulator",):
        assert text.count("default: 0.0") == 4
