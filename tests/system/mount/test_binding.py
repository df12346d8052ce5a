"""Over either FUSE library a mount shows the same, and the newer one is taken where it is."""

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from tests.support.mounting import Mount, mounted
from tests.support.served import Served

LIBRARIES = {"fuse3": "libfuse3.so", "fuse": "libfuse.so"}


def loaded(mount: Mount) -> str:
    return Path(f"/proc/{mount.pid}/maps").read_text()


def shown(mountpoint: Path) -> dict[str, Any]:
    """Return all that a program can see of outputs and folders."""
    found: dict[str, Any] = {}
    for folder, folders, files in os.walk(mountpoint / "vaults"):
        for name in [".", *folders, *files]:
            path = Path(folder, name)
            facts = path.stat()
            found[str(path)] = (
                facts.st_ino, facts.st_mode, facts.st_nlink, facts.st_uid, facts.st_gid,
                facts.st_size, facts.st_blocks, facts.st_blksize, facts.st_mtime_ns,
                path.read_bytes() if path.is_file() else sorted(os.listdir(path)),
                sorted(os.listxattr(path)),
            )  # fmt: skip
    return found


@pytest.mark.parametrize("name", LIBRARIES)
def test_the_library_that_is_named_serves(service: Served, home: Path, name: str) -> None:
    with mounted(home, service.url, FUSE_LIBRARY_NAME=name) as mount:
        assert mount.read(*service.output("odd")) == service.files["odd"]
        assert LIBRARIES[name] in loaded(mount)
        assert mount.errno(Path.read_bytes, mount.path("vaults", "nothing")) == errno.ENOENT
        output = mount.path(*service.output("odd"))
        assert mount.errno(os.getxattr, output, "user.other") == errno.ENODATA
        # Told so, ls asks for no more of these, of which it wants three for each entry.
        for other in ("security.selinux", "system.posix_acl_access"):
            assert mount.errno(os.getxattr, output, other) == errno.ENOTSUP
        assert mount.umount().returncode == 0


def test_the_newer_library_is_taken_by_itself(service: Served, home: Path) -> None:
    with mounted(home, service.url) as mount:
        assert LIBRARIES["fuse3"] in loaded(mount)


def test_both_libraries_show_the_same(service: Served, home: Path) -> None:
    seen = []
    for name in LIBRARIES:
        with mounted(home, service.url, FUSE_LIBRARY_NAME=name) as mount:
            seen.append(mount.ask(shown, mount.mountpoint))
    assert seen[0] == seen[1]
    assert any(str(path).endswith("/output") for path in seen[0])


def test_a_long_folder_is_listed_whole_and_again(service: Served, home: Path) -> None:
    """A folder that takes many answers of the kernel's size has every entry once, each time."""
    with mounted(home, service.url) as mount:
        for _ in range(3):
            names = mount.list("vaults", *service.output("odd")[1:3])
            assert len(names) == len(set(names)) > 0
            assert service.output("odd")[3] in names
