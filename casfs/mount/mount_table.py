"""The kernel's table of mounts: which there are here, and who else has one."""

import os
import re
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
        user: who mounted it, for a FUSE file system; the kernel says so, and not its process.
    """

    mountpoint: str
    file_system: str
    device: str
    root: str
    user: int | None = None

    @property
    def is_trusted(self) -> bool:
        """Return whether this user or root mounted it, and not somebody else."""
        return self.user in (None, 0, os.geteuid())

    @property
    def is_part(self) -> bool:
        """Return whether it is a bind mount of a directory of the file system, not of all."""
        return self.root != "/"


def mounts() -> list[Mount]:
    """Return all mounts, in the order in which they were made."""
    return parse(Path("/proc/self/mountinfo").read_bytes())


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
            table = parse((Path("/proc") / process / "mountinfo").read_bytes())
        except OSError:
            # It has ended, or is somebody else's.
            continue
        has_it = any(mount.device == device for mount in table)
        found[namespace] = int(process) if has_it else None
    return [process for process in found.values() if process is not None]


def is_in_use(device: str) -> bool:
    """Return whether the kernel still has a file system, wherever it is mounted.

    It does for as long as anybody has it mounted, in mount namespaces too that this user may not
    look into. False where /sys does not tell.
    """
    return Path("/sys/class/bdi", device).exists()


def _namespace(process: str) -> str:
    return os.readlink(f"/proc/{process}/ns/mnt")


def parse(table: bytes) -> list[Mount]:
    """Return the mounts in a `mountinfo` (proc(5)), with paths as Python passes them to the kernel.

    Anybody's mount is in it, and paths hold any bytes: only line feed ends a line and only the
    blank ends a field. `splitlines` and `split` of text take more than that for an end.
    """
    found = []
    for line in filter(None, table.split(b"\n")):
        before, _, behind = line.partition(b" - ")
        _, _, device, root, mountpoint, *_ = before.split(b" ")
        found.append(
            Mount(
                os.fsdecode(_unescaped(mountpoint)),
                os.fsdecode(behind.split(b" ")[0]),
                device.decode(),
                os.fsdecode(_unescaped(root)),
                _user(behind.rpartition(b" ")[2]),
            )
        )
    return found


def _user(options: bytes) -> int | None:
    found = re.search(rb"(?:^|,)user_id=([0-9]+)", options)
    return int(found[1]) if found else None


def _unescaped(field: bytes) -> bytes:
    # The kernel writes blank, tab, line feed and backslash as three octal digits.
    return re.sub(rb"\\([0-7]{3})", lambda match: bytes([int(match[1], 8) & 0xFF]), field)
