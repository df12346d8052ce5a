"""Signals that a program gets while it waits for the mount, and which of them end the wait."""

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from signal import Signals
from typing import Any


def _mask(signals: Iterable[Signals]) -> int:
    """Return the bits of signals, as /proc/[pid]/status shows them (proc(5))."""
    return sum(1 << (number - 1) for number in signals)


_ENDING = _mask((Signals.SIGHUP, Signals.SIGINT, Signals.SIGQUIT, Signals.SIGTERM, Signals.SIGKILL))
"""Ask a program to end; one that handles them does so to clean up first."""
_PASSING = _mask(
    (
        Signals.SIGCHLD,
        Signals.SIGCONT,
        Signals.SIGURG,
        Signals.SIGWINCH,
        Signals.SIGSTOP,
        Signals.SIGTSTP,
        Signals.SIGTTIN,
        Signals.SIGTTOU,
    )
)
"""Do not end a program that leaves them to the kernel (signal(7)). One that is stopped goes on
later, and must find no error then."""
_FIELDS = ("SigPnd", "ShdPnd", "SigBlk", "SigIgn", "SigCgt")


def waits_in_vain(library: Any) -> Callable[[], bool]:
    """Return what tells whether the caller of the current request is to end, and needs no answer.

    The kernel reports an interrupted request for whatever signal wakes the caller, including those
    that a program handles and goes on, such as SIGCHLD in a shell. An error would be wrong there:
    many programs take it for an empty directory.

    Args:
        library: libfuse, of either version, as a binding loads it.
    """

    def look() -> bool:
        # Once reported, a request stays interrupted, so a signal that follows is seen as well.
        interrupted = library.fuse_interrupted()
        return bool(interrupted) and is_ending(library.fuse_get_context().contents.pid)

    return look


def is_ending(thread: int) -> bool:
    """Return whether a signal that ends its program is pending for a waiting thread.

    A signal that ends all threads is pending for each of them as SIGKILL, so the thread that waits
    is the only one to look at.

    Args:
        thread: ID of the thread, 0 if it is in a PID namespace that this process cannot see.

    Returns:
        False if that cannot be told: waiting for the answer costs the caller no more than the
        deadline, whereas an error that no signal calls for may pass for an empty directory.
    """
    try:
        # With the /proc of another PID namespace, the ID would be someone else's.
        if not thread or os.readlink("/proc/self") != str(os.getpid()):
            return False
        status = Path(f"/proc/{thread}/status").read_text("utf-8", "replace")
    except OSError:
        return False
    return ends(status)


def ends(status: str) -> bool:
    """Return whether a signal that ends the program is pending, by /proc/[pid]/status."""
    masks = dict.fromkeys(_FIELDS, 0)
    for line in status.splitlines():
        name, _, value = line.partition(":")
        if name in masks:
            masks[name] = int(value, 16)
    own, shared, blocked, ignored, caught = masks.values()
    pending = (own | shared) & ~blocked & ~ignored
    return bool(pending & (_ENDING | ~(caught | _PASSING)))
