"""Which connection is given up for a new one."""

from hypothesis import given
from hypothesis import strategies as st

from casfs.blocks.block_tuning import TUNING
from casfs.blocks.gets.lag import Lag

MIB = 1 << 20
USUAL = 25 * MIB


def is_given_up(rates, usual=USUAL, size=8 * MIB, step=0.1, start=0):
    """Whether a connection that brings so many bytes a second, one rate for each step, is."""
    lag = Lag(size, lambda: usual)
    received = float(start)
    for step_number, rate in enumerate(rates):
        if lag.is_too_slow(step_number * step, int(received)):
            return True
        received += rate * step
    return False


def seconds_of(rate, seconds):
    return [rate] * round(seconds * 10)


LONG = TUNING.lag_seconds + 1


def test_one_that_brings_far_less_than_the_others_is():
    assert is_given_up(seconds_of(64 << 10, LONG))
    assert is_given_up(seconds_of(0, LONG))
    assert is_given_up(seconds_of(MIB, 3) + seconds_of(1000, 2 * LONG), start=10**9)


@given(st.integers(0, USUAL // 8), st.integers(USUAL // 7, 10 * USUAL))
def test_none_is_where_the_others_bring_about_as_much_or_nothing(slow, fast):
    assert not is_given_up(seconds_of(fast, LONG), size=1 << 40)
    assert not is_given_up(seconds_of(slow, LONG), usual=None)
    assert not is_given_up(seconds_of(slow, LONG), usual=slow * 7)


def test_none_is_for_a_short_while():
    assert not is_given_up(seconds_of(0, TUNING.lag_seconds - 1))


def test_one_that_is_about_to_end_is_left_alone():
    rate = 200_000
    assert not is_given_up(seconds_of(rate, LONG), size=int(rate * LONG) + 1000)


def test_what_waited_for_others_is_not_held_against_it():
    lag = Lag(8 * MIB, lambda: USUAL)
    for number in range(1000):
        assert not lag.is_too_slow(number / 10, 0)
        if number % 50 == 0:
            lag.restart()
