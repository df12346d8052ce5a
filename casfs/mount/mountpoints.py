"""Mount points: check that one is free, tune the mount there, unmount it."""

import contextlib
import errno
import logging
import os
import select
import shlex
import shutil
import signal
import subprocess
import time
from pathlib import Path

from casfs.deadline import Deadline
from casfs.errors import ConfigError, MountError
from casfs.mount.mount_status import status, within
from casfs.mount.mount_table import FILE_SYSTEM, Mount, find, holders, is_in_use, mounts, resolved
from casfs.mount.mount_tuning import TUNING
from casfs.reasons import reason

log = logging.getLogger(__name__)


def check_free(mountpoint: str, nonempty: bool) -> None:
    """Raise an error if nothing can be mounted here.

    Args:
        mountpoint: where.
        nonempty: whether the directory may have entries.

    Raises:
        ConfigError: it is not a directory.
        MountError: a casfs mount is already here, alive or dead, or the directory is not empty.
    """
    mount = find(mountpoint)
    if mount is not None and mount.file_system == FILE_SYSTEM:
        try:
            # Not stat, which the kernel may answer from its cache.
            within(lambda: os.statvfs(mountpoint))
        except OSError as error:
            if error.errno != errno.ENOTCONN:
                raise MountError(f"{mountpoint}: {error.strerror}") from error
            raise MountError(
                f"{mountpoint} holds a casfs mount that died; run: casfs umount "
                f"{shlex.quote(mountpoint)}"
            ) from error
        raise MountError(
            f"{mountpoint} is already mounted by casfs; use it, or run: casfs umount "
            f"{shlex.quote(mountpoint)}"
        )
    if not os.path.isdir(mountpoint):
        raise ConfigError(f"{mountpoint} is not a directory; create it, or name another")
    if not nonempty and os.listdir(mountpoint):
        raise MountError(
            f"{mountpoint} is not empty; name another directory, or mount over it: -o nonempty"
        )


def widen_window(mountpoint: str) -> None:
    """Widen the kernel's readahead window for a mount; only root may, and nothing depends on it.

    The default is 128 KiB, which makes eight requests per block. The kernel sets it when a mount
    starts to answer, so this waits for an answer first.
    """
    try:
        os.stat(mountpoint)
    except OSError as error:
        log.info("cannot set the readahead window of %s: %s", mountpoint, reason(error))
        return
    mount = find(mountpoint)
    if mount is None:
        return
    window = Path("/sys/class/bdi") / mount.device / "read_ahead_kb"
    try:
        window.write_text(str(TUNING.window >> 10))
    except OSError as error:
        log.info(
            "cannot widen the readahead window: %s; mount as root for a wider one", reason(error)
        )


def unmount(mountpoint: str, lazy: bool) -> None:
    """Unmount a casfs mount, and wait for its process to end.

    The process keeps running while the file system is also bind-mounted elsewhere, or mounted in a
    container; a warning says so.

    Args:
        mountpoint: where it is.
        lazy: detach it even if programs use it; they can go on with open files.

    Raises:
        MountError: there is no such mount, it is in use, or its process did not end.
    """
    mount = find(mountpoint)
    if mount is None or mount.file_system != FILE_SYSTEM:
        raise MountError(f"{mountpoint} is not a casfs mount; casfs status shows what is mounted")
    if mount.user is not None and os.getuid() not in (0, mount.user):
        raise MountError(
            f"{mountpoint} belongs to user {mount.user}; that user or root unmounts it"
        )
    process = None
    # After a lazy unmount there is nothing to wait for: the mount may no longer answer. One of
    # another user may name any process.
    if not lazy and mount.is_trusted:
        with contextlib.suppress(ValueError, ProcessLookupError):
            process = os.pidfd_open(int(_pid_of(mountpoint)))
    _unmount_command(mountpoint, lazy)
    try:
        if others := [one.mountpoint for one in mounts() if one.device == mount.device]:
            log.warning(
                "%s is unmounted; the same mount is still at %s", mountpoint, ", ".join(others)
            )
        elif process is not None:
            _wait_for_end(process, mount)
    finally:
        if process is not None:
            os.close(process)


def _wait_for_end(process: int, mount: Mount) -> None:
    """Wait until a mount's process ends, unless others still have the file system mounted.

    Raises:
        MountError: it did not end, and nobody else is known to have the mount.
    """
    waiting = select.poll()
    waiting.register(process, select.POLLIN)
    if waiting.poll(TUNING.holders_look_seconds * 1000):
        return
    others = holders(mount.device)
    if others or is_in_use(mount.device):
        holder = (
            f"process {', '.join(map(str, others[:3]))} still has it mounted in another mount "
            "namespace, such as a container's"
            if others
            else "something still uses it: an open file, or a process of another user in another "
            "mount namespace, such as a container's"
        )
        log.warning(
            "%s is unmounted here, but %s; the mount ends when nothing uses it",
            mount.mountpoint,
            holder,
        )
    elif not waiting.poll((TUNING.end_wait - TUNING.holders_look_seconds) * 1000):
        raise MountError(
            f"{mount.mountpoint} is unmounted, but its process has not ended: the disk of its "
            "cache may hang; see its log"
        )


def _pid_of(mountpoint: str) -> bytes:
    """Return the id of a mount's process, b"" if the mount does not answer.

    A child process asks: whoever waits for an answer keeps the mount busy, and a child can be
    killed.
    """
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(writing, str(status(mountpoint)["pid"]).encode())
        finally:
            os._exit(0)
    os.close(writing)
    try:
        answered, _, _ = select.select([reading], [], [], TUNING.pid_seconds)
        return os.read(reading, 32) if answered else b""
    finally:
        os.close(reading)
        os.kill(child, signal.SIGKILL)
        # It ends at once, unless its request hangs in the mount.
        ended = Deadline(TUNING.pid_seconds)
        while os.waitpid(child, os.WNOHANG) == (0, 0) and not ended.passed():
            time.sleep(0.01)


def unmount_lazily(mountpoint: str) -> None:
    """Detach a casfs mount without waiting for anything.

    Raises:
        MountError: fusermount failed.
    """
    _unmount_command(mountpoint, lazy=True)


def _unmount_command(mountpoint: str, lazy: bool) -> None:
    program = shutil.which("fusermount3") or shutil.which("fusermount")
    if program is None:
        raise MountError("fusermount is missing; install it: apt-get install fuse3")
    command = [program, "-u", *(["-z"] if lazy else []), "--", resolved(mountpoint)]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=TUNING.command_seconds, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise MountError(
            f"fusermount did not unmount {mountpoint} in {TUNING.command_seconds:g} s; try again"
        ) from error
    if done.returncode != 0:
        told = done.stderr.strip()
        if "busy" in told:
            told += "; end the programs that use it, or add --lazy"
        raise MountError(f"{mountpoint} could not be unmounted: {told}")
