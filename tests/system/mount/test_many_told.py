"""The kernel was told more files than are remembered: who has no path reads all the same."""

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.command import CASFS
from tests.support.emulated_service import VAULT, Service, serving
from tests.support.file_handles import FileHandle
from tests.support.mounting import FORGETFUL, Mount, mounted

COUNT = 10
DIRECTORY = f"vaults/{VAULT}/archives/many"

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="opens handles")


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with serving("cas", tmp_path_factory.mktemp("service"), {"x": 1}) as running:
        running.add_archives({f"many-{number}": b"%d" % number for number in range(COUNT)})
        running.emulator.sql(
            "UPDATE archives SET description = replace(id, '-', '/') WHERE id LIKE 'many-%'"
        )
        running.add_inventory("inventory")
        yield running


@pytest.fixture(params=["fuse3", "fuse"])
def mount(service: Service, home: Path, request: pytest.FixtureRequest) -> Iterator[Mount]:
    library = {"FUSE_LIBRARY_NAME": request.param}
    with mounted(home, service.emulator.url, program=FORGETFUL, **library) as running:
        running.good(CASFS, "catalog", "refresh", VAULT)
        yield running


def look_at_all(directory: Path) -> None:
    for name in os.listdir(directory):
        (directory / name).stat()


def read(file: int) -> bytes:
    try:
        return os.pread(file, 99, 0)
    finally:
        os.close(file)


def read_without_paths(mountpoint: Path) -> list[bytes]:
    """Return what a handle, a descriptor without access, and a bound file read."""
    directory = mountpoint / DIRECTORY
    handle = FileHandle(directory / "0")
    pinned = os.open(directory / "0", os.O_PATH)
    look_at_all(directory)
    of_handle = read(handle.open(mountpoint))
    look_at_all(directory)
    return [of_handle, read(os.open(f"/proc/self/fd/{pinned}", os.O_RDONLY))]


def test_files_without_a_path_are_read(mount: Mount) -> None:
    assert mount.ask(read_without_paths, mount.mountpoint) == [b"0", b"0"]


def test_a_bound_file_is_read(mount: Mount, tmp_path: Path) -> None:
    bound = tmp_path / "bound"
    bound.touch()
    mount.good("mount", "--bind", mount.path(DIRECTORY, "0"), bound)
    try:
        mount.ask(look_at_all, mount.path(DIRECTORY))
        assert mount.ask(bound.read_bytes) == b"0"
    finally:
        mount.good("umount", bound)


def handle_after_dropped_caches(mountpoint: Path) -> int | None:
    """Return with which errno a handle fails once the kernel has forgotten its file."""
    handle = FileHandle(mountpoint / DIRECTORY / "0")
    Path("/proc/sys/vm/drop_caches").write_text("2")
    try:
        assert read(handle.open(mountpoint)) == b"0"
    except OSError as error:
        return error.errno
    return None


def test_handles_last_with_noforget(service: Service, home: Path) -> None:
    """As docs/semantics.md advises for NFS."""
    with mounted(home, service.emulator.url, "-o", "noforget") as running:
        running.good(CASFS, "catalog", "refresh", VAULT)
        assert running.ask(handle_after_dropped_caches, running.mountpoint) is None
    with mounted(home, service.emulator.url) as running:
        assert running.ask(handle_after_dropped_caches, running.mountpoint) in (None, errno.ESTALE)
