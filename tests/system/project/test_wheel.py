"""The wheel as somebody installs it: into an empty environment, without any extra."""

import json
import os
import re
import subprocess
import sys
import zipfile
from importlib import metadata
from pathlib import Path

import pytest

from casfs.cli.main import casfs as casfs_command
from tests.support.commands import COMMANDS

ROOT = Path(__file__).parents[3]
HEAVY = {"aiohttp", "botocore", "prometheus_client", "requests", "rich", "urllib3"}


def run(*command, **options):
    return subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, timeout=120, **options
    )


def required(distribution: metadata.Distribution) -> set[str]:
    """The distributions that one needs without an extra, and those that they need."""
    names = set()
    for requirement in distribution.requires or []:
        text, _, condition = requirement.partition(";")
        if "extra" not in condition and (name := re.match(r"[\w.-]+", text)):
            names.add(name[0])
    return names


def closure(distribution: metadata.Distribution) -> set[str]:
    found: set[str] = set()
    missing = required(distribution)
    while missing:
        name = missing.pop()
        found.add(name)
        try:
            missing |= required(metadata.distribution(name)) - found
        except metadata.PackageNotFoundError:
            # Needed on other systems or by other versions of Python.
            found.discard(name)
    return found


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    built = run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder, cwd=ROOT)
    assert built.returncode == 0, built.stderr
    (made,) = folder.glob("*.whl")
    return made


@pytest.fixture(scope="module")
def environment(wheel, tmp_path_factory):
    """An empty virtual environment with the wheel, what it says that it needs, and nothing else.

    What it needs is linked from this environment, so that no registry is asked.
    """
    folder = tmp_path_factory.mktemp("environment")
    made = run(sys.executable, "-m", "venv", "--without-pip", folder)
    assert made.returncode == 0, made.stderr
    python = folder / "bin" / "python"
    installed = run(
        *(sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", python),
        *("install", "--quiet", "--no-deps", "--no-index", wheel),
    )
    assert installed.returncode == 0, installed.stderr
    (site,) = folder.glob("lib/python*/site-packages")
    (itself,) = metadata.distributions(name="casfs-mount", path=[str(site)])
    for name in closure(itself):
        distribution = metadata.distribution(name)
        for top in {file.parts[0] for file in distribution.files or [] if file.parts[0] != ".."}:
            if top != "__pycache__":
                link = site / top
                if not link.exists():
                    link.symlink_to(Path(str(distribution.locate_file(top))))
    return folder / "bin"


@pytest.fixture
def casfs(environment, tmp_path):
    kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}

    def command(*arguments, **variables):
        return run(
            environment / "casfs",
            *arguments,
            env=kept | {"HOME": str(tmp_path)} | variables,
            cwd=tmp_path,
        )

    return command


def test_the_distribution_is_called_casfs_mount(wheel):
    """`casfs` on PyPI is a stranger's."""
    assert re.fullmatch(r"casfs_mount-[\d.]+-py3-none-any\.whl", wheel.name)


def test_the_wheel_has_its_license_and_its_types(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        (about,) = (name for name in names if name.endswith(".dist-info/METADATA"))
        text = archive.read(about).decode()
        (license_file,) = (name for name in names if name.endswith("/licenses/LICENSE"))
        assert b"Apache License" in archive.read(license_file)
    assert "casfs/py.typed" in names
    assert "License-Expression: Apache-2.0" in text.splitlines()
    assert "Author: casfs developers" in text.splitlines()


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_help_needs_no_extra(casfs, command):
    done = casfs(*command, "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert "Usage: casfs" in done.stdout
    if not command:
        assert re.search(r"^  emulator +Run an archive service", done.stdout, re.MULTILINE)


def test_the_version_is_that_of_the_wheel(casfs, wheel):
    assert wheel.name.split("-")[1] in casfs("--version").stdout


def test_the_emulator_says_which_extra_it_needs(casfs, tmp_path):
    keys = {"CASFS_ACCESS_KEY_ID": "any", "CASFS_SECRET_ACCESS_KEY": "thing"}
    done = casfs("emulator", "--root", tmp_path / "state", **keys)
    assert done.returncode == 2
    assert "pip install 'casfs-mount[emulator]'" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "state").exists()


def test_commands_that_need_no_extra_work(casfs, tmp_path):
    done = casfs("profiles", "--json", CASFS_ACCESS_KEY_ID="AKID", CASFS_SECRET_ACCESS_KEY="s")
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)[0]["access_key_id"] == "AKID"
    nowhere = {"CASFS_ENDPOINT": "http://127.0.0.1:1", "CASFS_CACHE_DIR": str(tmp_path / "cache")}
    done = casfs(
        "vaults", "--deadline=0.3", CASFS_ACCESS_KEY_ID="a", CASFS_SECRET_ACCESS_KEY="s", **nowhere
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert "--endpoint" in done.stderr


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_help_loads_nothing_that_takes_long(command):
    code = """
import sys
from casfs.cli.main import main
try:
    main()
finally:
    print(*sys.modules, file=sys.stderr)
"""
    done = run(sys.executable, "-c", code, *command, "--help", cwd=ROOT)
    assert "Usage: " in done.stdout
    assert not HEAVY & set(done.stderr.split())


def test_the_help_of_all_loads_no_command():
    """It is what people type first, and the start of every other command."""
    # What measures coverage is loaded before.
    code = "import sys; had = {*sys.modules}; import casfs.cli.main; print(*{*sys.modules} - had)"
    loaded = run(sys.executable, "-c", code, cwd=ROOT).stdout.split()
    assert {name for name in loaded if name.split(".")[0] == "casfs"} == {
        *("casfs", "casfs.cli", "casfs.cli.examples", "casfs.cli.lazy"),
        *("casfs.cli.main", "casfs.cli.show", "casfs.cli.standard"),
        *("casfs.errors", "casfs.logs", "casfs.sanitize"),
    }
    assert not {"sqlite3", "ssl", "email", "http", "tempfile", "ctypes"} & set(loaded)


def test_a_mount_loads_nothing_that_it_does_not_need():
    """Half of the time until a mount answers is that of importing what it needs."""
    code = "import sys, casfs.mount.daemon; print(*sys.modules)"
    loaded = set(run(sys.executable, "-c", code, cwd=ROOT).stdout.split())
    assert "casfs.client" in loaded
    assert not {"aiohttp", "asyncio", "botocore", "rich", "casfs.emulator"} & loaded


@pytest.mark.parametrize("command", casfs_command.commands.values(), ids=lambda one: one.name)
def test_the_help_of_all_says_what_each_command_says_of_itself(command):
    """It says so without loading them."""
    assert command.get_short_help_str(200) == command.load().get_short_help_str(200)
    assert command.name == command.load().name


def test_man_finds_the_pages_of_an_installed_wheel(environment):
    """By way of PATH, as `man casfs-mount` in the shell of somebody who has installed it."""
    variables = {"PATH": f"{environment}:{os.environ['PATH']}", "LC_ALL": "C.UTF-8"}
    done = run("man", "--where", "casfs-mount", "casfs", "mount.casfs", env=variables)
    pages = environment.parent / "share/man"
    expected = ["man1/casfs-mount.1", "man1/casfs.1", "man8/mount.casfs.8"]
    assert done.stdout.splitlines() == [f"{pages}/{page}" for page in expected]
