"""The man pages, which are made from what `--help` says."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from casfs.mount import mount_options
from tests.support.commands import COMMANDS

ROOT = Path(__file__).parents[3]
PAGES = sorted((ROOT / "man").glob("*.1"))
MOUNT_PAGE = ROOT / "man8" / "mount.casfs.8"


def run(*command, **options):
    return subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, timeout=60, **options
    )


def test_every_command_has_a_page():
    expected = {"-".join(("casfs", *command)) for command in COMMANDS}
    assert {page.stem for page in PAGES} == expected


def test_the_pages_say_what_the_commands_say(tmp_path):
    done = run(sys.executable, ROOT / "scripts" / "man-pages", tmp_path)
    assert done.returncode == 0, done.stderr
    made = {page.name: page.read_text("utf-8") for page in tmp_path.iterdir()}
    kept = {page.name: page.read_text("utf-8") for page in (*PAGES, MOUNT_PAGE)}
    assert kept == made, "run .venv/bin/python scripts/man-pages"


def shown(page):
    """Return what man shows of a page, without the blanks by which it spreads words."""
    environment = os.environ | {"MANWIDTH": "80", "LC_ALL": "C.UTF-8"}
    done = run("man", "--warnings", "-E", "UTF-8", "-l", page, env=environment)
    assert (done.returncode, done.stderr) == (0, "")
    return " ".join(done.stdout.split())


def test_the_page_of_the_helper_of_mount_names_all_options():
    text = shown(MOUNT_PAGE)
    for name in (mount_options._SETTINGS | mount_options._OURS) - {"nonempty", "skip_bad_records"}:
        assert f"{name}=" in text
    assert " nonempty " in text
    assert " skip_bad_records " in text


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_man_shows_a_page_without_a_warning(page):
    text = shown(page)
    command = page.stem.replace("-", " ")
    assert f"NAME {page.stem} - " in text
    assert f"SYNOPSIS {command} [OPTIONS]" in text
    assert "--help Show this message and exit." in text
    assert " EXAMPLES " in text
