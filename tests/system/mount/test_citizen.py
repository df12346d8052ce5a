"""What programs expect of a file system besides its bytes: df, long names, remount, rewinddir."""

import ctypes
import errno
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.mounting import Mount, mounted
from tests.support.served import MIB, VAULT, Served

LIBRARIES = ("fuse3", "fuse")


@pytest.fixture(params=LIBRARIES)
def mount(service: Served, home: Path, request: pytest.FixtureRequest) -> Iterator[Mount]:
    library = {"FUSE_LIBRARY_NAME": request.param, "CASFS_LISTING_TTL": "0"}
    with mounted(home, service.url, **library) as running:
        yield running


def test_df_shows_what_the_vaults_contain(service: Served, mount: Mount) -> None:
    total = sum(map(len, service.files.values()))
    # Without a path, df asks the mounts of everybody; it shows those that have blocks.
    _, line = mount.good("df", "-B1", mount.mountpoint).splitlines()
    _, blocks, _, available, used, _ = line.rsplit(maxsplit=5)
    assert (int(blocks), int(available)) == (-(-total // MIB) * MIB, 0)
    assert used == "100%"
    found = mount.ask(os.statvfs, mount.mountpoint)
    assert (found.f_files, found.f_namemax) == (len(service.files), 255)


@pytest.mark.parametrize("length", [256, 300, 1024, 2000])
def test_a_name_that_is_too_long(mount: Mount, length: int) -> None:
    for directory in ("vaults", f"vaults/{VAULT}/jobs", f"vaults/{VAULT}/archives"):
        assert mount.errno(os.stat, mount.path(directory, "x" * length)) == errno.ENAMETOOLONG
        umlauts = "ü" * (length // 2)
        assert mount.errno(os.stat, mount.path(directory, umlauts)) == errno.ENAMETOOLONG
    assert mount.errno(os.stat, mount.path("vaults", "x" * 255)) == errno.ENOENT


WRITES: dict[str, Callable[[Path], object]] = {
    "chmod": lambda vault: os.chmod(vault / "vault.json", 0o600),
    "chown": lambda vault: os.chown(vault / "vault.json", 1, 1),
    "create": lambda vault: os.open(vault / "new", os.O_CREAT | os.O_WRONLY),
    "link": lambda vault: os.link(vault / "vault.json", vault / "new"),
    "mkdir": lambda vault: os.mkdir(vault / "new"),
    "mknod": lambda vault: os.mknod(vault / "new"),
    "removexattr": lambda vault: os.removexattr(vault / "vault.json", "user.casfs.x"),
    "rename": lambda vault: os.rename(vault / "vault.json", vault / "new"),
    "rmdir": lambda vault: os.rmdir(vault / "jobs"),
    "setxattr": lambda vault: os.setxattr(vault / "vault.json", "user.x", b"y"),
    "symlink": lambda vault: os.symlink("a", vault / "new"),
    "truncate": lambda vault: os.truncate(vault / "vault.json", 0),
    "unlink": lambda vault: os.unlink(vault / "vault.json"),
    "utime": lambda vault: os.utime(vault / "vault.json"),
    "write": lambda vault: os.open(vault / "vault.json", os.O_WRONLY),
}


@pytest.mark.skipif(os.geteuid() != 0, reason="remounts")
def test_nothing_can_be_written_after_a_remount(mount: Mount) -> None:
    # Without the helper, which knows that a mount is read-only.
    mount.good("mount", "-i", "-o", "remount,rw", mount.mountpoint)
    for name, write in WRITES.items():
        assert mount.errno(write, mount.path("vaults", VAULT)) == errno.EROFS, name


def names_twice(directory: Path, add: Callable[[], None]) -> list[int]:
    """Return how many entries a directory has, and has after `add` and rewinddir(3)."""
    libc = ctypes.CDLL(None)
    libc.opendir.restype = libc.readdir.restype = ctypes.c_void_p
    stream = ctypes.c_void_p(libc.opendir(os.fsencode(directory)))
    counts = []
    for turn in range(2):
        if turn:
            add()
            libc.rewinddir(stream)
        count = 0
        while libc.readdir(stream):
            count += 1
        counts.append(count)
    libc.closedir(stream)
    return counts


def test_rewinddir_lists_anew(service: Served, mount: Mount) -> None:
    def add() -> None:
        service.emulator.retrieve(VAULT, service.archives["odd"])

    before, after = mount.ask(names_twice, mount.path("vaults", VAULT, "jobs"), add)
    assert after == before + 1
