"""Mount options behave as for other FUSE programs."""

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.mounting import Mount, mounted
from tests.support.served import Served

NOBODY = 65534


@pytest.fixture
def unmounted(service: Served, home: Path) -> Iterator[Mount]:
    mount = Mount(home, service.url)
    yield mount
    mount.remove()


def as_user(mount: Mount, user: int, *parts: str) -> bytes:
    """Read a file as another user."""
    # The folders above it are only the tester's: go there before becoming somebody else.
    os.chdir(mount.mountpoint.parent)
    os.setgroups([])
    os.setgid(user)
    os.setuid(user)
    return Path(mount.mountpoint.name).joinpath(*parts).read_bytes()


def modes(mount: Mount, service: Served) -> tuple[int, int]:
    output = service.output("odd")
    return mount.stat(*output).st_mode & 0o777, mount.stat(*output[:-1]).st_mode & 0o777


def test_owner_and_permissions(service: Served, home: Path) -> None:
    with mounted(
        home, service.url, "-o", "allow_other,uid=1234,gid=4321", "-o", "umask=027"
    ) as mount:
        for parts in (service.output("odd"), (), (".casfs", "status.json")):
            facts = mount.stat(*parts)
            assert (facts.st_uid, facts.st_gid) == (1234, 4321)
        assert modes(mount, service) == (0o640, 0o750)
        output = service.output("odd")
        assert mount.ask(as_user, mount, 1234, *output) == service.files["odd"]
        assert mount.ask(as_user, mount, 4321, *output) == service.files["odd"]
        assert mount.errno(as_user, mount, NOBODY, *output) == errno.EACCES


@pytest.mark.parametrize(
    ("options", "wanted"),
    [
        ("fmode=0755", (0o755, 0o755)),
        ("dmode=700", (0o644, 0o700)),
        ("umask=0022,fmode=666,dmode=777", (0o644, 0o755)),
        ("umask=777,umask=0", (0o644, 0o755)),
    ],
)
def test_permissions_of_files_and_directories_can_be_chosen(
    service: Served, home: Path, options: str, wanted: tuple[int, int]
) -> None:
    with mounted(home, service.url, "-o", options) as mount:
        assert modes(mount, service) == wanted


def test_only_who_mounted_may_look_unless_others_are_allowed(service: Served, home: Path) -> None:
    output = service.output("odd")
    with mounted(home, service.url) as mount:
        assert mount.errno(as_user, mount, NOBODY, *output) == errno.EACCES
    with mounted(home, service.url, "-o", "allow_other") as mount:
        assert mount.ask(as_user, mount, NOBODY, *output) == service.files["odd"]
        assert modes(mount, service) == (0o644, 0o755)


def test_options_of_the_kernel_are_handed_on(service: Served, home: Path) -> None:
    options = "ro,noexec,nodev,nosuid,noatime,max_read=65536,fsname=mine"
    with mounted(home, service.url, "-o", options) as mount:
        found = mount.good("findmnt", "-n", "-o", "SOURCE,OPTIONS", mount.mountpoint)
        source, _, given = found.strip().partition(" ")
        assert source == "mine"
        assert {"ro", "noexec", "nodev", "nosuid"} <= set(given.strip().split(","))
        assert mount.read(*service.output("odd")) == service.files["odd"]


@pytest.mark.parametrize(
    ("option", "word"),
    [
        ("nosuchoption", "nosuchoption"),
        ("nosuch=1", "nosuch=1"),
        ("uid=me", "uid=me"),
        ("gid=", "gid="),
        ("uid", "-o uid: "),
        ("uid=-1", "uid=-1"),
        ("uid=+1", "uid=+1"),
        ("uid=1_0", "uid=1_0"),
        ("uid=99999999999", "uid=99999999999"),
        ("gid=4294967295", "gid=4294967295"),
        ("umask", "-o umask: "),
        ("umask=", "umask="),
        ("umask=9", "umask=9"),
        ("umask=-1", "umask=-1"),
        ("umask=0o22", "umask=0o22"),
        ("umask=1000", "umask=1000"),
        ("fmode=888", "fmode=888"),
        ("fmode=4755", "fmode=4755"),
        ("dmode=rwx", "dmode=rwx"),
        ("max_read=many", "max_read=many"),
        ("rw", "rw"),
        # Either would let the kernel keep bytes that were found to be wrong.
        ("kernel_cache", "kernel_cache"),
        ("auto_cache", "auto_cache"),
    ],
)
def test_options_that_are_refused(unmounted: Mount, option: str, word: str) -> None:
    for front in ([], ["-f"]):
        done = unmounted.start(*front, "-o", option)
        assert done.returncode in (1, 2)
        assert word in done.stderr
        assert len(done.stderr.splitlines()) <= 2
        assert "Traceback" not in done.stderr
        assert not unmounted.is_mounted()
        assert unmounted.processes() == []


def test_a_folder_with_something_in_it(service: Served, unmounted: Mount) -> None:
    (unmounted.mountpoint / "file").touch()
    done = unmounted.start()
    assert done.returncode == 1
    assert "not empty" in done.stderr
    assert not unmounted.is_mounted()
    assert unmounted.processes() == []
    assert unmounted.start("-o", "nonempty").returncode == 0
    assert unmounted.list() == [".casfs", "vaults"]
