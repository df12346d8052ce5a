"""Tables in a pipe: every row whole, as soon as it comes."""

from collections.abc import Iterator

import pytest

from casfs.cli.tables import Column, show_table

COLUMNS = [Column("state"), Column("name", folds=True)]


def test_rows_are_aligned(capsys: pytest.CaptureFixture[str]) -> None:
    show_table(COLUMNS, [("cold", "a"), ("readable", "資料")])

    assert capsys.readouterr().out.splitlines() == [
        "state     name",
        "──────────────",
        "cold      a",
        "readable  資料",
    ]


def test_a_long_cell_far_down_is_whole(capsys: pytest.CaptureFixture[str]) -> None:
    rows = [("cold", f"name {number}") for number in range(2000)] + [("x" * 50, "the last")]

    show_table(COLUMNS, rows)

    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2 + len(rows)
    assert lines[-1] == f"{'x' * 50}  the last"


def test_rows_are_printed_as_they_come(capsys: pytest.CaptureFixture[str]) -> None:
    def rows() -> Iterator[tuple[str, str]]:
        yield from (("cold", f"name {number}") for number in range(1001))
        assert "name 500" in capsys.readouterr().out
        yield "cold", "the last"

    show_table(COLUMNS, rows())

    assert "the last" in capsys.readouterr().out
