"""Rows are written page by page, and nothing is being written once the writer has returned."""

import threading
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casfs.errors import CasfsError, TransientError
from casfs.tree.metadata.row_writing import write_rows
from casfs.tree.sqlite.database import Database

_STATEMENT = "INSERT INTO vaults VALUES {rows} ON CONFLICT DO UPDATE SET description = name"


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    database = Database(tmp_path_factory.mktemp("catalog") / "catalog.sqlite")
    yield database
    database.close()


@given(count=st.sampled_from([0, 1, 499, 500, 501, 5000, 5001, 10_499]), length=st.integers(0, 900))
def test_every_row_is_written_once(database: Database, count: int, length: int) -> None:
    with database.transaction() as connection:
        connection.execute("DELETE FROM vaults")

    write_rows(database, _STATEMENT, ((f"v{n}", "d" * length, n) for n in range(count)))

    rows = database.rows("SELECT name, description, generation FROM vaults ORDER BY generation")
    assert rows == [(f"v{n}", "d" * length, n) for n in range(count)]


def test_the_next_rows_are_awaited_while_a_page_is_written(database: Database) -> None:
    with database.transaction() as connection:
        connection.execute("DELETE FROM vaults")
    written = threading.Event()

    def rows() -> Iterator[tuple[str, str, int]]:
        yield from ((f"v{n}", "", n) for n in range(5000))
        for _ in range(600):
            if database.rows("SELECT count(*) FROM vaults") == [(5000,)]:
                written.set()
                break
            written.wait(0.05)
        yield "last", "", 5000

    write_rows(database, _STATEMENT, rows())

    assert written.is_set()


def test_nothing_is_written_after_rows_broke_off(database: Database) -> None:
    with database.transaction() as connection:
        connection.execute("DELETE FROM vaults")

    def rows() -> Iterator[tuple[str, str, int]]:
        yield from ((f"v{n}", "", n) for n in range(5000))
        raise TransientError("the line broke")

    with pytest.raises(TransientError):
        write_rows(database, _STATEMENT, rows())

    assert "catalog writer" not in {thread.name for thread in threading.enumerate()}
    assert database.rows("SELECT count(*) FROM vaults") == [(5000,)]


def test_a_failed_write_is_raised(database: Database) -> None:
    rows = [(f"v{n}", None, n) for n in range(5001)]

    with pytest.raises(CasfsError, match="try again"):
        write_rows(database, _STATEMENT, rows)
