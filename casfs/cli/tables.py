"""Tables for people: they fit the terminal, and are whole in a pipe."""

import itertools
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from casfs.sanitize import printable

if TYPE_CHECKING:
    from rich.table import Table

_NARROWEST = 24
"""Width that a column which folds has at least, unless it is all that is left."""
_HEAD, _TAIL = 8, 4
"""Characters at both ends of an identifier that a terminal shows."""
_BETWEEN = 2
"""Blanks between two columns."""
_ALIGNED = 1000
"""Rows that decide how wide the columns of a whole table are."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table.

    Attributes:
        title: stands at its top.
        rank: the columns with the highest rank are left out first where a terminal is too narrow;
            those of rank 0 never are.
        is_id: it has identifiers, of which a terminal shows both ends.
        folds: its text takes several lines where it does not fit.
    """

    title: str
    rank: int = 0
    is_id: bool = False
    folds: bool = False


def long_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add `-l`."""
    text = "Show whole ids and all columns on a terminal, as in a pipe."
    return click.option("-l", "--long", "is_long", is_flag=True, help=text)(command)


def is_brief(is_long: bool) -> bool:
    """Return whether a table is to fit a terminal: standard output is one, and no `-l` is given."""
    return sys.stdout.isatty() and not is_long


def show_table(
    columns: Sequence[Column],
    rows: Iterable[Sequence[str]],
    totals: str | None = None,
    is_long: bool = False,
) -> None:
    """Print rows, and on a terminal a line of totals.

    A terminal gets a table of its width, in which identifiers are shortened and columns left out;
    a pipe, and `-l`, all of everything, a row in a line.
    """
    if not is_brief(is_long):
        _print_whole([column.title for column in columns], rows)
    if not sys.stdout.isatty():
        return
    # Imported here: no command needs it for its `--help`.
    import rich.console
    import rich.text

    console = rich.console.Console()
    if is_brief(is_long):
        console.print(fitted_table(columns, rows, console.width))
    if totals is not None:
        console.print(rich.text.Text(printable(totals)))


def _print_whole(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print a row in a line, however wide, as it comes; rich would take minutes for a million.

    The first rows decide how wide columns are: a longer cell after them moves the rest of its row.
    """
    from rich.cells import cell_len

    cells = ([printable(cell) for cell in row] for row in rows)
    first = list(itertools.islice(cells, _ALIGNED))
    widths = [max(map(cell_len, column)) for column in zip(titles, *first, strict=True)]

    def line(row: Sequence[str]) -> str:
        padded = (
            cell + " " * (width - cell_len(cell)) for cell, width in zip(row, widths, strict=True)
        )
        return f"{(' ' * _BETWEEN).join(padded).rstrip()}\n"

    rule = "─"
    try:
        rule.encode(sys.stdout.encoding)
    except UnicodeEncodeError:
        rule = "-"
    rule *= sum(widths) + _BETWEEN * (len(widths) - 1)
    sys.stdout.write(f"{line(titles)}{rule}\n")
    sys.stdout.writelines(map(line, itertools.chain(first, cells)))
    # What cannot be written must fail here, not at exit.
    sys.stdout.flush()


def fitted_table(columns: Sequence[Column], rows: Iterable[Sequence[str]], width: int) -> "Table":
    """Return a table that is no wider than `width`: ids are shortened, columns left out."""
    from rich.cells import cell_len

    short = [
        [
            _shortened(printable(cell)) if column.is_id else printable(cell)
            for column, cell in zip(columns, row, strict=True)
        ]
        for row in rows
    ]
    widths = []
    for number, column in enumerate(columns):
        widest = max((cell_len(row[number]) for row in short), default=0)
        widest = min(widest, _NARROWEST) if column.folds else widest
        widths.append(max(widest, cell_len(column.title)))
    chosen = list(range(len(columns)))
    while sum(widths[n] + _BETWEEN for n in chosen) - _BETWEEN > width:
        last = max(reversed(chosen), key=lambda number: columns[number].rank)
        if columns[last].rank == 0:
            break
        chosen.remove(last)
    return _folding_table(
        [columns[number] for number in chosen],
        [[row[number] for number in chosen] for row in short],
    )


def _folding_table(columns: Sequence[Column], rows: Iterable[Sequence[str]]) -> "Table":
    import rich.box
    import rich.table
    import rich.text

    table = rich.table.Table(
        box=rich.box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False
    )
    for column in columns:
        table.add_column(printable(column.title), overflow="fold", no_wrap=not column.folds)
    for row in rows:
        # Names come from the service: they are text, never markup.
        table.add_row(*map(rich.text.Text, row))
    return table


def _shortened(identifier: str) -> str:
    if len(identifier) <= _HEAD + _TAIL + 2:
        return identifier
    return f"{identifier[:_HEAD]}..{identifier[-_TAIL:]}"
