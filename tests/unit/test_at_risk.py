"""What cannot be fetched before it expires."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from casfs.at_risk import Due, outlook, outlook_in_order

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)
TB = 10**12


def due(size: int, hours: float | None) -> Due:
    return Due(None if hours is None else NOW + timedelta(hours=hours), size)


def test_more_than_the_line_brings_is_at_risk_and_the_rate_that_would_do_is_told():
    # 40 TB in 20 h at 410 MB/s: 29.52 TB come.
    found = outlook([due(4 * TB, 20) for _ in range(10)], 410e6, NOW)
    assert found.total == 40 * TB
    assert round(found.needed_rate / 1e6) == 556
    assert found.bytes_at_risk == 40 * TB - 410 * 10**6 * 72000
    assert found.late == (7, 8, 9)
    assert found.soonest_expiry == NOW + timedelta(hours=20)


def test_what_comes_in_time_is_not_at_risk():
    found = outlook([due(3600, 2), due(3600, 1), due(10**9, None), due(0, -5)], 1.0, NOW)
    assert (found.bytes_at_risk, found.late, found.needed_rate) == (0, (), 1.0)
    assert found.soonest_expiry == NOW + timedelta(hours=1)


def test_what_has_expired_costs_nothing_of_the_rest():
    found = outlook([due(10**9, -1), due(3600, 1)], 1.0, NOW)
    assert (found.late, found.bytes_at_risk) == ((0,), 10**9)
    assert found.needed_rate == float("inf")
    assert found.seconds == 3600


@given(
    st.lists(st.tuples(st.integers(0, 10**6), st.floats(0, 100)), max_size=20),
    st.floats(1e-3, 1e6),
)
def test_at_the_rate_that_would_do_nothing_is_at_risk(sizes, rate):
    dues = [due(size, hours) for size, hours in sizes]
    found = outlook(dues, rate, NOW)
    assert 0 <= found.bytes_at_risk <= found.total + 1
    assert bool(found.late) == any(dues[index].size for index in found.late)
    if 0 < found.needed_rate < float("inf"):
        assert outlook(dues, found.needed_rate * 1.001, NOW).bytes_at_risk == 0


def test_some_of_what_is_at_risk_is_named_and_all_of_it_counted():
    hour = 3600
    dues = [due(10 * hour, 1), due(30 * hour, 2), due(5 * hour, 2), due(99 * hour, None)]
    named = [one._replace(name=name) for one, name in zip(dues, "abcd", strict=True)]
    found = outlook_in_order(iter(named), 10.0, NOW, 1)
    assert (found.late, found.late_names, found.late_outputs) == ((1,), ("b",), 2)
    # 10 + 30 + 5 in two hours, of which 20 come.
    assert (found.bytes_at_risk, found.needed_rate) == (25 * hour, 22.5)
    whole = outlook(named, 10.0, NOW)
    assert (whole.late, whole.bytes_at_risk) == ((1, 2), 25 * hour)
