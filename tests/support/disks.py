"""Small disks of a test's own: full, without inodes, read-only; root alone can make them."""

import contextlib
import errno
import subprocess
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def disk(folder: Path, size: int, files: int = 0) -> Iterator[Path]:
    """A file system of this many bytes, and inodes if that is not 0."""
    folder.mkdir()
    options = f"size={size},mode=0700" + (f",nr_inodes={files}" if files else "")
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "casfs-test", str(folder)], check=True)
    try:
        yield folder
    finally:
        while subprocess.run(["mountpoint", "-q", str(folder)]).returncode == 0:
            subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(folder: Path) -> None:
    """Leave no byte free."""
    with (folder / "filler").open("ab", buffering=0) as filler:
        for size in (1 << 20, 4096, 1):
            with contextlib.suppress(OSError):
                while True:
                    filler.write(bytes(size))


def use_up_inodes(folder: Path) -> None:
    """Leave no room for one more file."""
    (folder / "files").mkdir()
    try:
        for number in range(1 << 20):
            (folder / "files" / str(number)).touch()
    except OSError as error:
        assert error.errno == errno.ENOSPC  # noqa: PT017


def make_read_only(folder: Path) -> None:
    """Let a disk take nothing more, though there may be open files on it."""
    subprocess.run(["mount", "--bind", folder, folder], check=True)
    subprocess.run(["mount", "-o", "remount,ro,bind", folder], check=True)
