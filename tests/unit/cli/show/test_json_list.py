"""A list of JSON is printed item by item, in the same bytes as all at once."""

import tracemalloc

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from casfs.cli.show import show_json, show_json_list

_ITEMS = st.lists(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
        max_leaves=6,
    ),
    max_size=5,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(_ITEMS)
def test_it_is_the_same(capsys: pytest.CaptureFixture[str], items: list[object]) -> None:
    show_json(items)
    at_once = capsys.readouterr().out

    show_json_list(iter(items))

    assert capsys.readouterr().out == at_once


def test_it_takes_no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    with open("/dev/null", "w", encoding="utf-8") as nowhere:
        monkeypatch.setattr("sys.stdout", nowhere)
        tracemalloc.start()
        try:
            show_json_list({"path": f"{number:0100}"} for number in range(20_000))
            assert tracemalloc.get_traced_memory()[1] < 1 << 20
        finally:
            tracemalloc.stop()
