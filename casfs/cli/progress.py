"""How far a long command is: bars on a terminal, a line a minute elsewhere, or lines of JSON.

It goes to standard error, since standard output has the result; lines of JSON go where `JsonLines`
has them. Nothing but a terminal gets a control character.
"""

import contextlib
import logging
import os
import sys
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Protocol

from casfs.cli.json_lines import JsonLines
from casfs.cli.show import say
from casfs.cli.standing import Standing, standing_text

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

EVERY = 60.0
"""Seconds between two lines, unless `--stats` says otherwise."""
_FIRST = 10.0
"""Seconds until the first line: what takes less needs none."""
_NARROWEST_BAR = 8
_BARS_SECONDS = 0.5
"""Seconds until there are bars on a terminal."""


class ProgressView(Protocol):
    """Where progress is shown."""

    def show(self, standing: Standing) -> None:
        """Show how far a phase is; cheap, and may be called at any rate."""

    def hold(self, held: bool) -> None:
        """Draw over nothing on the terminal for as long as it is held."""


@contextlib.contextmanager
def open_progress(lines: JsonLines | None, stats: float | None) -> Iterator[ProgressView]:
    """Show progress until the context ends.

    Args:
        lines: prints JSON, if that is wanted.
        stats: seconds between two lines, 0 for none; None for what is usual.
    """
    every = EVERY if stats is None else stats
    if lines is not None and lines.wanted:
        with _Lines(every, lambda standing: _show_json(lines, standing)) as view:
            yield view
    elif stats is None and _is_terminal():
        with _bars() as bars:
            yield bars
    else:
        with _Lines(every, _show_text) as view:
            yield view


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
    """Shows a line now and then, and where there was one, a last one at the end of the context.

    Args:
        every: seconds between two lines; 0 for none.
        show: shows one.
    """

    def __init__(self, every: float, show: Callable[[Standing], None]) -> None:
        self._every = every
        self._show = show
        self._next = time.monotonic() + min(every, _FIRST)
        self._shown: Standing | None = None
        self._last: Standing | None = None

    def __enter__(self) -> "_Lines":
        return self

    def __exit__(self, *_: object) -> None:
        # Else the last line of what is complete might say 97 %.
        if self._shown is not None and self._last is not None and self._last != self._shown:
            self._show(self._last)

    def show(self, standing: Standing) -> None:
        """Show a line if it is time for one."""
        self._last = standing
        now = time.monotonic()
        if self._every and now >= self._next:
            self._next = now + self._every
            self._shown = standing
            self._show(standing)

    def hold(self, held: bool) -> None:
        """Do nothing: lines follow what is there."""


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
        self._held = False

    def hold(self, held: bool) -> None:
        """Draw no bars for as long as they are held."""
        self._held = held
        if held:
            self._progress.stop()
        elif self._tasks:
            self._progress.start()

    def show(self, standing: Standing) -> None:
        """Move the bar of a phase."""
        if self._held:
            return
        if not self._tasks and time.monotonic() - self._begun < _BARS_SECONDS:
            return
        if not self._tasks:
            self._stack.enter_context(self._progress)
            self._stack.enter_context(_logging_to_standard_error())
        # What is done needs no bar of its own.
        phase = next(reversed(self._tasks), "done") if standing.phase == "done" else standing.phase
        task = self._tasks.get(phase)
        text = standing_text(standing).partition(": ")[2]
        if task is None:
            task = self._progress.add_task(phase, total=100, text=text)
            self._tasks[phase] = task
        percent = standing.percent()
        total = None if percent is None else 100
        self._progress.update(task, completed=percent or 0.0, total=total, text=text)


@contextlib.contextmanager
def _bars() -> Iterator[_Bars]:
    # Imported here: no command needs it for its `--help`.
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn
    from rich.table import Column

    # In a narrow terminal the text takes several lines; else the phase and the bar would go first.
    columns = (
        TextColumn("{task.description}", markup=False, table_column=Column(no_wrap=True)),
        BarColumn(bar_width=20, table_column=Column(no_wrap=True, min_width=_NARROWEST_BAR)),
        TextColumn("{task.fields[text]}", markup=False, table_column=Column(overflow="fold")),
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
