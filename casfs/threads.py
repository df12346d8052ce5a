"""Starts threads, which the operating system may refuse, and waits for their results."""

import contextlib
import errno
import os
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from typing import TypeVar

from casfs.errors import ThreadError
from casfs.reasons import reason

T = TypeVar("T")

_LOOK_SECONDS = 0.2
"""How often a waiting thread checks whether its caller was interrupted."""
_this_thread = threading.local()


def trace_this_thread() -> None:
    """Trace the calling thread if new threads are traced.

    Python traces only threads that it starts itself. Without this, neither a debugger nor a
    coverage measurement sees what the threads of a library call.
    """
    trace = threading.gettrace()
    if trace is not None:
        sys.settrace(trace)


def processors() -> int:
    """Return how many processors the threads of this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def stop_waiting_if(interrupted: Callable[[], bool]) -> None:
    """Let the waits of the calling thread end early.

    Args:
        interrupted: returns whether the program that the thread works for was interrupted.
    """
    _this_thread.interrupted = interrupted


def result_within(future: "Future[T]", seconds: float) -> T:
    """Return the result of a future, like `Future.result`.

    Raises:
        InterruptedError: the program that this thread works for was interrupted.
        TimeoutError: there was no result in time.
    """
    interrupted = getattr(_this_thread, "interrupted", None)
    end = time.monotonic() + seconds
    while interrupted is not None and time.monotonic() + _LOOK_SECONDS < end:
        with contextlib.suppress(FutureTimeoutError):
            return future.result(_LOOK_SECONDS)
        if future.done():
            # The time-out is the future's own exception.
            break
        if interrupted():
            raise InterruptedError(errno.EINTR, "the program that waits was interrupted")
    return future.result(max(0.0, end - time.monotonic()))


def wait_within(wait: Callable[[float], bool], seconds: float) -> bool:
    """Wait for something as `wait` does, which returns whether it came within these seconds.

    Raises:
        InterruptedError: the program that this thread works for was interrupted.
    """
    interrupted = getattr(_this_thread, "interrupted", None)
    end = time.monotonic() + seconds
    while interrupted is not None and time.monotonic() + _LOOK_SECONDS < end:
        if wait(_LOOK_SECONDS):
            return True
        if interrupted():
            raise InterruptedError(errno.EINTR, "the program that waits was interrupted")
    return wait(max(0.0, end - time.monotonic()))


def start_thread(name: str, work: Callable[..., None], *arguments: object) -> threading.Thread:
    """Start a daemon thread. Callers must record it only after this returns.

    Raises:
        ThreadError: the system's limit on threads is reached. The caller may retry later.
    """
    thread = threading.Thread(target=work, args=arguments, name=name, daemon=True)
    try:
        thread.start()
    except RuntimeError as error:
        raise thread_refused(name, error) from error
    return thread


def thread_refused(name: str, error: RuntimeError) -> ThreadError:
    """Return what it means that Python could not start a thread."""
    return ThreadError(
        f"cannot start the thread {name}: {reason(error)}; the process limit is reached: raise"
        " `ulimit -u`, systemd's `TasksMax` or docker's `--pids-limit`"
    )
