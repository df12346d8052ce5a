"""The number of GETs follows what limits them: the line, the disk, or this machine."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casfs.blocks.block_tuning import TUNING
from casfs.blocks.gets.width import Width

MOST = 10


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def width_of(workers, clock=None):
    return Width(MOST, workers, clock or Clock())


def run(width, ends, working):
    """GETs of a second end, one after the other; `working` tells how many of so many work."""
    for _ in range(ends):
        width.note(1.0, 1 - min(working(width.now()) / width.now(), 1))


def test_all_are_under_way_at_first():
    assert width_of(2).now() == MOST


@pytest.mark.parametrize(("workers", "left"), [(1, 2), (2, 2), (4, 4), (64, 7)])
def test_where_bytes_always_wait_there_are_as_many_as_processors(workers, left):
    width = width_of(workers)
    run(width, 50, lambda now: now)
    assert width.now() == left


@pytest.mark.parametrize("workers", [1, 2, 64])
def test_where_the_line_limits_all_are_under_way_and_soon_again(workers):
    width = width_of(workers)
    run(width, 50, lambda now: now)
    run(width, 3, lambda now: 0)
    assert width.now() == MOST
    run(width, 50, lambda now: 0)
    assert width.now() == MOST


def test_a_line_whose_answers_begin_late_gets_more_of_them():
    # Each GET waits for its first byte as long as it then takes.
    width = width_of(2)
    run(width, 50, lambda now: now)
    run(width, 50, lambda now: now / 2)
    assert 3 <= width.now() <= 4


def test_what_just_fills_the_processors_stays_near_that():
    # Seven GETs bring what this machine can take, and leave no bytes waiting; eight do.
    width = width_of(2)
    found = []
    for _ in range(100):
        run(width, 1, lambda now: now if now > 7 else 0)
        found.append(width.now())
    assert min(found[10:]) >= 7


def test_short_gets_that_wait_for_nothing_take_no_place_from_long_ones_that_do():
    # A program reads 80 MB/s of what this machine gets at once, another waits for a slow line.
    width = width_of(2)
    for _ in range(50):
        for _ in range(40):
            width.note(0.05, 0.0)
        for _ in range(width.now()):
            width.note(4.0, 4.0)
    assert width.now() == MOST


def test_what_was_learned_long_ago_counts_no_more():
    clock = Clock()
    width = width_of(2, clock)
    run(width, 50, lambda now: now)
    clock.now += TUNING.width_known_seconds
    assert width.now() == MOST
    run(width, 1, lambda now: now)
    assert width.now() == MOST - 1


@given(
    st.integers(1, 40),
    st.integers(1, 64),
    st.lists(st.tuples(st.floats(0, 1e6), st.floats(0, 1))),
)
def test_it_never_leaves_its_bounds(most, workers, notes):
    width = Width(most, workers, Clock())
    for seconds, share in notes:
        width.note(seconds, seconds * share)
        assert min(2, most) <= width.now() <= most
