"""An emulator for the tests of a module, and the command with a cache of its own."""

import os
import subprocess

import pytest

from tests.support.command import CASFS, run_command
from tests.support.emulator.running import KEYS, running_emulator


@pytest.fixture(scope="module")
def emulator(tmp_path_factory):
    with running_emulator(tmp_path_factory.mktemp("emulator")) as running:
        for vault in ("v", "empty"):
            running.create_vault(vault)
        yield running


@pytest.fixture
def casfs(emulator, tmp_path):
    """Run the command with this environment; its output is bytes."""
    return command_in(tmp_path, emulator.url)


def command_in(folder, url):
    """Return what runs the command with all that it keeps in a folder."""
    (folder / "config.toml").touch()

    def run(*arguments, stdout=None, stdin=None, **environment):
        settings = {
            "CASFS_ENDPOINT": url,
            "CASFS_CACHE_DIR": str(folder / "cache"),
            "CASFS_CONFIG": str(folder / "config.toml"),
            "HOME": str(folder),
            **KEYS,
        }
        names = ("PATH", "LANG", "PYTHONPATH")
        kept = {name: os.environ[name] for name in names if name in os.environ}
        full = {k: v for k, v in {**kept, **settings, **environment}.items() if v is not None}
        if stdout is None:
            return run_command(arguments, full, stdin)
        return subprocess.run(
            [CASFS, *arguments],
            env=full,
            stdout=stdout,
            stderr=subprocess.PIPE,
            timeout=60,
            input=stdin,
        )

    return run
