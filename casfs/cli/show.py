"""Results as a table for a person, or as JSON for a program."""

import sys
from collections.abc import Iterable, Sequence
from datetime import datetime

import click

from casfs.sanitize import pretty, printable, shown

_WIDEST = 10_000
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


def show_line(line: str) -> None:
    """Print a line of JSON, in which `json_safe` has escaped what `say` would, at once."""
    click.echo(line)
    sys.stdout.flush()


def show_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print rows, one per line; identifiers are never truncated."""
    # Imported here: no command needs it for its `--help`.
    import rich.box
    import rich.console
    import rich.table
    import rich.text

    table = rich.table.Table(*map(printable, columns), box=rich.box.SIMPLE_HEAD, pad_edge=False)
    for column in table.columns:
        column.overflow = "fold"
        column.no_wrap = True
    for row in rows:
        # Names come from the service: they are text, never markup.
        table.add_row(*(rich.text.Text(printable(cell)) for cell in row))
    console = rich.console.Console()
    # A truncated identifier is useless; a terminal that is too narrow wraps the line.
    unbounded = console.options.update_width(_WIDEST)
    console.width = max(console.width, console.measure(table, options=unbounded).maximum)
    console.print(table)


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
    return time.astimezone().strftime("%Y-%m-%d %H:%M %Z") if time else "-"


def time_text(time: datetime | None) -> str:
    """Return a time in UTC, to the second."""
    return time.strftime("%Y-%m-%d %H:%M:%SZ") if time else "-"
