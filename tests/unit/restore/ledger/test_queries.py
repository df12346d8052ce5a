"""Each page of a large ledger costs as much as any other."""

import sqlite3
from contextlib import closing

import pytest

from casfs.ledger.ledger_reader import LedgerReader
from tests.support.ledgers import ORIGIN, VAULT, filled, ledger


@pytest.fixture
def statements(monkeypatch):
    """All statements that SQLite runs from here on."""
    found: list[str] = []
    connect = sqlite3.connect

    def traced(*arguments, **options):
        connection = connect(*arguments, **options)
        connection.set_trace_callback(found.append)
        return connection

    monkeypatch.setattr(sqlite3, "connect", traced)
    return found


def test_a_page_is_found_through_an_index_and_needs_no_sorting(tmp_path, statements):
    path = filled(tmp_path, "one")
    with closing(ledger(tmp_path)) as one:
        list(one.open_requests())
        list(one.lost())
    list(LedgerReader(tmp_path, ORIGIN).of_vault(VAULT))
    pages = {one for one in statements if "FROM requests" in one and "LIMIT 1000" in one}
    with closing(sqlite3.connect(path)) as other:
        plans = [
            "; ".join(row[3] for row in other.execute(f"EXPLAIN QUERY PLAN {one}")) for one in pages
        ]
    assert len(plans) >= 3
    for plan in plans:
        assert "USING INDEX" in plan
        assert "number>?" in plan or "rowid>?" in plan
        assert "TEMP B-TREE" not in plan
