"""Writes rows that come from the network: one page while the next one is still arriving."""

import itertools
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, wait
from functools import partial

from casfs.errors import ThreadError
from casfs.threads import start_thread
from casfs.tree.sqlite.database import Database
from casfs.tree.sqlite.values import Value

_PAGE, _PAGE_SIZE = 5000, 4 << 20
"""The most rows in one transaction, and roughly their most characters: each transaction rewrites
most pages of the indexes."""
_GROUP = 500
"""Rows of one statement. SQLite gives up the interpreter lock for each execution, and a thread
that parses the next rows keeps it for 5 ms: row by row, a page would take 25 s."""

_Row = tuple[Value, ...]


def write_rows(database: Database, statement: str, rows: Iterable[_Row]) -> None:
    """Write rows, a page in each transaction.

    Args:
        database: takes them.
        statement: inserts rows; `{rows}` stands for their values.
        rows: all of one length; no transaction is open while they are awaited.

    Raises:
        CasfsError: the database cannot be written.
        Exception: what `rows` raised; nothing is being written any more.
    """
    writing: Future[None] = Future()
    writing.set_result(None)
    try:
        for page in _pages(rows):
            # Each transaction waits for others with a deadline of its own.
            writing.result()
            writing = _aside(partial(write_page, database, statement, page))
    except BaseException:
        wait([writing])
        raise
    writing.result()


def write_page(database: Database, statement: str, rows: list[_Row]) -> None:
    """Write rows in one transaction; see `write_rows`.

    Raises:
        CasfsError: the database cannot be written.
    """
    with database.transaction(rows=True) as connection:
        for start in range(0, len(rows), _GROUP):
            group = rows[start : start + _GROUP]
            one = f"({', '.join('?' * len(group[0]))})"
            text = statement.format(rows=", ".join([one] * len(group)))
            connection.execute(text, tuple(itertools.chain.from_iterable(group)))


def _pages(rows: Iterable[_Row]) -> Iterator[list[_Row]]:
    page: list[_Row] = []
    size = 0
    for row in rows:
        page.append(row)
        # Once for each of a hundred thousand jobs: this takes half as long as `isinstance`.
        for value in row:
            if value.__class__ is str or value.__class__ is bytes:
                size += len(value)
        if len(page) == _PAGE or size > _PAGE_SIZE:
            yield page
            page, size = [], 0
    if page:
        yield page


def _aside(work: Callable[[], None]) -> "Future[None]":
    """Do work in a thread of its own, or at once if there can be none."""
    future: Future[None] = Future()

    def run() -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - `result` raises it
            future.set_exception(error)
        else:
            future.set_result(None)

    try:
        start_thread("catalog writer", run)
    except ThreadError:
        run()
    return future
