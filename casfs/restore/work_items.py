"""An archive of a restore, and how far it is."""

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum, IntEnum
from typing import NamedTuple

from casfs.client import RestorableFile
from casfs.ledger.request import to_microseconds, to_time

NEVER = to_microseconds(datetime.max.replace(tzinfo=UTC))
"""Expiry of what does not expire."""


class Stage(Enum):
    """How far an archive is."""

    WAITING = "waiting"
    """It cannot be read yet."""
    READABLE = "readable"
    FETCHING = "fetching"
    RESTORED = "restored"
    SKIPPED = "skipped"
    KEPT = "kept"
    """Skipped, because a newer file is there that differs."""
    FAILED = "failed"
    LEFT = "left"
    """It is left to another run: the service fails."""


class Again(IntEnum):
    """Whether something must be decided of a waiting archive of which a request was lost."""

    NO = 0
    LOST = 1
    """Whether it is requested again must be decided."""
    ASKED = 2
    """The user is asked."""


class WorkItem(NamedTuple):
    """An archive that is to be restored; times are microseconds since 1970, None is unknown.

    Attributes:
        number: identifies it here.
        mtime: nanoseconds since 1970.
        expires: when its output expires.
        requested: when this restore requested it.
        readable: when it was first seen to be readable.
        replace: a file was there that may be replaced by it.
        here: all of its bytes seem to be in its file already, which lacks its name or its record.
        reason: why it is skipped, or cannot be restored.
    """

    number: int
    archive: str
    path: str
    size: int | None
    mtime: int
    tree_hash: str | None
    expires: int | None
    requested: int | None
    readable: int | None
    replace: bool
    here: bool = False
    reason: str = ""

    @property
    def expiry(self) -> datetime | None:
        """Return when its output expires, UTC; None if that is unknown, or it does not."""
        return None if self.expires is None or self.expires >= NEVER else to_time(self.expires)

    @property
    def file(self) -> RestorableFile:
        """Return the archive as the catalog has it."""
        return RestorableFile(self.archive, self.path, self.size, self.mtime, self.tree_hash, 0)


@dataclass(frozen=True, slots=True)
class Totals:
    """How many archives there are, and their bytes as far as they are known."""

    archives: int = 0
    bytes: int = 0
