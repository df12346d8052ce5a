"""How far a long command is: bars on a terminal, a line a minute elsewhere, or lines of JSON.

It goes to standard error, since standard output has the result; lines of JSON go to standard
output. Nothing but a terminal gets a control character.
"""

import contextlib
import logging
import os
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Protocol

import click

from casfs.cli.durations import DurationType
from casfs.cli.json_lines import JsonLines
from casfs.cli.show import local_time, say, size_text
from casfs.model import later

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

EVERY = 60.0
"""Seconds between two lines, unless `--stats` says otherwise."""
_FIRST = 10.0
"""Seconds until the first line: what takes less needs none."""
_BARS_SECONDS = 0.5
"""Seconds until there are bars on a terminal."""
_LONGEST = 3650 * 86400.0


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


class ProgressView(Protocol):
    """Where progress is shown."""

    def show(self, standing: Standing) -> None:
        """Show how far a phase is; cheap, and may be called at any rate."""


def stats_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--stats`."""
    return click.option(
        "--stats",
        type=DurationType(),
        metavar="DURATION",
        help="Time between two lines of progress where there is no terminal, or with --json; "
        "0 for none.  [default: 1m]",
    )(command)


@contextlib.contextmanager
def open_progress(lines: JsonLines | None, stats: float | None) -> Iterator[ProgressView]:
    """Show progress until the context ends.

    Args:
        lines: prints JSON, if that is wanted.
        stats: seconds between two lines, 0 for none; None for what is usual.
    """
    every = EVERY if stats is None else stats
    if lines is not None and lines.wanted:
        yield _Lines(every, lambda standing: _show_json(lines, standing))
    elif stats is None and _is_terminal():
        with _bars() as view:
            yield view
    else:
        yield _Lines(every, _show_text)


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


def _is_terminal() -> bool:
    return sys.stderr.isatty() and os.environ.get("TERM", "dumb") != "dumb"


def _show_text(standing: Standing) -> None:
    say(standing_text(standing), err=True)


def _show_json(lines: JsonLines, standing: Standing) -> None:
    percent = standing.percent()
    facts: dict[str, Any] = {
        "phase": standing.phase,
        "percent_done": None if percent is None else round(percent, 2),
        "total_files": standing.total_files,
        "files_restored": standing.files,
        "files_skipped": standing.skipped,
        "files_failed": standing.failed,
        "total_bytes": standing.total,
        "bytes_restored": standing.size,
        "soonest_expiry": standing.expiry,
        "bytes_at_risk": standing.at_risk,
        "rate_bytes": None if standing.rate is None else round(standing.rate, 1),
        "eta": standing.eta(),
    }
    lines.show("status", **{**facts, **(standing.facts or {})})


class _Lines:
    """Shows a line now and then.

    Args:
        every: seconds between two lines; 0 for none.
        show: shows one.
    """

    def __init__(self, every: float, show: Callable[[Standing], None]) -> None:
        self._every = every
        self._show = show
        self._next = time.monotonic() + min(every, _FIRST)

    def show(self, standing: Standing) -> None:
        """Show a line if it is time for one."""
        now = time.monotonic()
        if self._every and now >= self._next:
            self._next = now + self._every
            self._show(standing)


class _Bars:
    """Shows a bar for each phase, unless that takes no time.

    Args:
        progress: draws them.
        stack: ends that.
    """

    def __init__(self, progress: "Progress", stack: contextlib.ExitStack) -> None:
        self._progress = progress
        self._stack = stack
        self._begun = time.monotonic()
        self._tasks: dict[str, TaskID] = {}

    def show(self, standing: Standing) -> None:
        """Move the bar of a phase."""
        if not self._tasks and time.monotonic() - self._begun < _BARS_SECONDS:
            return
        if not self._tasks:
            self._stack.enter_context(self._progress)
            self._stack.enter_context(_logging_to_standard_error())
        task = self._tasks.get(standing.phase)
        text = standing_text(standing).partition(": ")[2]
        if task is None:
            task = self._progress.add_task(standing.phase, total=100, text=text)
            self._tasks[standing.phase] = task
        percent = standing.percent()
        total = None if percent is None else 100
        self._progress.update(task, completed=percent or 0.0, total=total, text=text)


@contextlib.contextmanager
def _bars() -> Iterator[_Bars]:
    # Imported here: no command needs it for its `--help`.
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=20),
        TextColumn("{task.fields[text]}", markup=False),
    )
    # What else is printed appears above the bars.
    to_terminal = sys.stdout.isatty()
    progress = Progress(
        *columns, console=Console(stderr=True), redirect_stdout=to_terminal, refresh_per_second=4
    )
    with contextlib.ExitStack() as stack:
        yield _Bars(progress, stack)


@contextlib.contextmanager
def _logging_to_standard_error() -> Iterator[None]:
    """Let the log go where standard error goes now, and back at the end."""
    handlers = [
        handler
        for handler in logging.getLogger().handlers
        if isinstance(handler, logging.StreamHandler) and handler.stream is sys.__stderr__
    ]
    for handler in handlers:
        handler.setStream(sys.stderr)
    try:
        yield
    finally:
        for handler in handlers:
            handler.setStream(sys.__stderr__)
