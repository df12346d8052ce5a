"""What the shell offers for TAB: fast, from what is cached, and never an error."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from casfs.blocks.disk.store import CATALOG
from casfs.tree.sqlite.database import Database

CASFS = Path(sys.executable).with_name("casfs")
INSERTS = """
INSERT INTO vaults VALUES ('photos', '{}', 1), ('plans', '{}', 1), ('$(touch hit)', '{}', 1);
INSERT INTO jobs (vault, id, description, generation) VALUES
    ('photos', 'job-1', '{}', 1), ('photos', 'job-2', '{}', 1), ('plans', 'job-3', '{}', 1);
INSERT INTO folders (number, parent, name) VALUES (1, 0, 'photos'), (2, 1, '2024');
INSERT INTO archives (number, hash, vault, id, created, folder, name, rule, flags, listed) VALUES
    (1, 1, 1, 'a', 0, 2, 'one.tif', '', 0, 1), (2, 2, 1, 'b', 0, 1, 'two.tif', '', 0, 1);
"""
PROFILES = """
[profiles.work]
endpoint = "http://127.0.0.1:1"
[profiles.home]
dialect = "glacier"
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    home = tmp_path_factory.mktemp("home")
    (home / "config.toml").write_text(PROFILES)
    (home / "cache" / CATALOG).mkdir(parents=True, mode=0o700)
    database = Database(home / "cache" / CATALOG / "account.sqlite")
    with database.transaction() as connection:
        for statement in INSERTS.split(";"):
            connection.execute(statement)
    database.close()
    return home


def run(home, *command, **variables):
    environment = {"PATH": f"{CASFS.parent}:{os.environ['PATH']}", "HOME": str(home)}
    environment |= {"CASFS_CONFIG": str(home / "config.toml")}
    environment |= {"CASFS_CACHE_DIR": str(home / "cache"), "LC_ALL": "C.UTF-8"}
    return subprocess.run(
        command, capture_output=True, text=True, timeout=60, cwd=home, env=environment | variables
    )


def offered(home, line, **variables):
    """What bash would offer at the end of a line."""
    script = """
eval "$(_CASFS_COMPLETE=bash_source casfs)"
COMP_WORDS=("$@")
COMP_CWORD=$(($# - 1))
_casfs_completion casfs
printf '%s\\n' "${COMPREPLY[@]}"
"""
    done = run(home, "bash", "-c", script, "bash", *line.split(" "), **variables)
    assert done.stderr == ""
    return done.stdout.split()


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("casfs cat", ["cat", "catalog"]),
        ("casfs cache pr", ["prune"]),
        ("casfs ls --profile ", ["home", "work"]),
        ("casfs mount w", ["work"]),
        ("casfs ls p", ["photos", "plans"]),
        ("casfs ls ", ["photos", "plans"]),
        ("casfs cat photos job", ["job-1", "job-2"]),
        ("casfs wait photos job-1 job", ["job-1", "job-2"]),
        ("casfs ls photos ", ["2024/", "two.tif"]),
        ("casfs request photos 2024/", ["2024/one.tif"]),
        ("casfs catalog refresh pl", ["plans"]),
        ("casfs request photos --tier b", ["bulk"]),
        ("casfs ls nothing x", []),
    ],
)
def test_bash_offers(home, line, expected):
    assert offered(home, line) == expected


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_other_shells_have_it_too(home, shell):
    source = run(home, "casfs", _CASFS_COMPLETE=f"{shell}_source")
    assert source.returncode == 0
    assert f"{shell}_complete" in source.stdout


@pytest.mark.parametrize("content", ["nonsense", "[profiles]\nx = 1\n"])
def test_a_bad_configuration_shows_no_error(home, tmp_path, content):
    (tmp_path / "bad.toml").write_text(content)
    assert offered(home, "casfs ls --profile ", CASFS_CONFIG=str(tmp_path / "bad.toml")) == []


def test_a_corrupt_catalog_shows_no_error(home, tmp_path):
    (tmp_path / CATALOG).mkdir()
    (tmp_path / CATALOG / "a.sqlite").write_bytes(b"nonsense" * 1000)
    assert offered(home, "casfs ls ", CASFS_CACHE_DIR=str(tmp_path)) == []


def test_a_configuration_that_does_not_answer_ends_it(home, tmp_path):
    """A pipe that nobody writes to stands for a network disk that hangs."""
    os.mkfifo(tmp_path / "config.toml")
    begun = time.monotonic()
    assert offered(home, "casfs ls --profile ", CASFS_CONFIG=str(tmp_path / "config.toml")) == []
    assert time.monotonic() - begun < 30
