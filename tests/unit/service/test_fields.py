"""Values of answers are read tolerantly: what cannot be read is unknown, never an exception."""

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casfs.service import fields
from tests.support.values import ANYTHING


@given(ANYTHING)
def test_nothing_raises(value):
    fields.text(value)
    fields.integer(value)
    fields.digest(value, 32)
    fields.byte_range(value)
    fields.iso_date(value)
    json.loads(fields.compact(value))


@given(st.integers(0, 1 << 62))
def test_a_number_may_come_as_number_or_as_digits(number):
    assert fields.integer(number) == fields.integer(str(number)) == number


@pytest.mark.parametrize(
    "value",
    [None, "", " ", "-1", -1, "1.0", 1.0, True, False, "x", [], {}, "²", "\u0661", "9" * 5000],
)
def test_what_is_no_number_is_unknown(value):
    assert fields.integer(value) is None


@pytest.mark.parametrize("value", [None, "", 0, [], {}, True])
def test_missing_null_and_empty_text_are_the_same(value):
    assert fields.text(value) is None


def test_half_a_surrogate_pair_does_no_harm():
    found = fields.text(json.loads(r'"a\ud83d"'))
    assert found == "a?"
    assert json.loads(fields.compact(json.loads(r'["\ud83d"]'))) == ["\ud83d"]


@given(st.binary(min_size=32, max_size=32))
def test_a_digest_is_read_in_either_case(value):
    assert fields.digest(value.hex(), 32) == fields.digest(value.hex().upper(), 32) == value
    assert fields.digest(value.hex(), 16) is None
    assert fields.digest(value.hex()[:-1], 32) is None


@given(st.integers(0, 1 << 50), st.integers(0, 1 << 50))
def test_a_range_holds_both_ends(a, b):
    first, last = sorted((a, b))
    assert fields.byte_range(f"{first}-{last}") == (first, last)
    if first != last:
        assert fields.byte_range(f"{last}-{first}") is None


@pytest.mark.parametrize("value", ["", "-", "0-", "-5", "5", "a-b", "0-1-2", None, 7, "0--1"])
def test_what_is_no_range_is_unknown(value):
    assert fields.byte_range(value) is None


@pytest.mark.parametrize(
    "text",
    [
        "2017-08-29T08:29:41.000Z",
        "2017-08-29T08:29:41Z",
        "2017-08-29T08:29:41",
        "2017-08-29T16:29:41+08:00",
        "2017-08-29T08:29:41.000000Z",
    ],
)
def test_dates_come_with_or_without_fraction_and_zone(text):
    assert fields.iso_date(text) == datetime(2017, 8, 29, 8, 29, 41, tzinfo=UTC)


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59"])
def test_a_date_beyond_the_calendar_is_unknown(text):
    assert fields.iso_date(text) is None


@given(st.datetimes(timezones=st.just(UTC)))
def test_every_date_reads_as_itself(moment):
    assert fields.iso_date(moment.isoformat()) == moment
    assert fields.iso_date(moment.isoformat()[:-6] + "Z") == moment
