"""What a mount tells systemd, by sd_notify(3): that it is ready, reloads, stops, and still answers.

The protocol is a line of text to a socket. Of the libraries for it, one was last released in 2017
and the others need a compiler, for fewer lines than are here.
"""

import logging
import os
import socket
import threading
import time
from collections.abc import Callable, MutableMapping

from casfs.mount.mount_tuning import TUNING
from casfs.reasons import reason
from casfs.threads import start_thread

log = logging.getLogger(__name__)


class ServiceManager:
    """The service manager that started this process, if one did and wants to be told.

    Args:
        environment: where it says so. Its variables are removed: no program that a mount starts
            may speak for it.

    Attributes:
        watchdog_seconds: how long it may hear nothing before it restarts the service; None if
            that does not matter.
    """

    def __init__(self, environment: MutableMapping[str, str] = os.environ) -> None:
        self._address = environment.pop("NOTIFY_SOCKET", "")
        microseconds = environment.pop("WATCHDOG_USEC", "")
        process = environment.pop("WATCHDOG_PID", "")
        self.watchdog_seconds: float | None = None
        if microseconds.isdecimal() and process in ("", str(os.getpid())):
            self.watchdog_seconds = int(microseconds) / 1e6
        self._ended = threading.Event()

    @property
    def listens(self) -> bool:
        """Return whether there is one."""
        return bool(self._address)

    def watch(self, mountpoint: str, status: str) -> None:
        """Say that the mount is ready once it answers; then, as often as asked, that it still does.

        Args:
            mountpoint: of this process's own mount.
            status: a line for `systemctl status`.

        Raises:
            ThreadError: no thread can be started.
        """
        if self.listens:
            start_thread("systemd", self._watch, mountpoint, status)

    def reloading(self, reload: Callable[[], None] | None) -> None:
        """Reload, and say so before and after."""
        self._send(
            "RELOADING=1", f"MONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}"
        )
        if reload is not None:
            reload()
        self._send("READY=1")

    def stopping(self) -> None:
        """Say that the mount ends."""
        self._ended.set()
        self._send("STOPPING=1", "STATUS=Unmounting")

    def _watch(self, mountpoint: str, status: str) -> None:
        lines = ["READY=1", f"STATUS={status}"]
        while True:
            try:
                # It is never answered from the kernel's cache: it takes a thread of this mount.
                os.statvfs(mountpoint)
            except OSError as error:
                log.error("%s does not answer: %s", mountpoint, reason(error))
                return
            self._send(*lines)
            lines = ["WATCHDOG=1"]
            if self.watchdog_seconds is None or self._ended.wait(self.watchdog_seconds / 2):
                return

    def _send(self, *lines: str) -> None:
        if not self._address:
            return
        # An abstract socket is written with an @ (sd_notify(3)).
        address = self._address.replace("@", "\0", 1) if self._address[0] == "@" else self._address
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sending:
                sending.settimeout(TUNING.notify_seconds)
                sending.sendto("\n".join(lines).encode(), address)
        except OSError as error:
            log.warning("cannot tell systemd: %s", reason(error))
