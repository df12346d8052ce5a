"""A restored tree belongs to the user who restored it: it can be completed, changed and removed."""

import contextlib
import errno
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.mounting import Mount, mounted
from tests.support.processes import wait_until
from tests.support.served import VAULT, Served
from tests.support.strangers import STRANGER, given_to, modes, run_as

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="becomes another user")

COPY = {
    "cp": ("cp", "-a", "{source}/.", "{target}"),
    "cp-r": ("cp", "-r", "{source}/.", "{target}"),
    "rsync": ("rsync", "-a", "{source}/", "{target}/"),
    "tar": ("sh", "-c", "tar -C {source} -cf - . | tar -C {target} -xf -"),
}


@pytest.fixture
def mount(service: Served, home: Path) -> Iterator[Mount]:
    options = f"allow_other,uid={STRANGER},gid={STRANGER}"
    with mounted(home, service.url, "-o", options) as found:
        yield found


@pytest.fixture
def place() -> Iterator[Path]:
    """A directory of another user's that this user can reach."""
    directory = Path(tempfile.mkdtemp(prefix="casfs-test-"))
    try:
        yield given_to(directory)
    finally:
        shutil.rmtree(directory)


@contextlib.contextmanager
def reachable(mount: Mount, place: Path) -> Iterator[Path]:
    """The vault, at a path that every user may walk."""
    vault = place / "vault"
    vault.mkdir()
    mount.good("mount", "--bind", mount.path("vaults", VAULT), vault)
    try:
        yield vault
    finally:
        mount.good("umount", vault)


@pytest.mark.parametrize("program", COPY)
def test_a_user_completes_refreshes_and_removes_what_was_restored(
    mount: Mount, place: Path, program: str
) -> None:
    target = place / "restored"
    target.mkdir()
    given_to(target)
    with reachable(mount, place) as vault:
        command = [part.format(source=vault, target=target) for part in COPY[program]]
        with subprocess.Popen(
            command,
            user=STRANGER,
            group=STRANGER,
            extra_groups=[],
            cwd="/",
            stderr=subprocess.DEVNULL,
        ) as begun:
            wait_until(lambda: any(target.iterdir()), "the copy to begin")
            begun.terminate()
        for _ in range(2):
            done = run_as(STRANGER, command, os.environ)
            assert (done.returncode, done.stderr) == (0, "")
        compared = run_as(STRANGER, ["diff", "-r", vault, target], os.environ)
        assert (compared.returncode, compared.stdout) == (0, "")
        assert set(modes(target / "jobs").values()) == {0o755, 0o644}
    removed = run_as(STRANGER, ["rm", "-r", target], os.environ)
    assert (removed.returncode, removed.stderr) == (0, "")
    assert not target.exists()


def test_the_owner_can_write_nothing_in_the_mount(mount: Mount, place: Path) -> None:
    with reachable(mount, place) as vault:
        for script in (
            "echo > vault.json",
            "echo > new",
            "rm vault.json",
            "mkdir new",
            "chmod 600 jobs",
        ):
            done = run_as(STRANGER, ["sh", "-c", f"cd {vault} && {script}"], os.environ)
            assert done.returncode != 0, script
            assert os.strerror(errno.EROFS) in done.stderr
