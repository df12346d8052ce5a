"""What to do where a restored file would be, and something is there already: pure, no I/O."""

import os
import stat
from enum import Enum

from casfs.errors import DestinationError


class Overwrite(Enum):
    """Which files may be replaced."""

    NEVER = "never"
    IF_CHANGED = "if-changed"
    ALWAYS = "always"


class Existing(Enum):
    """What becomes of an archive, by what is at its place."""

    ABSENT = "absent"
    """Nothing is there: restore it."""
    REPLACE = "replace"
    """Restore it over what is there."""
    SAME = "same"
    """It has the size and the time of the archive: skip it."""
    SAME_CONTENT = "same content"
    """It has the bytes of the archive: skip it."""
    NEWER = "newer"
    """It is newer than the archive, and may have its bytes: skip it."""
    DIFFERENT = "different"
    """It is newer than the archive, and has other bytes: skip it, and say so."""
    KEPT = "kept"
    """It is there, and no file is replaced: skip it."""
    COMPARE = "compare"
    """Its content decides."""

    @property
    def is_restored(self) -> bool:
        """Return whether the archive is restored."""
        return self in (Existing.ABSENT, Existing.REPLACE)

    @property
    def is_kept(self) -> bool:
        """Return whether what is there must stay, since it is something else."""
        return self in (Existing.NEWER, Existing.DIFFERENT, Existing.KEPT)

    @property
    def reason(self) -> str:
        """Return why an archive is skipped."""
        return _REASONS[self]


_REASONS = {
    Existing.ABSENT: "",
    Existing.REPLACE: "",
    Existing.COMPARE: "",
    Existing.SAME: "there already: same size and time",
    Existing.SAME_CONTENT: "there already: same content",
    Existing.NEWER: "a newer file is there",
    Existing.DIFFERENT: "a newer file with other content is there, and is kept; move it away, or "
    "--overwrite always",
    Existing.KEPT: "a file is there",
}


def judge_existing(
    status: os.stat_result | None,
    size: int | None,
    mtime: int,
    overwrite: Overwrite,
    checksum: bool,
) -> Existing:
    """Return what becomes of an archive.

    Args:
        status: of what is at its place, None if nothing is.
        size: bytes of the archive, None if unknown.
        mtime: of the archive, nanoseconds since 1970.
        overwrite: which files may be replaced.
        checksum: whether content decides, where a size and a time would.

    Raises:
        DestinationError: it is not a file.
    """
    if status is None:
        return Existing.ABSENT
    if stat.S_ISDIR(status.st_mode):
        raise DestinationError("a directory is there; move it away")
    if overwrite is Overwrite.NEVER:
        return Existing.KEPT
    if overwrite is Overwrite.ALWAYS:
        return Existing.REPLACE
    if not stat.S_ISREG(status.st_mode):
        raise DestinationError("a link or a device is there; move it away, or --overwrite always")
    same_size = size is None or status.st_size == size
    if same_size and checksum:
        return Existing.COMPARE
    if same_size and same_time(status.st_mtime_ns, mtime):
        return Existing.SAME
    return judge_other(status.st_mtime_ns, mtime, differs=not same_size)


def judge_other(found: int, mtime: int, *, differs: bool) -> Existing:
    """Return what becomes of an archive where a file is that may have other content.

    Args:
        found: time of the file, nanoseconds since 1970.
        mtime: that of the archive.
        differs: it is known to have other content, and may be a copy that was cut off.
    """
    if found <= mtime or same_time(found, mtime):
        return Existing.REPLACE
    return Existing.DIFFERENT if differs else Existing.NEWER


_TICKS = (1, 100, 1_000, 1_000_000, 1_000_000_000, 2_000_000_000)
"""Nanoseconds in which file systems store times: FAT's take two seconds."""


def same_time(found: int, mtime: int) -> bool:
    """Return whether a time is that of an archive, as the file system could store it."""
    return any(found == mtime // tick * tick for tick in _TICKS)
