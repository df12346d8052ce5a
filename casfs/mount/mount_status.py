"""Questions to a mount: whether it answers, and what its status says. None of them can hang."""

import errno
import json
import os
import shlex
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias, TypeGuard, TypeVar

from casfs.deadline import Deadline
from casfs.errors import MountError, PrivateMountError
from casfs.mount.mount_table import FILE_SYSTEM, Mount, find, mounts
from casfs.mount.mount_tuning import TUNING
from casfs.reasons import reason
from casfs.status import status_path

T = TypeVar("T")
Answer: TypeAlias = dict[str, Any] | MountError


def answers(mountpoint: str) -> None:
    """Wait until the mount at a path answers.

    Raises:
        MountError: it does not.
    """
    try:
        within(lambda: os.stat(mountpoint))
    except OSError as error:
        raise MountError(
            f"{mountpoint} is mounted, but does not answer: {reason(error)}"
        ) from error


def is_dead(mountpoint: str) -> bool:
    """Return whether a casfs mount is here whose process has ended."""
    mount = find(mountpoint)
    if mount is None or mount.file_system != FILE_SYSTEM:
        return False
    try:
        within(lambda: os.statvfs(mountpoint))
    except OSError as error:
        return error.errno == errno.ENOTCONN
    return False


def status(mountpoint: str) -> dict[str, Any]:
    """Return what `.casfs/status.json` of a mount says.

    Raises:
        MountError: it is not a casfs mount, or does not answer.
    """
    # A shell that was in the directory before it became a mount point sees what the mount hides.
    mountpoint = os.path.abspath(mountpoint)
    mount = find(mountpoint)
    if mount is not None and mount.is_part:
        raise MountError(f"{mountpoint} is a bind mount of {_described(mount)}")
    path = Path(status_path(mountpoint))
    try:
        text = within(lambda: _beginning(path))
        found = json.loads(text)
    except PermissionError as error:
        raise PrivateMountError(
            f"{mountpoint} belongs to another user, and only that user can read it"
        ) from error
    except (OSError, ValueError, RecursionError) as error:
        if isinstance(error, OSError) and error.errno == errno.ENOTCONN:
            raise MountError(
                f"{mountpoint} holds a casfs mount that died; run: casfs umount "
                f"{shlex.quote(mountpoint)}"
            ) from error
        raise MountError(
            f"{mountpoint} is not a casfs mount that answers: {reason(error)}"
        ) from error
    if len(text) > TUNING.longest_status or not _is_status(found):
        raise MountError(f"{path} was not written by casfs; do not trust this mount")
    return found


def _beginning(path: Path) -> bytes:
    # Anybody can mount something that looks like casfs and whose file never ends.
    with path.open("rb") as file:
        return file.read(TUNING.longest_status + 1)


def _is_status(found: object) -> TypeGuard[dict[str, Any]]:
    """Return whether this has the form that `casfs.status` writes: settings, and counters."""
    if not isinstance(found, dict) or not isinstance(found.get("counters", {}), dict):
        return False
    counters = found.get("counters", {}).values()
    numbers = [n for one in counters for n in (one.values() if isinstance(one, dict) else [one])]
    # An integer in JSON may have any number of digits.
    return all(isinstance(number, int | float) and abs(number) < 1 << 63 for number in numbers)


def _described(part: Mount) -> str:
    whole = next((one for one in mounts() if one.device == part.device and not one.is_part), None)
    if whole is None:
        return f"{part.root} of a casfs mount"
    return (
        f"{part.root} of the casfs mount {whole.mountpoint}; see: casfs status {whole.mountpoint}"
    )


def statuses(mountpoints: Sequence[str], seconds: float | None = None) -> list[Answer]:
    """Ask mounts for their status, all at once, as `status`.

    Args:
        mountpoints: where they are.
        seconds: for which each of them is waited for; None is as long as for a single one.

    Returns:
        for each mount its status, or why there is none.
    """
    begun = [_begin(partial(status, mountpoint)) for mountpoint in mountpoints]
    deadline = Deadline(TUNING.answer_seconds if seconds is None else seconds)
    return [_answer(future, deadline) for future in begun]


def _answer(future: "Future[dict[str, Any]]", deadline: Deadline) -> Answer:
    try:
        return future.result(deadline.remaining())
    except FutureTimeoutError:
        return _silent(deadline.seconds)
    except MountError as error:
        return error


def _silent(seconds: float) -> MountError:
    return MountError(f"no answer for {seconds:g} s; see the mount's log")


def within(call: Callable[[], T]) -> T:
    """Return what a call on a mount returns, and do not hang if the mount does.

    Raises:
        MountError: the call did not return in time.
        OSError: it failed.
    """
    try:
        return _begin(call).result(TUNING.answer_seconds)
    except FutureTimeoutError:
        raise _silent(TUNING.answer_seconds) from None


def _begin(call: Callable[[], T]) -> "Future[T]":
    done: Future[T] = Future()

    def run() -> None:
        try:
            done.set_result(call())
        except Exception as error:  # noqa: BLE001 - `result` raises it
            done.set_exception(error)

    # A daemon thread, so that one that hangs in the kernel does not keep the process alive.
    threading.Thread(target=run, name="mountpoint", daemon=True).start()
    return done
