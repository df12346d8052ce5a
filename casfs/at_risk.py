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
        name: of what they are, for whoever is told.
    """

    expires: datetime | None
    size: int
    name: str = ""


@dataclass(frozen=True, slots=True)
class Outlook:
    """What becomes of outputs at a rate.

    Attributes:
        total: bytes to be fetched.
        seconds: how long that takes.
        needed_rate: bytes a second with which all could be fetched in time; infinite if some
            have expired.
        bytes_at_risk: bytes that cannot be fetched before they expire.
        late: the indexes of the outputs that they belong to, soonest expiry first; not of all, if
            only some were asked for.
        soonest_expiry: of what is still to be fetched.
        late_outputs: how many outputs these bytes belong to.
        late_names: the names of those in `late`.
    """

    total: int
    seconds: float
    needed_rate: float
    bytes_at_risk: int
    late: tuple[int, ...]
    soonest_expiry: datetime | None
    late_outputs: int = 0
    late_names: tuple[str, ...] = ()


def outlook(dues: Iterable[Due], rate: float, now: datetime) -> Outlook:
    """Return what becomes of outputs that are fetched at a rate, soonest expiry first.

    Args:
        dues: the outputs.
        rate: bytes a second, more than 0.
        now: the time by the clock that the expiries are stated by, UTC.
    """
    open_ = sorted(enumerate(dues), key=lambda pair: pair[1].expires or _NEVER)
    return _outlook(open_, rate, now, len(open_))


def outlook_in_order(dues: Iterable[Due], rate: float, now: datetime, most: int) -> Outlook:
    """Return the same of outputs that come soonest expiry first; a million take no memory.

    Args:
        dues: the outputs.
        rate: bytes a second, more than 0.
        now: as for `outlook`.
        most: outputs that are named at most.
    """
    return _outlook(enumerate(dues), rate, now, most)


def _outlook(dues: Iterable[tuple[int, Due]], rate: float, now: datetime, most: int) -> Outlook:
    spent, total, lost, needed = 0.0, 0, 0.0, 0.0
    late: list[tuple[int, str]] = []
    late_outputs = 0
    soonest: datetime | None = None
    for index, due in dues:
        if not due.size:
            continue
        soonest = due.expires if not total else soonest
        total += due.size
        wanted = due.size / rate
        if due.expires is not None:
            left = (due.expires - now).total_seconds()
            needed = max(needed, total / left if left > 0 else float("inf"))
            missing = spent + wanted - left
            if missing > 0:
                missing = min(missing, wanted)
                late_outputs += 1
                if len(late) < most:
                    late.append((index, due.name))
                lost += missing * rate
                wanted -= missing
        spent += wanted
    indexes, names = tuple(index for index, _ in late), tuple(name for _, name in late)
    return Outlook(total, spent, needed, round(lost), indexes, soonest, late_outputs, names)
