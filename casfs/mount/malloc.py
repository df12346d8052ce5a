"""Limits on the memory that the C library keeps after it was freed: libfuse's 1 MiB read buffers.

glibc gives each thread a malloc arena of its own, up to eight for each processor, and none of them
returns its last two mebibytes. A few arenas shared by all threads keep a fraction of that, and do
not request the same memory from the kernel again and again.
"""

import ctypes
import logging

from casfs.mount.mount_tuning import TUNING

log = logging.getLogger(__name__)

_LIMITS = {
    "M_ARENA_MAX": (-8, TUNING.arenas),
    "M_MMAP_THRESHOLD": (-3, TUNING.largest_in_arena),
    "M_TRIM_THRESHOLD": (-1, TUNING.kept_in_arena),
}
"""Number and value by name, from glibc's malloc.h."""


def limit_arenas() -> None:
    """Make all threads share a few malloc arenas; call it before there is a second thread.

    C libraries other than glibc manage memory differently, and are left alone.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except AttributeError:
        return
    for name, (number, value) in _LIMITS.items():
        if not mallopt(number, value):
            log.info("the C library does not accept %s; the mount may need more memory", name)
