"""What a restore did, from its manifest alone: counts that add up, and how it went over time.

The manifest is read twice, line by line, so that a million archives take no memory.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from casfs.restore.destination.manifest import FAILED, STATES, ManifestIndex, ManifestLine

EVENTS = ("requested", "readable", "fetched", "verified")
"""What happens to an archive, in this order."""
_STEPS = 60
"""Points of a chart."""
_NAMED = 20
"""Archives that are named for each reason."""
_REASONS = 50


@dataclass(slots=True)
class StateTotal:
    """How many archives ended in a state, and their bytes."""

    archives: int = 0
    bytes: int = 0


@dataclass(slots=True)
class Reason:
    """Why archives failed: how many, and some of their paths."""

    archives: int = 0
    paths: list[str] = field(default_factory=list)


@dataclass
class History:
    """What happened when.

    Attributes:
        begun: of the first step, UTC.
        step: length of a step.
        events: archives for which each event had happened at the end of each step.
        fetched: bytes that were fetched in each step.
    """

    begun: datetime
    step: timedelta
    events: dict[str, list[int]]
    fetched: list[int]

    def times(self) -> list[datetime]:
        """Return the end of each step."""
        return [self.begun + self.step * (number + 1) for number in range(len(self.fetched))]


@dataclass
class ReportData:
    """What a restore did.

    Attributes:
        header: facts of the manifest's first line.
        runs: facts of each run's beginning and end.
        totals: by state; they add up to all.
        fetched: bytes that were fetched from service or cache.
        reasons: why archives failed; those beyond the most frequent are counted as "".
        history: None if nothing happened yet.
        damaged: lines that cannot be read.
    """

    header: dict[str, Any]
    runs: list[dict[str, Any]]
    totals: dict[str, StateTotal]
    fetched: int = 0
    reasons: dict[str, Reason] = field(default_factory=dict)
    history: History | None = None
    damaged: int = 0

    @property
    def all(self) -> StateTotal:
        """Return the sum of all states."""
        found = self.totals.values()
        return StateTotal(sum(one.archives for one in found), sum(one.bytes for one in found))

    @property
    def last_end(self) -> dict[str, Any] | None:
        """Return how the last run ended, None if it did not: it runs, or was killed."""
        last = self.runs[-1] if self.runs else {}
        return last if last.get("type") == "end" else None


def report_data(index: ManifestIndex) -> ReportData:
    """Return what a restore did.

    Raises:
        ConfigError: the manifest cannot be read.
    """
    data = ReportData(index.header, index.runs, {state: StateTotal() for state in STATES})
    data.damaged = index.damaged
    first: datetime | None = None
    last: datetime | None = None
    for line in index.lines():
        _count(line, data)
        for _, at in _events(line):
            first = at if first is None else min(first, at)
            last = at if last is None else max(last, at)
    if first is not None and last is not None:
        data.history = _history(index, first, last)
    return data


def _count(line: ManifestLine, data: ReportData) -> None:
    total = data.totals.setdefault(line.state, StateTotal())
    total.archives += 1
    total.bytes += line.size or 0
    data.fetched += line.fetched
    if line.state == FAILED:
        reason = line.reason or "unknown"
        if reason not in data.reasons and len(data.reasons) >= _REASONS:
            reason = ""
        found = data.reasons.setdefault(reason, Reason())
        found.archives += 1
        if len(found.paths) < _NAMED:
            found.paths.append(line.path)


def _history(index: ManifestIndex, first: datetime, last: datetime) -> History:
    step = max((last - first) / _STEPS, timedelta(seconds=1))
    steps = max(1, -(-(last - first) // step))
    counts = {event: Counter[int]() for event in EVENTS}
    fetched = [0] * steps
    for line in index.lines():
        for event, at in _events(line):
            number = min(int((at - first) / step), steps - 1)
            counts[event][number] += 1
            if event == "fetched":
                fetched[number] += line.fetched
    events = {}
    for event, found in counts.items():
        so_far = 0
        events[event] = [so_far := so_far + found[number] for number in range(steps)]
    return History(first, step, events, fetched)


def _events(line: ManifestLine) -> Iterator[tuple[str, datetime]]:
    for event in EVENTS:
        text = line.times.get(event)
        if text is not None:
            yield event, datetime.fromisoformat(text).astimezone(UTC)
