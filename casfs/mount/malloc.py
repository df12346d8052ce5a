"""What the C library keeps of memory that was given back: libfuse's buffers of one mebibyte a read.

glibc gives each thread a heap of its own, up to eight for each processor, and none of them returns
the last two mebibytes. A few heaps for all threads keep a fraction, and need not ask the kernel for
the same memory again and again.
"""

import ctypes
import logging

log = logging.getLogger(__name__)

_HEAPS = 2
_LARGEST_IN_HEAP = 4 << 20
"""Bytes from which on memory comes from the kernel, and goes back to it, by itself."""
_KEPT = 32 << 20
"""Bytes that a heap may keep at its end: more than all buffers of a sequential read."""
_LIMITS = {
    "M_ARENA_MAX": (-8, _HEAPS),
    "M_MMAP_THRESHOLD": (-3, _LARGEST_IN_HEAP),
    "M_TRIM_THRESHOLD": (-1, _KEPT),
}
"""Number and value by name, from glibc's malloc.h."""


def limit_arenas() -> None:
    """Have all threads share a few heaps; to be called before there is a second thread.

    Other C libraries than glibc manage memory in another way, and are left alone.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except AttributeError:
        return
    for name, (number, value) in _LIMITS.items():
        if not mallopt(number, value):
            log.info("the C library does not accept %s; the mount may need more memory", name)
