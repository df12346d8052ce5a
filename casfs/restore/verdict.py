"""How a command ends: its exit status, and why."""

from dataclasses import dataclass
from enum import IntEnum

from casfs.errors import CasfsError, DestinationSyncError


class Status(IntEnum):
    """Exit statuses."""

    DONE = 0
    FAILED = 1
    USAGE = 2
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


def stopped_by(error: CasfsError) -> Verdict:
    """Return how a restore ends that an error has stopped: whether it is worth another run."""
    again = not isinstance(error, DestinationSyncError)
    return Verdict(Status.UNFINISHED if again else Status.USAGE, str(error))
