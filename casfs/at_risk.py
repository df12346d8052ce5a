"""What cannot be fetched before it expires, at a given rate: pure arithmetic.

Outputs are fetched soonest expiry first. Nothing that can be fetched in time is given up for others
then (earliest deadline first is optimal for one line), and what is left of an output when it
expires cannot be fetched any more.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple

_NEVER = datetime.max.replace(tzinfo=UTC)


class Due(NamedTuple):
    """Bytes that are still to be fetched.

    Attributes:
        expires: until when the service has them, UTC; None if that is unknown.
        size: how many there are.
    """

    expires: datetime | None
    size: int


@dataclass(frozen=True, slots=True)
class Outlook:
    """What becomes of outputs at a rate.

    Attributes:
        total: bytes to be fetched.
        seconds: how long that takes.
        needed_rate: bytes a second with which all could be fetched in time; infinite if some
            have expired.
        bytes_at_risk: bytes that cannot be fetched before they expire.
        late: the indexes of the outputs that they belong to, soonest expiry first.
        soonest_expiry: of what is still to be fetched.
    """

    total: int
    seconds: float
    needed_rate: float
    bytes_at_risk: int
    late: tuple[int, ...]
    soonest_expiry: datetime | None


def outlook(dues: Iterable[Due], rate: float, now: datetime) -> Outlook:
    """Return what becomes of outputs that are fetched at a rate, soonest expiry first.

    Args:
        dues: the outputs.
        rate: bytes a second, more than 0.
        now: the time by the clock that the expiries are stated by, UTC.
    """
    open_ = [(one, index) for index, one in enumerate(dues) if one.size]
    open_.sort(key=lambda pair: pair[0].expires or _NEVER)
    spent, total, lost, needed = 0.0, 0, 0.0, 0.0
    late: list[int] = []
    for due, index in open_:
        total += due.size
        wanted = due.size / rate
        if due.expires is not None:
            left = (due.expires - now).total_seconds()
            needed = max(needed, total / left if left > 0 else float("inf"))
            missing = spent + wanted - left
            if missing > 0:
                missing = min(missing, wanted)
                late.append(index)
                lost += missing * rate
                wanted -= missing
        spent += wanted
    soonest = open_[0][0].expires if open_ else None
    return Outlook(total, spent, needed, round(lost), tuple(late), soonest)
