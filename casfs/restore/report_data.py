"""What a restore did, from its manifest alone: counts that add up, and how it went over time.

The manifest is read line by line, so that a million archives take no memory.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import accumulate
from typing import Any

from casfs.restore.destination.existing_files import Existing
from casfs.restore.destination.manifest import FAILED, STATES
from casfs.restore.destination.manifest_index import ManifestIndex

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
    """Why archives were not restored: how many, and some of their paths."""

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
        fetched: bytes that were fetched from the service.
        cached: bytes that came from the cache.
        reasons: why archives failed, or newer files that differ are kept; those beyond the most
            frequent are counted as "".
        history: None if nothing happened yet.
        damaged: lines that cannot be read.
    """

    header: dict[str, Any]
    runs: list[dict[str, Any]]
    totals: dict[str, StateTotal]
    fetched: int = 0
    cached: int = 0
    reasons: dict[str, Reason] = field(default_factory=dict)
    history: History | None = None
    damaged: int = 0

    @property
    def all(self) -> StateTotal:
        """Return the sum of all states."""
        found = self.totals.values()
        return StateTotal(sum(one.archives for one in found), sum(one.bytes for one in found))

    def sources(self, size_text: Callable[[int], str]) -> str:
        """Return in words where bytes came from; `size_text` returns them in words."""
        cached = f", {size_text(self.cached)} from the cache" if self.cached else ""
        return f"fetched {size_text(self.fetched)}{cached}"

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
    steps = None if index.span is None else _Steps(*index.span)
    for facts in index.facts():
        _count(facts, data)
        if steps is not None:
            steps.note(facts)
    data.history = None if steps is None else steps.history()
    return data


def _count(facts: Mapping[str, Any], data: ReportData) -> None:
    total = data.totals[facts["state"]]
    total.archives += 1
    total.bytes += facts.get("size") or 0
    data.fetched += facts.get("fetched", 0)
    data.cached += facts.get("cached", 0)
    if facts["state"] == FAILED or facts.get("reason") == Existing.DIFFERENT.reason:
        reason = facts.get("reason") or "unknown"
        if reason not in data.reasons and len(data.reasons) >= _REASONS:
            reason = ""
        found = data.reasons.setdefault(reason, Reason())
        found.archives += 1
        if len(found.paths) < _NAMED:
            found.paths.append(facts["path"])


class _Steps:
    """Counts in steps what happened.

    Args:
        first: when the first of it did, in seconds since 1970.
        last: when the last did.
    """

    def __init__(self, first: float, last: float) -> None:
        self._first = first
        self._step = max((last - first) / _STEPS, 1.0)
        self._steps = max(1, math.ceil((last - first) / self._step))
        self._counts = {event: [0] * self._steps for event in EVENTS}
        self._fetched = [0] * self._steps

    def note(self, facts: Mapping[str, Any]) -> None:
        """Count what a line tells."""
        for event, text in facts.get("times", {}).items():
            counts = self._counts.get(event)
            if counts is None:
                continue
            passed = datetime.fromisoformat(text).timestamp() - self._first
            number = min(int(passed / self._step), self._steps - 1)
            counts[number] += 1
            if event == "fetched":
                self._fetched[number] += facts.get("fetched", 0)

    def history(self) -> History:
        """Return what happened when."""
        events = {event: list(accumulate(counts)) for event, counts in self._counts.items()}
        begun = datetime.fromtimestamp(self._first, UTC)
        return History(begun, timedelta(seconds=self._step), events, self._fetched)
