"""Time that passed since a request was sent, whatever happens to the wall clock."""

import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

from casfs.ledger.request import Request

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True, slots=True)
class Moment:
    """A moment, by the wall clock and by the clock that nobody sets.

    Attributes:
        time: UTC.
        boot: identifies the boot of this machine.
        uptime: seconds since then, including those for which it was suspended.
    """

    time: datetime
    boot: str
    uptime: float


def now() -> Moment:
    """Return this moment."""
    return Moment(datetime.now(UTC), _boot(), time.clock_gettime(time.CLOCK_BOOTTIME))


def elapsed(request: Request, moment: Moment) -> timedelta:
    """Return how long before a moment a request was committed, at least.

    In the same boot this is exact, whatever the wall clock does. After a reboot, or on another
    machine, it is not more than the time for which this machine is up.
    """
    if request.boot == moment.boot:
        return timedelta(seconds=max(0.0, moment.uptime - request.uptime))
    by_wall = moment.time - request.intended
    return max(timedelta(0), min(by_wall, timedelta(seconds=moment.uptime)))


@cache
def _boot() -> str:
    try:
        return _BOOT_ID.read_text().strip()
    except OSError:
        # The uptime of different boots is not compared then.
        return f"process {time.time_ns()}"
