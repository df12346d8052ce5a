"""Mounts of this machine: which there are, whether one is in the way, and how to take one away."""

import contextlib
import errno
import json
import logging
import os
import re
import select
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from casfs.deadline import Deadline
from casfs.errors import ConfigError, MountError
from casfs.tree.node import CONTROL

log = logging.getLogger(__name__)
T = TypeVar("T")

FILE_SYSTEM = "fuse.casfs"
_WINDOW = 4 << 20
"""Bytes that the kernel may ask for ahead of a sequential reader: four requests of 1 MiB."""
_COMMAND_SECONDS = 10.0
_ANSWER_SECONDS = 10.0
_PID_SECONDS = 1.5
_END_SECONDS = 5.0
"""Longer than a mount takes to end, whatever stalls there: see ending.py."""


@dataclass(frozen=True)
class Mount:
    """A line of the kernel's table of mounts.

    Attributes:
        mountpoint: where it is.
        file_system: its kind.
        device: its number, as `major:minor`.
    """

    mountpoint: str
    file_system: str
    device: str


def mounts() -> list[Mount]:
    """Return all mounts, in the order in which they were made."""
    table = Path("/proc/self/mountinfo").read_bytes().decode("utf-8", "surrogateescape")
    found = []
    # A path may hold what `splitlines` takes for a line break, too; the kernel escapes "\n" alone.
    for line in filter(None, table.split("\n")):
        before, _, behind = line.partition(" - ")
        _, _, device, _, mountpoint, *_ = before.split(" ")
        found.append(Mount(_unescape(mountpoint), behind.split(" ")[0], device))
    return found


def _unescape(text: str) -> str:
    # The kernel writes blank, tab, line break and backslash as three octal digits.
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), text)


def find(mountpoint: str) -> Mount | None:
    """Return the mount that is seen at a path, if a mount begins there."""
    path = _resolved(mountpoint)
    return next((mount for mount in reversed(mounts()) if mount.mountpoint == path), None)


def _resolved(mountpoint: str) -> str:
    """Return a path without symbolic links; a mount that is there is not asked, as it may hang."""
    parent, name = os.path.split(os.path.abspath(mountpoint))
    path = os.path.join(os.path.realpath(parent), name)
    if any(mount.mountpoint == path for mount in mounts()):
        return path
    return os.path.realpath(path)


def check_free(mountpoint: str, nonempty: bool) -> None:
    """Raise if nothing can be mounted here.

    Args:
        mountpoint: where.
        nonempty: whether there may be something in the folder.

    Raises:
        ConfigError: it is no folder.
        MountError: something is mounted here already, alive or dead, or in the folder.
    """
    mount = find(mountpoint)
    if mount is not None and mount.file_system == FILE_SYSTEM:
        try:
            # Not stat, which the kernel may answer by itself for a while.
            _within(lambda: os.statvfs(mountpoint))
        except OSError as error:
            if error.errno != errno.ENOTCONN:
                raise MountError(f"{mountpoint}: {error.strerror}") from error
            raise MountError(
                f"{mountpoint} holds a casfs mount that died; run: casfs umount {mountpoint}"
            ) from error
        raise MountError(
            f"{mountpoint} is already mounted by casfs; use it, or run: casfs umount {mountpoint}"
        )
    if not os.path.isdir(mountpoint):
        raise ConfigError(f"{mountpoint} is not a folder; make it, or name another")
    if not nonempty and os.listdir(mountpoint):
        raise MountError(
            f"{mountpoint} is not empty; name another folder, or hide what is there: -o nonempty"
        )


def answers(mountpoint: str) -> None:
    """Return once the mount at a path answers.

    Raises:
        MountError: it does not.
    """
    try:
        _within(lambda: os.stat(mountpoint))
    except OSError as error:
        raise MountError(f"{mountpoint} is mounted, but does not answer: {error}") from error


def is_dead(mountpoint: str) -> bool:
    """Tell whether a mount of casfs begins here whose process has ended."""
    mount = find(mountpoint)
    if mount is None or mount.file_system != FILE_SYSTEM:
        return False
    try:
        _within(lambda: os.statvfs(mountpoint))
    except OSError as error:
        return error.errno == errno.ENOTCONN
    return False


