"""Text for a person, and JSON for a program."""

import sys
import textwrap
from collections.abc import Iterable
from datetime import datetime, timedelta

import click

from casfs.sanitize import pretty, shown

_UNITS = ["KiB", "MiB", "GiB", "TiB", "PiB"]


def say(text: str, err: bool = False) -> None:
    """Print a line for a person: to standard error, or as the result.

    Everything that commands print goes through here or the functions below, because text from the
    service must not control the terminal.
    """
    click.echo(shown(text), err=err)


def show_json(facts: object) -> None:
    """Print facts as JSON; what `say` escapes is an escape of JSON here."""
    click.echo(pretty(facts), nl=False)


def show_json_list(items: Iterable[object]) -> None:
    """Print facts as one list of JSON, each of them as soon as it comes; as `show_json` would."""
    before = "[\n"
    for item in items:
        text = pretty(item).decode().rstrip("\n")
        sys.stdout.write(before + textwrap.indent(text, "  "))
        before = ",\n"
    sys.stdout.write("[]\n" if before == "[\n" else "\n]\n")
    # What cannot be written must fail here, not at exit.
    sys.stdout.flush()


def show_line(line: str, err: bool = False) -> None:
    """Print a line of JSON, in which `json_safe` has escaped what `say` would, at once."""
    click.echo(line, err=err)
    (sys.stderr if err else sys.stdout).flush()


def size_text(size: int | None) -> str:
    """Return bytes as a person reads them, 1024-based."""
    if size is None:
        return "-"
    value = float(size)
    for unit in ["B", *_UNITS]:
        # What would round to 1024.0 is one of the next unit.
        if round(value, 1) < 1024 or unit == _UNITS[-1]:
            break
        value /= 1024
    return f"{size} B" if unit == "B" else f"{value:.1f} {unit}"


def local_text(time: datetime | None) -> str:
    """Return a time in this machine's zone, to the minute, with the zone."""
    return local_time(time).strftime("%Y-%m-%d %H:%M %Z") if time else "-"


def local_time(time: datetime) -> datetime:
    """Return a time in this machine's zone; where that has no such date, in its own."""
    try:
        return time.astimezone()
    except OverflowError:
        return time


def brief_time(time: datetime) -> str:
    """Return a time in this machine's zone, to the minute, as short as it can be: today's alone."""
    local, now = local_time(time), datetime.now().astimezone()
    return local.strftime("%H:%M" if local.date() == now.date() else "%d %b %H:%M")


def span_text(span: timedelta) -> str:
    """Return a span of time in hours and minutes; one that has passed is none."""
    minutes = max(0, round(span.total_seconds() / 60))
    return f"{minutes // 60} h {minutes % 60:02d} min"


def time_text(time: datetime | None) -> str:
    """Return a time in UTC, to the second."""
    return time.strftime("%Y-%m-%d %H:%M:%SZ") if time else "-"
