"""How far a phase of a long command is, and the words for it."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from casfs.cli.show import local_time, size_text
from casfs.model import later

_LONGEST = 3650 * 86400.0
"""The longest time left that is told, in seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How far a phase of a command is; None is unknown, or does not apply.

    Attributes:
        phase: what is being done, such as "fetching".
        files: those that are done.
        total_files: all of them.
        skipped: those that need nothing.
        failed: those that failed.
        size: bytes that are done.
        total: all bytes.
        rate: bytes a second of the last minutes.
        expiry: when the first of what is left expires, by the service's clock.
        now: the time by that clock.
        at_risk: bytes that cannot come before they expire.
        unit: what `files` counts.
        facts: more for programs.
    """

    phase: str
    files: int = 0
    total_files: int | None = None
    skipped: int = 0
    failed: int = 0
    size: int = 0
    total: int | None = None
    rate: float | None = None
    expiry: datetime | None = None
    now: datetime | None = None
    at_risk: int | None = None
    unit: str = "outputs"
    facts: dict[str, Any] | None = None

    def eta(self) -> datetime | None:
        """Return when it is done at this rate."""
        if self.total is None or not self.rate:
            return None
        left = min(_LONGEST, max(0, self.total - self.size) / self.rate)
        return later(self.now or datetime.now(UTC), timedelta(seconds=left))

    def percent(self) -> float | None:
        """Return how much of the bytes is done, or of the files if there are no bytes."""
        if self.total:
            return min(100.0, 100.0 * self.size / self.total)
        if self.total_files:
            return min(100.0, 100.0 * (self.files + self.failed) / self.total_files)
        return None


def standing_text(standing: Standing) -> str:
    """Return how far a phase is, as a line for a person."""
    parts = [_files_text(standing)] if standing.files or standing.total_files is not None else []
    if standing.total:
        percent = standing.percent() or 0.0
        parts.append(f"{size_text(standing.size)} of {size_text(standing.total)} ({percent:.0f} %)")
    elif standing.size:
        parts.append(size_text(standing.size))
    if standing.rate:
        parts.append(rate_text(standing.rate))
    if done := done_text(standing):
        parts.append(done)
    if standing.at_risk:
        parts.append(f"{size_text(standing.at_risk)} at risk")
    return f"{standing.phase}: {', '.join(parts)}"


def done_text(standing: Standing) -> str:
    """Return when a phase is done, and how that stands to the first expiry; "" if unknown."""
    eta = standing.eta()
    if eta is None:
        return ""
    text = f"done {clock_text(eta)}"
    if standing.expiry is None:
        return text
    spare = (standing.expiry - eta).total_seconds()
    relation = "before" if spare >= 0 else "after"
    return f"{text}, {span_text(abs(spare))} {relation} the first expiry"


def rate_text(rate: float) -> str:
    """Return a rate in decimal megabytes a second."""
    return f"{rate / 1e6:,.1f} MB/s"


def clock_text(moment: datetime) -> str:
    """Return a time in this machine's zone: the hour alone if that is within half a day."""
    local, now = local_time(moment), datetime.now(UTC).astimezone()
    near = abs((local - now).total_seconds()) < 43200
    return f"{local:%H:%M}" if near else f"{local:%Y-%m-%d %H:%M %Z}"


def span_text(seconds: float) -> str:
    """Return a time span, to the minute or, below two minutes, to the second."""
    minutes = round(seconds / 60)
    if seconds < 120:
        return f"{seconds:.0f} s"
    if minutes < 120:
        return f"{minutes} min"
    hours = minutes // 60
    return f"{hours} h {minutes % 60:02d} min" if hours < 48 else f"{hours // 24} d {hours % 24} h"


def _files_text(standing: Standing) -> str:
    done = f"{standing.files:,}"
    if standing.total_files is not None:
        done += f" of {standing.total_files:,}"
    text = f"{done} {standing.unit}"
    return f"{text}, {standing.failed:,} failed" if standing.failed else text
