"""The kernel's table of mounts: which there are here, and who else has one."""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

FILE_SYSTEM = "fuse.casfs"


@dataclass(frozen=True)
class Mount:
    """A line of the kernel's table of mounts.

    Attributes:
        mountpoint: where it is.
        file_system: its kind.
        device: its number, as `major:minor`; the same wherever a mount is bound to.
        root: which directory of the file system is there.
    """

    mountpoint: str
    file_system: str
    device: str
    root: str

    @property
    def is_part(self) -> bool:
        """Return whether it is a bind mount of a directory of the file system, not of all."""
        return self.root != "/"


def mounts() -> list[Mount]:
    """Return all mounts, in the order in which they were made."""
    return list(_read(Path("/proc/self/mountinfo")))


def find(mountpoint: str) -> Mount | None:
    """Return the mount that is seen at a path, if a mount begins there."""
    path = resolved(mountpoint)
    return next((mount for mount in reversed(mounts()) if mount.mountpoint == path), None)


def resolved(mountpoint: str) -> str:
    """Return a path without symbolic links; a mount that is there is not asked, as it may hang."""
    parent, name = os.path.split(os.path.abspath(mountpoint))
    path = os.path.join(os.path.realpath(parent), name)
    if any(mount.mountpoint == path for mount in mounts()):
        return path
    return os.path.realpath(path)


def holders(device: str) -> list[int]:
    """Return processes that have a mount in other mount namespaces, as containers are, one each.

    Those of other users are seen by root alone.
    """
    found: dict[str, int | None] = {_namespace("self"): None}
    for process in sorted(filter(str.isdecimal, os.listdir("/proc")), key=int):
        try:
            namespace = _namespace(process)
            if namespace in found:
                continue
            table = list(_read(Path("/proc") / process / "mountinfo"))
        except OSError:
            # It has ended, or is somebody else's.
            continue
        has_it = any(mount.device == device for mount in table)
        found[namespace] = int(process) if has_it else None
    return [process for process in found.values() if process is not None]


def _namespace(process: str) -> str:
    return os.readlink(f"/proc/{process}/ns/mnt")


def _read(table: Path) -> Iterator[Mount]:
    text = table.read_bytes().decode("utf-8", "surrogateescape")
    # A path may hold what `splitlines` takes for a line break, too; the kernel escapes "\n" alone.
    for line in filter(None, text.split("\n")):
        before, _, behind = line.partition(" - ")
        _, _, device, root, mountpoint, *_ = before.split(" ")
        yield Mount(_unescaped(mountpoint), behind.split(" ")[0], device, _unescaped(root))


def _unescaped(text: str) -> str:
    # The kernel writes blank, tab, line break and backslash as three octal digits.
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), text)
