"""How a command ends: its exit status, and why."""

from dataclasses import dataclass
from enum import IntEnum


class Status(IntEnum):
    """Exit statuses."""

    DONE = 0
    FAILED = 1
    MISMATCH = 3
    NOT_STARTED = 4
    UNFINISHED = 75


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a command ends, and why.

    Attributes:
        status: exit status.
        reason: one line; "" for success.
    """

    status: Status
    reason: str = ""


DONE = Verdict(Status.DONE)
