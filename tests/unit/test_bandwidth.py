"""Limits of bandwidth as rclone writes them."""

from datetime import datetime

import pytest

from casfs.bandwidth import parse_bandwidth
from casfs.errors import ConfigError

MONDAY = 23  # of November 2026


def at(text: str, day: int, time: str) -> float | None:
    hour, minute = map(int, time.split(":"))
    return parse_bandwidth(text, "bwlimit").at(datetime(2026, 11, MONDAY + day, hour, minute))


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        ("10M", 10 << 20),
        ("1.5M", 1.5 * (1 << 20)),
        ("512", 512 << 10),
        ("512k", 512 << 10),
        ("512KiB", 512 << 10),
        ("1Gi", 1 << 30),
        ("8192B", 8192),
        ("off", None),
        ("OFF", None),
        ("0", None),
        ("1M:10M", 10 << 20),
        ("off:10M", 10 << 20),
        ("10M:off", None),
    ],
)
def test_one_limit(text, rate):
    assert at(text, 3, "04:00") == rate
    assert parse_bandwidth(text, "bwlimit").is_off is (rate is None)


def test_a_timetable_of_every_day():
    text = "08:00,512K 12:00,10M 13:00,512K 18:00,30M 23:00,off"
    for day in range(7):
        assert at(text, day, "07:59") is None
        assert at(text, day, "08:00") == 512 << 10
        assert at(text, day, "12:30") == 10 << 20
        assert at(text, day, "13:00") == 512 << 10
        assert at(text, day, "22:59") == 30 << 20
        assert at(text, day, "23:00") is None


def test_a_timetable_of_the_week_holds_over_its_end():
    # The example of rclone's documentation.
    text = "Mon-00:00,512 Fri-23:59,10M Sat-10:00,1M Sun-20:00,off"
    assert at(text, 0, "00:00") == 512 << 10
    assert at(text, 4, "23:58") == 512 << 10
    assert at(text, 4, "23:59") == 10 << 20
    assert at(text, 5, "10:00") == 1 << 20
    assert at(text, 6, "20:00") is None
    assert at("Tue-10:00,1M saturday-10:00,off", 0, "09:00") is None
    assert at("Tue-10:00,1M", 0, "09:00") == 1 << 20


def test_slots_of_days_and_of_every_day_are_mixed_as_rclone_does():
    text = "Mon-00:00,512 12:00,1M Sun-20:00,off"
    assert at(text, 0, "11:59") == 512 << 10
    assert at(text, 2, "13:00") == 1 << 20
    assert at(text, 6, "21:00") is None


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "empty"),
        ("fast", "K, M, G or T"),
        ("-1M", "K, M, G or T"),
        ("10MB/s", "K, M, G or T"),
        ("1K", "4K"),
        ("1M:2M:3M", "upload:download"),
        ("10M 20M", "a time, a comma and a limit"),
        ("8:00,1M", "HH:MM"),
        ("24:00,1M", "HH:MM"),
        ("Foo-08:00,1M", "Mon, Tue"),
        ("08:00,", "K, M, G or T"),
        ("9" * 400, "more than any network"),
    ],
)
def test_what_is_no_limit_is_refused_with_an_example(text, why):
    with pytest.raises(ConfigError) as met:
        parse_bandwidth(text, "--bwlimit")
    assert "--bwlimit" in str(met.value)
    assert why in str(met.value)
    assert "10M" in str(met.value)
