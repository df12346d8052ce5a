"""A user without a home, as in containers, is told what to give, or served."""

import os
import tempfile
from pathlib import Path

from tests.support.command import CASFS
from tests.support.emulator.running import KEYS
from tests.support.strangers import STRANGER, given_to, run_as


def test_it_works_with_a_cache_directory_and_without_one_tells_what_to_give(emulator):
    environment = {"PATH": os.environ["PATH"], "CASFS_ENDPOINT": emulator.url, **KEYS}
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        Path(name, "cache").mkdir(mode=0o700)
        cache = given_to(Path(name) / "cache")
        for home in ({}, {"HOME": "."}):
            done = run_as(STRANGER, [CASFS, "vaults"], environment | home)
            assert done.returncode == 2
            assert done.stderr == (
                "casfs: there is no home directory; use --cache-dir, or set HOME\n"
            )
            done = run_as(STRANGER, [CASFS, "mount", name], environment | home)
            assert (done.returncode, done.stderr.count("\n")) == (2, 1)
            done = run_as(STRANGER, [CASFS, "profiles"], environment | home)
            assert (done.returncode, done.stderr) == (0, "")
            done = run_as(
                STRANGER, [CASFS, "vaults", "--json", "--cache-dir", cache], environment | home
            )
            assert (done.returncode, done.stderr) == (0, "")
