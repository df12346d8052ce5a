"""A mount in a process of its own, and the command that waits until it is ready.

If either of the two fails until then, no mount is left behind.
"""

import contextlib
import logging
import os
import select
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

from casfs.client import make_paths_absolute
from casfs.errors import CasfsError, ConfigError, MountError
from casfs.mount.ending import SIGNALS
from casfs.mount.mount_status import answers, is_dead
from casfs.mount.mount_tuning import TUNING
from casfs.mount.mountpoints import unmount_lazily
from casfs.sanitize import shown

log = logging.getLogger(__name__)

_READY = b"\0"
_WRONG_USAGE = b"\1"
"""Begins a message that is a `ConfigError`."""


def serve_detached(
    serve: Callable[[Callable[[], None]], None], mountpoint: str, log_file: Path | None
) -> None:
    """Serve a mount in another process; return once it answers.

    Args:
        serve: serves it until its end; calls its argument with the kernel's first request.
        mountpoint: where.
        log_file: where that process logs to.

    Raises:
        CasfsError: it cannot be mounted, or a signal came first.
    """
    reading, writing = os.pipe()
    # A signal between fork and the parent's handlers would kill the parent alone.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    child = os.fork()
    if child == 0:
        os.close(reading)
        _be_the_mount(serve, writing)
    os.close(writing)
    try:
        with open(reading, "rb") as pipe, _raising(mountpoint):
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
            told = pipe.read()
            _raise_told(told, mountpoint, log_file)
            # The mount is in place; a request for its root shows that it answers.
            answers(mountpoint)
    except BaseException:
        _end(child, mountpoint)
        raise


def _raise_told(told: bytes, mountpoint: str, log_file: Path | None) -> None:
    if told == _READY:
        return
    if told.startswith(_WRONG_USAGE):
        raise ConfigError(told.removeprefix(_WRONG_USAGE).decode())
    raise MountError(told.decode() or f"{mountpoint}: the mount's process died; see {log_file}")


@contextlib.contextmanager
def _raising(mountpoint: str) -> Iterator[None]:
    """Make the signals that end a mount raise, as Ctrl-C does, except those that are ignored."""

    def end(number: int, frame: object) -> None:
        del frame
        name = signal.Signals(number).name
        raise MountError(f"{mountpoint}: ended by {name} before it was ready")

    former = {one: signal.getsignal(one) for one in SIGNALS}
    ours = [one for one, handler in former.items() if handler == signal.SIG_DFL]
    try:
        for one in ours:
            signal.signal(one, end)
        yield
    finally:
        for one in ours:
            signal.signal(one, former[one])


def _end(child: int, mountpoint: str) -> None:
    """End the mount's process, and leave no mount, not even a dead one."""
    process = os.pidfd_open(child)
    try:
        ended = select.poll()
        ended.register(process, select.POLLIN)
        # It unmounts first, unless it hangs or ignores the signal.
        for number in (signal.SIGTERM, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, number)
            if ended.poll(TUNING.end_wait * 1000):
                break
    finally:
        os.close(process)
    if is_dead(mountpoint):
        with contextlib.suppress(MountError):
            unmount_lazily(mountpoint)


def _be_the_mount(serve: Callable[[Callable[[], None]], None], pipe: int) -> None:
    """Run as the mount's process; never returns."""
    status = 1
    command = _Command(pipe)
    try:
        os.setsid()
        make_paths_absolute()
        os.chdir("/")
        serve(command.ready)
        status = 0
    except CasfsError as error:
        log.error("%s", error)
        kind = _WRONG_USAGE if isinstance(error, ConfigError) else b""
        command.fail(kind + shown(str(error)).encode())
    except BaseException as error:
        log.critical("the mount crashed: casfs hit a bug; please report it", exc_info=True)
        # Its text may contain anything; the log has it, without secrets.
        command.fail(f"casfs hit a bug ({type(error).__name__}); please report it".encode())
    finally:
        logging.shutdown()
        os._exit(status)


class _Command:
    """The command that waits for the mount, at the other end of a pipe."""

    def __init__(self, pipe: int) -> None:
        self._pipe: int | None = pipe

    def ready(self) -> None:
        """Report that the mount is ready, and detach from the terminal.

        Raises:
            MountError: the command no longer waits.
        """
        nothing = os.open(os.devnull, os.O_RDWR)
        # Standard error is the library's already, and goes into the log.
        for standard in range(2):
            os.dup2(nothing, standard)
        os.close(nothing)
        try:
            self._tell(_READY)
        except BrokenPipeError as error:
            raise MountError("the mounting command ended before the mount was ready") from error

    def fail(self, message: bytes) -> None:
        """Report why there is no mount, unless it was ready before."""
        # If the command is gone, only the log has the reason.
        with contextlib.suppress(BrokenPipeError):
            self._tell(message)

    def _tell(self, message: bytes) -> None:
        pipe, self._pipe = self._pipe, None
        if pipe is not None:
            try:
                os.write(pipe, message)
            finally:
                os.close(pipe)
