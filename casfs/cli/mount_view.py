"""What a mount says about itself, for people: `casfs status` and `casfs top`.

What a mount says may be anything, since anybody may mount something that calls itself casfs: a fact
of another type than expected is unknown.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from casfs.cli.show import local_text, size_text, span_text
from casfs.cli.tables import Column
from casfs.sanitize import printable

_RECENT = timedelta(minutes=15)
"""How long a warning counts for the health of a mount."""
_LONGEST = 300
_GOOD = "good"


@dataclass(frozen=True, slots=True)
class Rates:
    """Bytes a second, between two looks at a mount.

    Attributes:
        received: from the service.
        read: by programs.
    """

    received: float
    read: float


@dataclass(frozen=True)
class MountFacts:
    """What a mount says about itself; None is unknown.

    Attributes:
        mountpoint: where it is.
        found: the status that it gave; empty if it gave none.
        error: why it gave none.
        rates: how fast bytes come and go.
    """

    mountpoint: str
    found: Mapping[str, Any]
    error: str | None = None
    rates: Rates | None = None

    def number(self, name: str) -> int | None:
        """Return a fact that is a whole number of at least 0."""
        return _number(self.found.get(name))

    def text(self, name: str) -> str:
        """Return a fact that is text, "" if it is none."""
        value = self.found.get(name)
        return printable(value)[:_LONGEST] if isinstance(value, str) else ""

    def moment(self, name: str) -> datetime | None:
        """Return a fact that is a time, UTC."""
        return _moment(self.found.get(name))

    def counter(self, name: str) -> int:
        """Return a counter; the sum of one that has parts."""
        counters = self.found.get("counters")
        value = counters.get(name) if isinstance(counters, Mapping) else None
        if isinstance(value, Mapping):
            return sum(_number(part) or 0 for part in value.values())
        return _number(value) or 0

    def part(self, name: str) -> "MountFacts":
        """Return a fact that consists of facts."""
        value = self.found.get(name)
        return MountFacts(self.mountpoint, value if isinstance(value, Mapping) else {})

    def with_rates(self, then: float, before: "MountFacts", now: float) -> "MountFacts":
        """Return the facts with the rates since an earlier look; times are of one clock."""
        if self.error is not None or now <= then:
            return self
        received, read = (
            max(0, self.counter(name) - before.counter(name)) / (now - then)
            for name in ("received_bytes", "read_bytes")
        )
        return replace(self, rates=Rates(received, read))

    def health(self, now: datetime) -> "Health":
        """Return how a mount is."""
        if self.error is not None:
            return Health("no answer", self.error)
        answer, failure = self.moment("last_answer"), self.moment("last_failure")
        if failure is not None and (answer is None or failure > answer):
            since = f" since {ago_text(answer, now)}" if answer else ""
            text = f"the service does not answer{since}; what is cached can be read"
            return Health("service away", text)
        if at_risk := self.number("bytes_at_risk"):
            text = f"{size_text(at_risk)} cannot be fetched before they expire, at the present rate"
            return Health("at risk", text)
        warned = self.part("last_warning").moment("time")
        if warned is not None and now - warned < _RECENT:
            return Health("warning", "working; see the last warning")
        return Health(_GOOD, _GOOD)


class Health(NamedTuple):
    """How a mount is.

    Attributes:
        word: for a table.
        text: all of it.
    """

    word: str
    text: str

    @property
    def is_good(self) -> bool:
        """Return whether there is nothing to look after."""
        return self.word == _GOOD


def detail_rows(facts: MountFacts, now: datetime) -> list[list[str]]:
    """Return all that a mount says, in words: title and text of each row."""
    profile = facts.text("profile")
    whose = facts.text("account") if facts.text("account") not in ("", "-") else "the key's own"
    rows = {
        "health": facts.health(now).text,
        "service": facts.text("endpoint"),
        "account": f"{whose} (profile {profile})" if profile else whose,
        "running": _running(facts),
        "rate now": rate_text(facts.rates),
        "connections": connections_text(facts),
        "open files": _count(facts.number("open_files")),
        "cache": _cache_detail(facts),
        "readable": readable_text(facts),
        "first expiry": expiry_text(facts.moment("soonest_expiry"), now),
        "at risk": risk_text(facts),
        "last warning": _warning(facts, now),
    }
    return [[title, text] for title, text in rows.items() if text]


def mount_table(every: Sequence[MountFacts], now: datetime) -> tuple[list[Column], list[list[str]]]:
    """Return a table of mounts: its columns and its rows."""
    columns = [
        Column("mounted on", folds=True),
        Column("health", folds=True),
        Column("received", rank=1),
        Column("read", rank=2),
        Column("busy", rank=5),
        Column("open", rank=6),
        Column("cache", rank=3),
        Column("first expiry", rank=4),
        Column("at risk", rank=7),
    ]
    rows = []
    for one in every:
        used, most = one.number("connections_in_use"), one.number("connections")
        expires = one.moment("soonest_expiry")
        rows.append(
            [
                one.mountpoint,
                one.error or one.health(now).word,
                f"{size_text(round(one.rates.received))}/s" if one.rates else "",
                f"{size_text(round(one.rates.read))}/s" if one.rates else "",
                "" if used is None else f"{used}/{most}",
                _count(one.number("open_files")),
                cache_text(one),
                span_text(expires - now) if expires else "",
                risk_text(one),
            ]
        )
    return columns, rows


def rate_text(rates: Rates | None) -> str:
    """Return how fast bytes come from the service, and go to programs."""
    if rates is None:
        return ""
    return f"{size_text(round(rates.received))}/s received, {size_text(round(rates.read))}/s read"


def connections_text(facts: MountFacts) -> str:
    """Return how many connections download now, of those that may."""
    used, most = facts.number("connections_in_use"), facts.number("connections")
    if most is None:
        return ""
    return f"{most} at most" if used is None else f"{used} of {most}"


def cache_text(facts: MountFacts) -> str:
    """Return how much of its limit the cache takes."""
    used, limit = facts.number("cache_used"), facts.number("cache_size")
    if limit is None:
        return ""
    return f"{size_text(used) if used is not None else '?'} of {size_text(limit)}"


def readable_text(facts: MountFacts) -> str:
    """Return what can be read now, and how much of that is cached."""
    count, size = facts.number("readable_outputs"), facts.number("readable_bytes")
    if count is None or size is None:
        return ""
    cached = facts.number("cached_bytes") or 0
    what = "1 output" if count == 1 else f"{count:,} outputs"
    return f"{what}, {size_text(size)}, {size_text(cached)} of it cached"


def expiry_text(expires: datetime | None, now: datetime) -> str:
    """Return in how long, and when, something expires."""
    if expires is None:
        return ""
    return f"in {span_text(expires - now)}, at {local_text(expires)}"


def risk_text(facts: MountFacts) -> str:
    """Return how much cannot be fetched before it expires."""
    size = facts.number("bytes_at_risk")
    return "" if size is None else size_text(size) if size else "nothing"


def ago_text(moment: datetime, now: datetime) -> str:
    """Return when something was, and how long ago that is."""
    seconds = max(0.0, (now - moment).total_seconds())
    ago = f"{seconds:.0f} s" if seconds < 120 else span_text(timedelta(seconds=seconds))
    return f"{local_text(moment)} ({ago} ago)"


def _running(facts: MountFacts) -> str:
    seconds, process = facts.found.get("uptime_seconds"), facts.number("pid")
    if not isinstance(seconds, int | float) or not 0 <= seconds < 1e10:
        return ""
    span = f"{seconds:.0f} s" if seconds < 120 else span_text(timedelta(seconds=seconds))
    text = f"for {span}"
    return text + (f", process {process}" if process is not None else "")


def _cache_detail(facts: MountFacts) -> str:
    free, place = facts.number("disk_free"), facts.text("cache_dir")
    text = f"{cache_text(facts)} in {place}" if place else cache_text(facts)
    return text + (f"; {size_text(free)} free on its disk" if free is not None else "")


def _warning(facts: MountFacts, now: datetime) -> str:
    last = facts.part("last_warning")
    moment = last.moment("time")
    return f"{ago_text(moment, now)}: {last.text('text')}" if moment else ""


def _count(number: int | None) -> str:
    return "" if number is None else f"{number:,}"


def _number(value: object) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1 << 63:
        return None
    return int(value)


def _moment(value: object) -> datetime | None:
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else None
        return moment.astimezone(UTC) if moment is not None and moment.tzinfo else None
    except (ValueError, OverflowError):
        return None
