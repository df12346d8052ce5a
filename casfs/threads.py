"""Threads, which the operating system may refuse to start."""

import threading
from collections.abc import Callable

from casfs.errors import ThreadError


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
