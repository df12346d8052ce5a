"""The time by the service's clock, which decides when jobs are done and outputs expire."""

import time
from collections.abc import Mapping
from datetime import datetime, timedelta

from casfs.model import later
from casfs.service import fields


class ServiceClock:
    """What an answer told last; this machine's clock may be hours wrong."""

    def __init__(self) -> None:
        self._noted: tuple[datetime, float] | None = None

    def note(self, headers: Mapping[str, str]) -> None:
        """Note the `Date` of an answer that just came."""
        date = fields.http_date(headers.get("Date"))
        if date is not None:
            self._noted = date, time.clock_gettime(time.CLOCK_BOOTTIME)

    def now(self) -> datetime | None:
        """Return the time by that clock (UTC), None as long as no answer told it."""
        noted = self._noted
        if noted is None:
            return None
        date, moment = noted
        since = timedelta(seconds=time.clock_gettime(time.CLOCK_BOOTTIME) - moment)
        return later(date, since) or date
