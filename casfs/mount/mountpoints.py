"""Mount points: whether one is free, whether a mount answers there, and how to take one away."""

import contextlib
import errno
import json
import logging
import os
import select
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from pathlib import Path
from typing import Any, TypeGuard, TypeVar

from casfs.deadline import Deadline
from casfs.errors import ConfigError, MountError
from casfs.mount.mount_table import FILE_SYSTEM, Mount, find, holders, is_in_use, mounts, resolved
from casfs.status import status_path

log = logging.getLogger(__name__)
T = TypeVar("T")

_WINDOW = 4 << 20
"""Bytes that the kernel may ask for ahead of a sequential reader: four requests of 1 MiB."""
_LONGEST_STATUS = 1 << 20
_COMMAND_SECONDS = 10.0
_ANSWER_SECONDS = 10.0
_PID_SECONDS = 1.5
_LOOK_SECONDS = 0.25
"""Before the search for others who have a mount: it ends sooner than that if nothing stalls."""
_END_SECONDS = 5.0
"""Longer than a mount takes to end, whatever stalls there: see ending.py."""


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
        MountError: it is not a casfs mount, or does not answer.
    """
    # A command that was in the directory before it became a mount point sees what is below it.
    mountpoint = os.path.abspath(mountpoint)
    mount = find(mountpoint)
    if mount is not None and mount.is_part:
        raise MountError(f"{mountpoint} is a bind mount of {_described(mount)}")
    path = Path(status_path(mountpoint))
    try:
        text = _within(lambda: _beginning(path))
        found = json.loads(text)
    except PermissionError as error:
        raise MountError(f"{mountpoint} is another user's; only who mounted it sees it") from error
    except (OSError, ValueError, RecursionError) as error:
        raise MountError(f"{mountpoint} is not a casfs mount that answers: {error}") from error
    if len(text) > _LONGEST_STATUS or not _is_status(found):
        raise MountError(f"{path} is not of casfs")
    return found


def _beginning(path: Path) -> bytes:
    # Anybody may mount something that looks like casfs, and never ends.
    with path.open("rb") as file:
        return file.read(_LONGEST_STATUS + 1)


def _is_status(found: object) -> TypeGuard[dict[str, Any]]:
    """Return whether this is what `casfs.status` writes: settings, and counters with labels."""
    if not isinstance(found, dict) or not isinstance(found.get("counters", {}), dict):
        return False
    counters = found.get("counters", {}).values()
    numbers = [n for one in counters for n in (one.values() if isinstance(one, dict) else [one])]
    return all(isinstance(number, int | float) for number in numbers)


def _described(part: Mount) -> str:
    whole = next((one for one in mounts() if one.device == part.device and not one.is_part), None)
    if whole is None:
        return f"{part.root} of a casfs mount"
    return (
        f"{part.root} of the casfs mount {whole.mountpoint}; see: casfs status {whole.mountpoint}"
    )


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

    The process goes on where the mount is bound to another place as well, or a container has it;
    that is a warning in the log.

    Raises:
        MountError: it is not there, in use, or the process did not end.
    """
    mount = find(mountpoint)
    if mount is None or mount.file_system != FILE_SYSTEM:
        raise MountError(f"{mountpoint} is not a casfs mount; casfs status shows what is mounted")
    process = None
    # Taken away lazily, a mount is not waited for; it may be one that answers no more. Another
    # user's may name any process.
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
    """Wait until a mount's process ends, which it does not while somebody else has the mount.

    Raises:
        MountError: it did not end, and nobody is known to have the mount.
    """
    waiting = select.poll()
    waiting.register(process, select.POLLIN)
    if waiting.poll(_LOOK_SECONDS * 1000):
        return
    others = holders(mount.device)
    if others or is_in_use(mount.device):
        numbers = ", ".join(map(str, others[:3]))
        log.warning(
            "%s is unmounted here, but %s still has it in another mount namespace, such as that of "
            "a container; the mount ends when nobody has it",
            mount.mountpoint,
            f"process {numbers}" if others else "a process of another user",
        )
    elif not waiting.poll((_END_SECONDS - _LOOK_SECONDS) * 1000):
        raise MountError(
            f"{mount.mountpoint} is unmounted, but its process has not ended: the disk of its "
            "cache may hang; see its log"
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
    command = [program, "-u", *(["-z"] if lazy else []), "--", resolved(mountpoint)]
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
