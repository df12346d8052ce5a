"""How much a cache may still take."""

import os
from pathlib import Path
from typing import NamedTuple

from casfs.blocks.block_tuning import TUNING
from casfs.disks import existing


class Room(NamedTuple):
    """What a cache can take without evicting anything; below 0 it has too much already.

    Attributes:
        limit: bytes that it may hold.
        within: bytes that it may take to stay within that.
        on_disk: bytes that it may take of its disk.
    """

    limit: int
    within: int
    on_disk: int


def spare_bytes(directory: Path) -> int:
    """Return the bytes that a cache may take of its disk; below 0 it has taken too many."""
    disk = os.statvfs(existing(directory))
    reserve = min(TUNING.reserve, int(disk.f_blocks * disk.f_frsize * TUNING.reserve_part))
    return disk.f_bavail * disk.f_frsize - reserve
