"""A mount serves nothing that another user planted, and lets nobody else see what it keeps."""

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.command import CASFS
from tests.support.mounting import Mount, mounted
from tests.support.served import MIB, Served, served
from tests.support.strangers import STRANGER, given_to, modes

SIZES = {"file": 3 * MIB + 5}


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("emulator"), SIZES) as running:
        yield running


def filled(service: Served, home: Path) -> Path:
    """A cache that has all of the file."""
    with mounted(home, service.url) as mount:
        assert mount.read(*service.output("file")) == service.files["file"]
        mount.umount()
        return mount.cache / "casfs"


@pytest.mark.parametrize("what", ["block", "leaves", "folder", "output"])
@pytest.mark.parametrize("kind", ["link", "theirs"])
def test_what_was_planted_below_is_neither_served_nor_changed(
    service: Served, home: Path, what: str, kind: str
) -> None:
    cache = filled(service, home)
    (leaves,) = cache.glob("blocks-1/??/*/leaves")
    at = {
        "block": leaves.parent / "0" / "1",
        "leaves": leaves,
        "folder": leaves.parent / "0",
        "output": leaves.parent,
    }[what]
    elsewhere = home / "elsewhere"
    at.rename(elsewhere)
    if kind == "link":
        at.symlink_to(elsewhere)
    else:
        elsewhere.rename(at)
        given_to(at)
    target = elsewhere if kind == "link" else at
    before = {p: p.read_bytes() for p in [target, *target.rglob("*")] if p.is_file()}
    done = Mount(home, service.url).run(CASFS, "cat", "v", service.jobs["file"])
    assert done.returncode == 2
    told = f"{at} is a symbolic link" if kind == "link" else f"{at} belongs to user {STRANGER}"
    assert told in done.stderr
    with mounted(home, service.url) as mount:
        with pytest.raises(OSError, match=r".*"):
            mount.read(*service.output("file"))
        assert told in mount.log
    assert {p: p.read_bytes() for p in [target, *target.rglob("*")] if p.is_file()} == before


def test_nothing_is_readable_by_others(service: Served, home: Path) -> None:
    os.umask(0o022)
    mount = Mount(home, service.url)
    log = home / "state" / "casfs" / "log"
    log.mkdir(parents=True)
    rotated = log / "other.log.1"
    rotated.touch(0o644)
    log.chmod(0o755)
    try:
        mount.good(CASFS, "mount", mount.mountpoint)
        assert mount.read(*service.output("file")) == service.files["file"]
        assert Path(f"/proc/{mount.pid}/status").read_text().split("Umask:\t")[1][:4] == "0077"
        mount.umount()
    finally:
        mount.remove()
    for folder in (home / "cache" / "casfs", log):
        open_to_others = {path: m for path, m in modes(folder).items() if m & 0o077}
        assert open_to_others == {}
    assert len(list(log.iterdir())) == 2


@pytest.mark.parametrize("kind", ["link", "theirs"])
def test_a_log_that_was_planted_is_refused(service: Served, home: Path, kind: str) -> None:
    mount = Mount(home, service.url)
    victim = home / "victim"
    victim.write_bytes(b"precious")
    if kind == "link":
        mount.log_file.symlink_to(victim)
    else:
        given_to(victim)
        victim.rename(mount.log_file)
        victim = mount.log_file
    done = mount.start()
    assert done.returncode == 2
    assert "symbolic link" in done.stderr or "belongs to" in done.stderr
    assert victim.read_bytes() == b"precious"


def test_a_log_may_be_a_device_and_stays_what_it_is(service: Served, home: Path) -> None:
    before = os.stat("/dev/null")
    mount = Mount(home, service.url)
    mount.log_file = Path("/dev/null")
    try:
        assert mount.start().returncode == 0
        mount.umount()
    finally:
        mount.remove()
    assert os.stat("/dev/null").st_mode == before.st_mode


@contextlib.contextmanager
def home_of_a_stranger() -> Iterator[Path]:
    """A home that another user can reach: those of tests are below one that he cannot."""
    with tempfile.TemporaryDirectory() as name:
        home = Path(name)
        home.chmod(0o755)
        (home / "his").mkdir()
        yield given_to(home / "his")


def test_an_ordinary_user_has_a_cache_of_his_own(service: Served) -> None:
    who = ("setpriv", "--reuid", str(STRANGER), "--regid", str(STRANGER), "--clear-groups")
    with home_of_a_stranger() as home:
        mount = Mount(home, service.url)
        job = service.jobs["file"]
        assert mount.run(*who, CASFS, "cat", "v", job).returncode == 0
        cache = home / "cache" / "casfs"
        assert cache.stat().st_uid == STRANGER
        for path in (cache, *cache.rglob("*")):
            assert path.stat().st_mode & 0o077 == 0, path
        done = mount.run(CASFS, "cat", "v", job)
        assert done.returncode == 2
        assert f"belongs to user {STRANGER}" in done.stderr
        os.chown(cache, 0, 0)
        done = mount.run(*who, CASFS, "cat", "v", job)
        assert done.returncode == 2
        assert "--cache-dir" in done.stderr