def widen_window(mountpoint: str) -> None:
    """Let the kernel ask a mount for whole mebibytes; only root may, and nothing depends on it.

    Its window is 128 KiB else, which are eight requests for every block. It is the kernel that sets
    it when a mount begins to answer, so this waits for an answer first.
    """
    try:
        os.stat(mountpoint)
    except OSError as error:
        log.info("the kernel's window stays as it is: %s", error)
        return
    mount = find(mountpoint)
    if mount is None:
        return
    window = Path("/sys/class/bdi") / mount.device / "read_ahead_kb"
    try:
        window.write_text(str(_WINDOW >> 10))
    except OSError as error:
        log.info("the kernel's window stays as it is: %s; mount as root for a larger one", error)


def status(mountpoint: str) -> dict[str, Any]:
    """Return what `.casfs/status.json` of a mount says.

    Raises:
        MountError: it is no casfs mount, or does not answer.
    """
    path = Path(mountpoint) / CONTROL / "status.json"
    try:
        found = json.loads(_within(path.read_bytes))
    except (OSError, ValueError) as error:
        raise MountError(f"{mountpoint} is not a casfs mount that answers: {error}") from error
    if not isinstance(found, dict):
        raise MountError(f"{path} is not of casfs")
    return found


def _within(call: Callable[[], T]) -> T:
    """Return what a call that touches a mount returns; a mount that hangs must not hang us.

    Raises:
        MountError: the call did not end.
        OSError: it failed.
    """
    done: Future[T] = Future()

    def run() -> None:
        try:
            done.set_result(call())
        except OSError as error:
            done.set_exception(error)

    # Of a thread that hangs in the kernel nothing is needed but that the process may end.
    threading.Thread(target=run, name="mountpoint", daemon=True).start()
    try:
        return done.result(_ANSWER_SECONDS)
    except FutureTimeoutError:
        raise MountError(f"it did not answer for {_ANSWER_SECONDS:g} s") from None


def unmount(mountpoint: str, lazy: bool) -> None:
    """Take a casfs mount away, and wait for its process to end.

    Args:
        mountpoint: where it is.
        lazy: take it away though programs still use it; they may go on with open files.

    Raises:
        MountError: it is not there, in use, or the process did not end.
    """
    mount = find(mountpoint)
    if mount is None or mount.file_system != FILE_SYSTEM:
        raise MountError(f"{mountpoint} is not a casfs mount; casfs status shows what is mounted")
    process = None
    # Taken away lazily, a mount is not waited for; it may be one that answers no more.
    if not lazy:
        with contextlib.suppress(ValueError, ProcessLookupError):
            process = os.pidfd_open(int(_pid_of(mountpoint)))
    _unmount_command(mountpoint, lazy)
    if process is not None:
        waiting = select.poll()
        waiting.register(process, select.POLLIN)
        ended = waiting.poll(_END_SECONDS * 1000)
        os.close(process)
        if not ended:
            raise MountError(
                f"{mountpoint} is unmounted, but its process has not ended; "
                "the disk of its cache may hang, see its log"
            )


def _pid_of(mountpoint: str) -> bytes:
    """Return the number of a mount's process, nothing if the mount does not answer.

    Whoever waits for an answer keeps the mount busy, so it is a process that can be killed.
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
        answered, _, _ = select.select([reading], [], [], _PID_SECONDS)
        return os.read(reading, 32) if answered else b""
    finally:
        os.close(reading)
        os.kill(child, signal.SIGKILL)
        # It ends at once, unless the mount is at its request and hangs there.
        ended = Deadline(_PID_SECONDS)
        while os.waitpid(child, os.WNOHANG) == (0, 0) and not ended.passed():
            time.sleep(0.01)


def unmount_lazily(mountpoint: str) -> None:
    """Take a casfs mount away, and wait for nothing.

    Raises:
        MountError: it could not be done.
    """
    _unmount_command(mountpoint, lazy=True)


def _unmount_command(mountpoint: str, lazy: bool) -> None:
    program = shutil.which("fusermount3") or shutil.which("fusermount")
    if program is None:
        raise MountError("fusermount is missing; install it: apt-get install fuse3")
    command = [program, "-u", *(["-z"] if lazy else []), "--", _resolved(mountpoint)]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=_COMMAND_SECONDS, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise MountError(f"{mountpoint}: fusermount did not end; try again") from error
    if done.returncode != 0:
        told = done.stderr.strip()
        if "busy" in told:
            told += "; end the programs that use it, or add --lazy"
        raise MountError(f"{mountpoint} could not be unmounted: {told}")
