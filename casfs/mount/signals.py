"""Signals that a program receives while it waits for the mount, and which of them end the wait."""

import os
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from signal import Signals
from typing import Any

from casfs.mount.mount_tuning import TUNING


def _mask(signals: Iterable[Signals]) -> int:
    """Return the bits of signals, as /proc/[pid]/status shows them (proc(5))."""
    return sum(1 << (number - 1) for number in signals)


_ENDING = _mask((Signals.SIGHUP, Signals.SIGINT, Signals.SIGQUIT, Signals.SIGTERM, Signals.SIGKILL))
"""Signals that ask a program to exit; a program handles them only to clean up first."""
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
"""Signals whose default action does not kill (signal(7)). A stopped program continues later, and
must not find an error then."""
_FIELDS = ("SigPnd", "ShdPnd", "SigBlk", "SigIgn", "SigCgt")


def waits_in_vain(library: Any, clock: Callable[[], float] = time.monotonic) -> Callable[[], bool]:
    """Return a function that says whether the caller of the current request is being killed.

    The kernel interrupts a request on any signal that wakes the caller, including those that a
    program handles before it continues, such as SIGCHLD in a shell. An error would be wrong then:
    many programs take it for an empty directory. It interrupts none of the requests that it makes
    in the background, of which a read with O_DIRECT consists, so the caller is looked at now and
    then without that.

    Args:
        library: libfuse, of either version, as a binding loads it.
        clock: returns the time in seconds.
    """
    this_thread = threading.local()

    def look() -> bool:
        # A request stays interrupted, so a later signal is noticed as well.
        now = clock()
        if not library.fuse_interrupted():
            if now < getattr(this_thread, "next", now):
                return False
            this_thread.next = now + TUNING.caller_look_seconds
        return is_ending(library.fuse_get_context().contents.pid)

    return look


def is_ending(thread: int) -> bool:
    """Return whether a fatal signal is pending for a waiting thread.

    A signal that kills the process is pending for each of its threads as SIGKILL, so only the
    waiting thread matters.

    Args:
        thread: ID of the thread, 0 if it is in a PID namespace that this process cannot see.

    Returns:
        False if that is unknown: waiting for the answer costs the caller at most the deadline,
        whereas an error without a fatal signal may be taken for an empty directory.
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
    """Return whether a fatal signal is pending, by the text of /proc/[pid]/status."""
    masks = dict.fromkeys(_FIELDS, 0)
    for line in status.splitlines():
        name, _, value = line.partition(":")
        if name in masks:
            masks[name] = int(value, 16)
    own, shared, blocked, ignored, caught = masks.values()
    pending = (own | shared) & ~blocked & ~ignored
    return bool(pending & (_ENDING | ~(caught | _PASSING)))
