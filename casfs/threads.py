"""Threads, which the operating system may refuse to start, and how they wait for one another."""

import contextlib
import errno
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from typing import TypeVar

from casfs.errors import ThreadError

T = TypeVar("T")

_LOOK_SECONDS = 0.2
"""How often a thread that waits looks whether it is still wanted."""
_this_thread = threading.local()


def stop_waiting_if(interrupted: Callable[[], bool]) -> None:
    """Let the waits of the calling thread end early.

    Args:
        interrupted: returns whether the program for which the thread waits was told to end.
    """
    _this_thread.interrupted = interrupted


def result_within(future: "Future[T]", seconds: float) -> T:
    """Return the result of a future, as `Future.result`.

    Raises:
        InterruptedError: the program for which this thread waits was told to end.
        TimeoutError: there was no result in time.
    """
    interrupted = getattr(_this_thread, "interrupted", None)
    end = time.monotonic() + seconds
    while interrupted is not None and time.monotonic() + _LOOK_SECONDS < end:
        with contextlib.suppress(FutureTimeoutError):
            return future.result(_LOOK_SECONDS)
        if future.done():
            # What it brought is an error of that kind.
            break
        if interrupted():
            raise InterruptedError(errno.EINTR, "the program that waits was interrupted")
    return future.result(max(0.0, end - time.monotonic()))


def start_thread(name: str, work: Callable[..., None], *arguments: object) -> threading.Thread:
    """Start a daemon thread; whoever calls this notes it only afterwards.

    Raises:
        ThreadError: no more threads are allowed. What the caller is at fails, or goes on without;
            later it may be tried again.
    """
    thread = threading.Thread(target=work, args=arguments, name=name, daemon=True)
    try:
        thread.start()
    except RuntimeError as error:
        raise ThreadError(
            f"the system does not allow one thread more ({name}): {error}; allow more with"
            " `ulimit -u`, systemd's `TasksMax` or docker's `--pids-limit`"
        ) from error
    return thread
