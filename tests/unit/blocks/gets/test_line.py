"""How large GETs are follows how fast bytes come, and whether answers break off."""

import pytest

from casfs.blocks.block_tuning import TUNING
from casfs.blocks.gets.line import Line, LineSpeed, Traffic
from casfs.ranges import BLOCK_SIZE

KIB, MIB = 1 << 10, 1 << 20


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def line(clock):
    return Line(120, clock)


def flow(line, clock, rate, seconds):
    """Bytes come at a rate for so long."""
    for _ in range(seconds):
        clock.now += 1
        line.note(rate, 1.0)


def test_the_first_get_is_small_and_the_next_ones_large_if_it_was_fast(line):
    assert line.largest_get() == 1
    assert line.largest_later() == TUNING.largest_get
    line.note(BLOCK_SIZE, 0.01)
    assert line.largest_get() == TUNING.largest_get


@pytest.mark.parametrize("rate", [8 * KIB, 64 * KIB, 300 * KIB, MIB, 25 * MIB])
def test_a_get_takes_seconds_or_is_of_one_block(line, clock, rate):
    flow(line, clock, rate, 5)
    blocks = line.largest_get()
    assert blocks == 1 or blocks * BLOCK_SIZE / rate <= 10
    assert blocks == TUNING.largest_get or 2 * blocks * BLOCK_SIZE / rate > 10


@pytest.mark.parametrize(("before", "after"), [(8 * MIB, 80 * KIB), (80 * KIB, 8 * MIB)])
def test_a_hundredfold_change_of_rate_is_followed_within_ten_seconds(line, clock, before, after):
    flow(line, clock, before, 60)
    flow(line, clock, after, 10)
    assert line.largest_get() == (TUNING.largest_get if after > before else 1)
    assert (line.speed() >= LineSpeed.SLOW) == (after < before)


def test_what_was_long_ago_says_nothing_of_now(line, clock):
    flow(line, clock, 8 * MIB, 5)
    clock.now += 61
    assert line.largest_get() == 1


def test_gets_are_halved_by_what_breaks_and_grow_when_the_line_is_well(line):
    line.note(BLOCK_SIZE, 0.01)
    sizes = []
    for blocks in (8, 4, 2, 1, 1):
        line.note_break(blocks)
        sizes.append(line.largest_get())
    assert sizes == [4, 2, 1, 1, 1]
    for size in (1, 2, 4):
        for _ in range(8):
            line.note_well(size)
    assert line.largest_get() == TUNING.largest_get


def ends_well(line, gets):
    """GETs that end well, as large as may be; return how large they are then."""
    for _ in range(gets):
        line.note_well(line.largest_get())
    return line.largest_get()


def test_what_breaks_whenever_larger_gets_are_tried_is_tried_less_and_less_often(line):
    """Each of them may cost the time in which a silent connection is given up."""
    line.note(BLOCK_SIZE, 0.01)
    line.note_break(2)
    for gets in (8, 16, 32, 64, 128, 256, 256):
        assert ends_well(line, gets - 1) == 1
        assert ends_well(line, 1) == 2
        line.note_break(2)
    # Those that were under way before say nothing of larger ones.
    ends_well(line, 256)
    for _ in range(100):
        line.note_well(1)
    assert line.largest_get() == 2
    line.note_break(2)
    # Until they come well once more.
    assert ends_well(line, 256) == 2
    assert [ends_well(line, 8) for _ in range(2)] == [4, 8]


def test_what_all_gets_brought_is_counted(line, clock):
    before = line.traffic()
    flow(line, clock, 8 * MIB, 5)
    assert line.traffic().minus(before) == Traffic(40 * MIB, 5)
