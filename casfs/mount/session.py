"""A FUSE session: one of two bindings between the kernel and the operations.

libfuse 3 asks for whole mebibytes and lists a directory together with the attributes of its
entries. Where it is missing, libfuse 2 does, through fusepy: every byte is checked all the same,
only more slowly.
"""

import select
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from casfs.mount.mount_tuning import TUNING
from casfs.mount.operations import Operations
from casfs.threads import trace_this_thread

AHEAD = TUNING.ahead
THREADS = AHEAD + 128
"""Requests that may wait for bytes at a time; another one, which may be an `ls`, would have to wait
for one of them. Idle threads exit, except for a few."""


@dataclass(frozen=True)
class Settings:
    """How to mount.

    Attributes:
        mountpoint: the directory.
        owner: user and group that own everything.
        fresh_seconds: how long the kernel may answer with attributes that it knows.
        options: what `-o` says beside; True is an option without a value.
    """

    mountpoint: str
    owner: tuple[int, int]
    fresh_seconds: float
    options: Mapping[str, str | bool]


class Session(Protocol):
    """A session of one mount."""

    def run(self, operations: Operations, settings: Settings, started: Callable[[], None]) -> None:
        """Serve a mount until it is unmounted or `stop` is called.

        Args:
            operations: answer the kernel.
            settings: how to mount.
            started: is called with the kernel's first request.

        Raises:
            LibraryError: the library could not mount; it printed why to standard error.
            BaseException: what `started` raised, which ended the session.
        """
        ...

    def stop(self) -> None:
        """Make the session end, now or as soon as it begins.

        The thread that runs it must then be woken by a signal.
        """
        ...

    def gone(self) -> bool:
        """Return whether the kernel sends no more requests: the mount was removed, or aborted."""
        ...


class Loop:
    """What both bindings need of the loop in which a library answers the kernel.

    Lock order: its one lock is innermost.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._leave: Callable[[], None] | None = None
        self._device = -1
        self._stopped = False
        self._failure: BaseException | None = None

    def begin(self, leave: Callable[[], None], device: int, started: Callable[[], None]) -> None:
        """Note that the kernel's first request came; called by the library, so it raises nothing.

        Args:
            leave: makes the library end the loop.
            device: the descriptor from which requests are read.
            started: as in `Session.run`.
        """
        trace_this_thread()
        with self._lock:
            self._leave, self._device = leave, device
            stopped = self._stopped
        try:
            if not stopped:
                started()
                return
        except BaseException as error:  # noqa: BLE001 - `end` raises it
            self._failure = error
        leave()

    def stop(self) -> None:
        """End the loop, now or as soon as it begins."""
        with self._lock:
            self._stopped = True
            if self._leave is not None:
                self._leave()

    def gone(self) -> bool:
        """Return whether the kernel closed the device."""
        with self._lock:
            if self._leave is None:
                return False
            asking = select.poll()
            # Polling for requests here would cost a thread switch for each of them.
            asking.register(self._device, 0)
            return bool(asking.poll(0))

    def end(self) -> None:
        """Note that the library has returned.

        Raises:
            BaseException: what `started` raised.
        """
        with self._lock:
            self._leave = None
        if self._failure is not None:
            raise self._failure
