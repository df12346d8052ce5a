"""How a mount ends: on a signal, or because the kernel released it; and in time, whatever hangs.

SIGHUP is special: once a detached mount is ready, it means "open the log again".

Bytes that programs wait for may hang for minutes, and a library joins its threads before it exits.
So every waiter gets an error first. What still does not end is abandoned: neither the cache nor the
catalog needs an orderly shutdown.
"""

import contextlib
import logging
import os
import signal
import threading
from collections.abc import Callable

from casfs.client import Client
from casfs.deadline import Deadline
from casfs.errors import MountError, ThreadError
from casfs.mount.mount_tuning import TUNING
from casfs.mount.mountpoints import unmount_lazily
from casfs.mount.session import Session
from casfs.threads import start_thread

log = logging.getLogger(__name__)

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
"""Those that end a mount, unless whoever started it had them ignored, as `nohup` does."""
_WAKE = signal.SIGUSR1
_GONE = signal.SIGUSR2


class Ending:
    """The end of one mount. Create it in the main thread, before any other thread starts.

    Attributes:
        signal: the signal that ended it, if one did.
    """

    def __init__(self, client: Client, session: Session, mountpoint: str) -> None:
        self._client = client
        self._session = session
        self._mountpoint = mountpoint
        self._main = threading.get_ident()
        self._asked = threading.Event()
        self._over = threading.Event()
        self._closed = threading.Event()
        self.signal: signal.Signals | None = None
        signal.signal(_WAKE, lambda *_: None)
        self._reload: Callable[[], None] | None = None
        # A blocked signal is kept even where it is ignored. All are blocked all the same: the
        # bindings give SIGINT its default action.
        self._ignored = {one for one in SIGNALS if signal.getsignal(one) == signal.SIG_IGN}
        # Blocked before any thread starts, they reach the one thread that waits for them.
        signal.pthread_sigmask(signal.SIG_BLOCK, {_GONE, *SIGNALS})

    def watch(self) -> None:
        """Start waiting for a signal, and for the kernel to release the mount.

        Raises:
            ThreadError: no thread can be started.
        """
        start_thread("signals", self._wait)
        start_thread("ending", self._watch)

    def reload_on_hangup(self, reload: Callable[[], None]) -> None:
        """From now on, call a function on SIGHUP, in a thread of its own, and do not end."""
        self._reload = reload

    def session_over(self) -> None:
        """Note that the library has ended the session."""
        self._over.set()

    def closed(self) -> None:
        """Note that nothing is left that could hang."""
        self._closed.set()

    def check_not_asked(self) -> None:
        """Raise if the mount is already asked to end.

        Raises:
            MountError: it is.
        """
        if self.signal is not None:
            raise MountError(f"{self._mountpoint}: ended by {self.signal.name} before it was ready")

    def _wait(self) -> None:
        number = self._awaited()
        if number == _GONE:
            log.info("the kernel released the mount")
        else:
            self.signal = signal.Signals(number)
            log.info("ended by %s", self.signal.name)
        self._asked.set()
        self._session.stop()
        self._client.close()

    def _awaited(self) -> int:
        """Wait for a signal that ends the mount."""
        while True:
            number = signal.sigwait({_GONE, *SIGNALS})
            if number == signal.SIGHUP and self._reload is not None:
                # A disk that hangs must not keep the next signal from ending the mount.
                try:
                    start_thread("reload", self._reload)
                except ThreadError as error:
                    log.warning("cannot reload: %s", error)
            elif number not in self._ignored:
                return number

    def _watch(self) -> None:
        while not (self._over.wait(TUNING.end_tick) or self._asked.is_set()):
            if self._session.gone():
                os.kill(os.getpid(), _GONE)
                break
        deadline = Deadline(TUNING.end_seconds)
        while not deadline.passed():
            if not self._over.is_set():
                # The library checks whether it should exit when a signal wakes its main thread.
                signal.pthread_kill(self._main, _WAKE)
            if self._closed.wait(TUNING.end_tick):
                return
        self._leave_behind()

    def _leave_behind(self) -> None:
        log.warning("exiting although something still hangs; abandoning it")
        # A mount that is gone may already have been replaced by another one.
        if not (self._over.is_set() or self._session.gone()):
            with contextlib.suppress(MountError):
                unmount_lazily(self._mountpoint)
        os._exit(0)
