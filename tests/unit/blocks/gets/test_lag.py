"""Which connection is replaced by a new one."""

from hypothesis import given
from hypothesis import strategies as st

from casfs.blocks.block_tuning import TUNING
from casfs.blocks.gets.lag import Lag
from casfs.blocks.gets.line import Traffic

MIB = 1 << 20
STEP = 0.5
LONG = TUNING.lag_seconds + 1


def lasting(seconds, rate):
    """A rate for each look at a connection, for so long."""
    return [rate] * round(seconds / STEP)


def is_replaced(rates, others, size=8 * MIB, kept_size=1, before=10**9):
    """Whether a connection is that brings so many bytes a second, beside others."""
    brought = Traffic()
    lag = Lag(size, kept_size, lambda: brought)
    received = float(before)
    for number, (rate, theirs) in enumerate(zip(rates, others, strict=True)):
        if lag.is_too_slow(number * STEP, int(received)):
            return True
        received += rate * STEP
        brought = brought.plus(theirs * STEP, STEP if theirs else 0)
    return False


def test_one_that_receives_far_less_than_the_others_is():
    usual = lasting(LONG, 25 * MIB)
    assert is_replaced(lasting(LONG, 64 << 10), usual)
    assert is_replaced(lasting(LONG, 0), usual)


def test_one_that_became_slow_is_even_if_the_others_have_nothing_left_to_fetch():
    rates = lasting(1, 3 * MIB) + lasting(30, 300)
    assert is_replaced(rates, lasting(1, 25 * MIB) + lasting(30, 0))


@given(st.integers(0, 25 * MIB), st.integers(0, 25 * MIB), st.floats(0, 9), st.floats(0, 30))
def test_none_is_where_the_line_changes_as_a_whole(before, after, begin, then):
    rates = lasting(begin, before) + lasting(then, after)
    assert not is_replaced(rates, [7 * rate for rate in rates][: len(rates)], size=1 << 50)


@given(st.integers(0, 1 << 40))
def test_none_is_without_others(rate):
    rates = lasting(LONG, rate)
    assert not is_replaced(rates, lasting(LONG, 0), size=1 << 50)


def test_none_is_for_a_short_while():
    rates = lasting(TUNING.lag_seconds - 1, 0)
    assert not is_replaced(rates, lasting(TUNING.lag_seconds - 1, 25 * MIB))


def test_one_that_is_about_to_end_is_left_alone():
    usual = lasting(LONG, 25 * MIB)
    assert not is_replaced(lasting(LONG, 200_000), usual, size=int(200_000 * LONG) + 1000)
    # Where a part of a block is lost, no more may be lost than is left.
    assert not is_replaced(lasting(LONG, 60_000), usual, size=MIB, kept_size=MIB)
    assert is_replaced(lasting(LONG, 60_000), usual, size=2 * MIB, kept_size=MIB)


def test_what_was_before_it_was_stopped_is_not_held_against_it():
    brought = Traffic()
    lag = Lag(8 * MIB, 1, lambda: brought)
    for number in range(1000):
        brought = brought.plus(25 * MIB, 1)
        if number % 9 == 0:
            lag.restart()
        assert not lag.is_too_slow(float(number), 0)
