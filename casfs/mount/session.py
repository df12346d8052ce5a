"""A FUSE session: the kernel on one side, operations on the other, one of two bindings between.

libfuse 3 asks for whole mebibytes and lists a directory together with the attributes of its
entries. Where it is missing, libfuse 2 does, through fusepy: every byte is checked all the same,
only more slowly.
"""

import select
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from casfs.mount.operations import Operations
from casfs.threads import trace_this_thread

AHEAD = 512
"""Requests of the kernel for pages that it wants ahead, at a time; its own limit of 12 is used up
by two readers of what does not come, and then nobody reads ahead."""
THREADS = AHEAD + 128
"""Requests that may wait for bytes at a time; one more, which may be an `ls`, would wait for one of
them. Threads that are not needed end, but for a few."""


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
            started: is called when the kernel begins to ask.

        Raises:
            MountError: the library could not mount; it said why on standard error.
            BaseException: what `started` raised; it ended the session.
        """
        ...

    def stop(self) -> None:
        """Tell the session to end, now or as soon as it begins.

        The thread that runs it must then be woken by a signal.
        """
        ...

    def gone(self) -> bool:
        """Return whether the kernel asks nothing any more: the mount was taken away, or aborted."""
        ...


class Loop:
    """What both libraries need of the loop in which they answer the kernel.

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
            leave: has the library end the loop.
            device: the descriptor at which the kernel asks.
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
            # Waiting here for requests would cost a switch of threads for each.
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
