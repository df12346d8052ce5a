"""What is fetched ahead: all of what is read in order, nothing of what is not."""

import random
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from casfs.blocks.prefetch import Prefetcher
from casfs.blocks.streams import Streams
from casfs.ranges import BLOCK_SIZE, Layout

KERNEL = 128 << 10
LIMIT, STEP = 32, 8


@dataclass
class Fixed:
    """A budget that stays."""

    limit: int
    step: int

    def window(self) -> int:
        return self.limit

    def largest_get(self) -> int:
        return self.step


def windows_of(layout, readers=1, streams=None):
    windows = Prefetcher(layout, streams or Streams())
    for reader in range(readers):
        windows.begin(reader)
    return windows


def read_all(layout, reads, limit=LIMIT, step=STEP, readers=1):
    """Return the runs to be fetched ahead, one for each read."""
    windows = windows_of(layout, readers)
    return [windows.after(0, offset, size, Fixed(limit, step)) for offset, size in reads]


def in_order(size, piece=KERNEL, start=0):
    return [(at, min(piece, size - at)) for at in range(start, size, piece)]


@given(st.integers(1, 200 * BLOCK_SIZE), st.data())
def test_nothing_outside_the_output_and_nothing_too_far_ahead(size, data):
    layout = Layout(size)
    places = st.tuples(st.integers(0, size - 1), st.integers(1, 4 * BLOCK_SIZE))
    windows = windows_of(layout)
    for offset, count in data.draw(st.lists(places, max_size=30)):
        limit, step = data.draw(st.integers(1, 64)), data.draw(st.sampled_from([1, 2, 4, 8]))
        run = windows.after(0, offset, count, Fixed(limit, step))
        assert 0 <= run.start <= run.stop <= layout.blocks
        if run:
            end = -(-min(offset + count, size) // BLOCK_SIZE)
            assert run.start * BLOCK_SIZE >= offset
            assert run.stop <= end + limit + 1
        windows.missed(data.draw(st.integers(0, layout.blocks - 1)))


@settings(deadline=None)
@given(st.integers(1, 120 * BLOCK_SIZE), st.sampled_from([4096, KERNEL, BLOCK_SIZE, 3 << 20]))
def test_a_sequential_reader_gets_every_later_block_ahead_exactly_once(size, piece):
    if piece == 4096:
        size = min(size, 10 * BLOCK_SIZE)
    layout = Layout(size)
    fetched: list[int] = []
    read = in_order(size, piece)
    for (offset, count), run in zip(read, read_all(layout, read), strict=True):
        first_needed = set(layout.touched(offset, count)) - set(fetched)
        assert all(block * BLOCK_SIZE >= offset for block in run)
        if offset >= 4 * BLOCK_SIZE:
            assert not first_needed, "a reader in order had to wait for a block"
        fetched += run
    assert len(fetched) == len(set(fetched))
    assert fetched == sorted(fetched)
    # Only the blocks of the first two reads are not fetched ahead.
    behind = set(range(layout.blocks)) - set(fetched)
    assert behind <= set(layout.touched(0, 2 * piece))


@given(st.randoms(use_true_random=False), st.integers(1, 6))
def test_requests_of_the_kernel_out_of_order_are_still_in_order(dice, swaps):
    """Neighbouring requests of 128 KiB overtake each other."""
    size = 64 * BLOCK_SIZE
    read = in_order(size)
    for at in range(0, len(read) - 8, 8):
        window = read[at : at + 8]
        for _ in range(swaps):
            a = dice.randrange(7)
            window[a], window[a + 1] = window[a + 1], window[a]
        read[at : at + 8] = window
    fetched = [block for run in read_all(Layout(size), read) for block in run]
    assert len(fetched) == len(set(fetched))
    assert set(fetched) >= set(range(4, 64))


@given(st.integers(0, 1 << 32))
def test_random_reads_fetch_nothing_ahead(seed):
    dice = random.Random(seed)
    # Places of their own, far from each other: none goes on where another one ended.
    places = dice.sample(range(0, 4000, 4), 60)
    read = [(place * BLOCK_SIZE + dice.randrange(BLOCK_SIZE), 4096) for place in places]
    assert not any(read_all(Layout(4001 * BLOCK_SIZE), read))


def test_small_reads_that_happen_to_be_near_fetch_nothing_ahead():
    places = [5 * BLOCK_SIZE + 100_000, 6 * BLOCK_SIZE + 5_000, 6 * BLOCK_SIZE + 500_000]
    assert not any(read_all(Layout(100 * BLOCK_SIZE), [(place, 4096) for place in places]))


def test_a_single_read_fetches_nothing_ahead():
    assert read_all(Layout(100 * BLOCK_SIZE), [(5 * BLOCK_SIZE, KERNEL)]) == [range(0)]


def test_the_window_grows_with_what_was_read_in_order():
    runs = [run for run in read_all(Layout(1000 * BLOCK_SIZE), in_order(20 * BLOCK_SIZE)) if run]
    # Two reads of the kernel: whoever reads but the first bytes of a file pays for few blocks.
    assert len(runs[0]) <= 4
    reached = [run.stop for run in runs]
    assert reached == sorted(reached)
    assert 20 + LIMIT - STEP <= reached[-1] <= 20 + LIMIT


def test_long_windows_grow_by_whole_gets():
    """Short GETs would cost a round trip each."""
    runs = [run for run in read_all(Layout(1000 * BLOCK_SIZE), in_order(100 * BLOCK_SIZE)) if run]
    late = [run for run in runs if run.start > LIMIT]
    assert late
    assert all(len(run) % STEP == 0 and run.start % STEP == 0 for run in late)


def test_two_places_of_one_file_can_be_read_in_turns():
    layout = Layout(200 * BLOCK_SIZE)
    low, high = in_order(20 * BLOCK_SIZE), in_order(120 * BLOCK_SIZE, start=100 * BLOCK_SIZE)
    read = [place for pair in zip(low, high, strict=True) for place in pair]
    fetched = [block for run in read_all(layout, read) for block in run]
    assert set(fetched) >= {*range(4, 20), *range(104, 120)}
    assert len(fetched) == len(set(fetched))


def test_a_block_that_was_lost_is_fetched_ahead_again_with_what_follows():
    windows = windows_of(Layout(100 * BLOCK_SIZE))
    read = in_order(10 * BLOCK_SIZE, BLOCK_SIZE)
    for offset, count in read:
        windows.after(0, offset, count, Fixed(LIMIT, STEP))
    windows.missed(9)
    again = windows.after(0, 10 * BLOCK_SIZE, BLOCK_SIZE, Fixed(LIMIT, STEP))
    assert again.start == 11
    assert again.stop >= 11 + STEP


@given(st.lists(st.integers(0, 40 * BLOCK_SIZE), min_size=1, max_size=9))
def test_blocks_that_others_miss_behind_a_reader_take_nothing_from_its_window(behind):
    layout = Layout(400 * BLOCK_SIZE)
    windows = windows_of(layout, 2)
    fetched: list[range] = []
    for at in range(100):
        fetched.append(windows.after(0, at * BLOCK_SIZE, BLOCK_SIZE, Fixed(LIMIT, STEP)))
        if at >= 50:
            place = behind[at % len(behind)]
            windows.after(1, place, 4096, Fixed(LIMIT, STEP))
            for block in layout.touched(place, 4096):
                windows.missed(block)
    blocks = [block for run in fetched for block in run]
    assert len(blocks) == len(set(blocks))
    assert all(len(run) in (0, STEP) for run in fetched[50:])


def test_what_was_lost_is_asked_for_again_in_runs_as_long_as_before():
    windows = windows_of(Layout(400 * BLOCK_SIZE))
    for at in range(80):
        run = windows.after(0, at * BLOCK_SIZE, BLOCK_SIZE, Fixed(LIMIT, STEP))
        if at >= 50:
            assert run.start == at + 1
            assert len(run) > LIMIT - STEP
        if at >= 49:
            windows.missed(at)


@given(st.integers(0, 150), st.integers(1, 4))
def test_two_places_at_any_distance_are_fetched_ahead(distance, readers):
    layout = Layout(400 * BLOCK_SIZE)
    start = distance * BLOCK_SIZE
    low, high = in_order(20 * BLOCK_SIZE), in_order(start + 20 * BLOCK_SIZE, start=start)
    read = [place for pair in zip(low, high, strict=True) for place in pair]
    fetched = {block for run in read_all(layout, read, readers=readers) for block in run}
    assert fetched >= {*range(4, 20), *range(distance + 4, distance + 20)}


@given(st.randoms(use_true_random=False), st.integers(2, 8))
def test_readers_that_share_an_output_have_one_stream(dice, readers):
    """Each reads its part in order, but they are not quite in step with each other."""
    streams = Streams()
    layout = Layout(400 * BLOCK_SIZE)
    windows = windows_of(layout, readers, streams)
    left = list(range(0, 200, readers))
    places = [[start + number for start in left] for number in range(readers)]
    fetched: list[range] = []
    at = 0
    while any(places):
        # Nobody gets so far ahead that others have nothing left of what was fetched for all.
        reader = dice.choice([n for n, p in enumerate(places) if p and p[0] < at + 2 * readers])
        offset = places[reader].pop(0) * BLOCK_SIZE
        fetched.append(windows.after(reader, offset, BLOCK_SIZE, Fixed(LIMIT, STEP)))
        at = min((p[0] for p in places if p), default=at)
    blocks = [block for run in fetched for block in run]
    late = [run for run in fetched if run.start > 2 * LIMIT and run]
    assert set(blocks) >= set(range(2 * LIMIT, 200))
    # At the start each may have a stream of its own.
    assert len(blocks) <= len(set(blocks)) + readers * LIMIT
    assert late
    assert all(len(run) % STEP == 0 and run.start % STEP == 0 for run in late)
    assert streams.count() == 1


@pytest.mark.parametrize(("readers", "places"), [(4, 4), (500, 100)])
def test_readers_far_apart_keep_their_own_streams(readers, places):
    streams = Streams()
    windows = windows_of(Layout(200 * places * BLOCK_SIZE), readers, streams)
    starts = range(0, 200 * places, 200)
    fetched = set()
    for at in range(20):
        for start in starts:
            run = windows.after(0, (start + at) * BLOCK_SIZE, BLOCK_SIZE, Fixed(LIMIT, STEP))
            fetched.update(run)
    assert streams.count() == places
    assert fetched >= {start + at for start in starts for at in range(4, 20)}


def test_random_reads_of_many_readers_fetch_nothing_ahead():
    dice = random.Random(5)
    places = dice.sample(range(0, 4000, 4), 60)
    read = [(place * BLOCK_SIZE + dice.randrange(BLOCK_SIZE), 4096) for place in places]
    assert not any(read_all(Layout(4001 * BLOCK_SIZE), read, readers=16))


@given(st.randoms(use_true_random=False), st.integers(1, 16))
def test_random_reads_after_reads_in_order_fetch_one_window_and_what_they_hit(dice, readers):
    """That some are of what was fetched ahead does not show that all that follows will be read."""
    limit, count, size = 80, 200, 4096
    layout = Layout(500 * BLOCK_SIZE)
    windows = windows_of(layout, readers)
    ahead: set[int] = set()
    for at in range(50):
        ahead |= set(windows.after(0, at * BLOCK_SIZE, BLOCK_SIZE, Fixed(limit, STEP)))
    fetched = hits = 0
    for _ in range(count):
        place = dice.randrange(499 * BLOCK_SIZE)
        hits += len(ahead & set(layout.touched(place, size)))
        run = windows.after(0, place, size, Fixed(limit, STEP))
        ahead |= set(run)
        fetched += len(run)
    assert fetched <= limit + hits + 16 * count * size // BLOCK_SIZE


@given(st.integers(4096, 64 << 10), st.integers(64 << 10, BLOCK_SIZE), st.integers(1, 16))
def test_a_reader_of_a_part_of_every_block_has_all_of_them_ahead(size, stride, readers):
    """As tar has that lists an archive of photos."""
    layout = Layout(300 * BLOCK_SIZE)
    windows = windows_of(layout, readers)
    there: set[int] = set()
    missed = 0
    for at in range(0, layout.size - size, stride):
        for block in set(layout.touched(at, size)) - there:
            windows.missed(block)
            there.add(block)
            missed += 1
        there |= set(windows.after(0, at, size, Fixed(LIMIT, STEP)))
    # Until there are as many bytes as a block is worth.
    assert missed <= 1 + BLOCK_SIZE // (16 * size)


@given(st.integers(1, 40))
def test_short_windows_grow_by_parts_that_fit_twice(limit):
    """A reader is never left without anything ahead, and GETs are as long as they can be."""
    read = in_order(100 * BLOCK_SIZE, BLOCK_SIZE)
    runs = [run for run in read_all(Layout(1000 * BLOCK_SIZE), read, limit) if run]
    late = [run for run in runs if run.start > 2 * limit]
    assert late
    assert all(min(STEP, limit // 4 + 1) <= len(run) <= max(limit, 1) for run in late)


def test_a_reader_that_ends_leaves_no_share_and_takes_none_from_who_goes_on():
    streams = Streams()
    windows = windows_of(Layout(1000 * BLOCK_SIZE), 4, streams)
    # The last two read at the same place.
    starts = (0, 200, 400, 400)
    for at in range(10):
        for reader, start in enumerate(starts):
            windows.after(reader, (start + at) * BLOCK_SIZE, BLOCK_SIZE, Fixed(LIMIT, STEP))
    assert streams.count() == 3
    for visitor in range(10, 20):
        windows.begin(visitor)
        windows.after(visitor, 700 * BLOCK_SIZE, 4096, Fixed(LIMIT, STEP))
        windows.end(visitor)
    assert streams.count() == 3
    for reader, shares in zip((2, 0, 1, 3), (3, 2, 1, 0), strict=True):
        windows.end(reader)
        assert streams.count() == shares


def test_who_ends_takes_the_share_of_no_reader_that_took_its_place_over():
    streams = Streams()
    windows = windows_of(Layout(1000 * BLOCK_SIZE), 2, streams)
    for at in range(10):
        windows.after(0, at * BLOCK_SIZE, BLOCK_SIZE, Fixed(LIMIT, STEP))
    for at in range(10, 30):
        windows.after(1, at * BLOCK_SIZE, BLOCK_SIZE, Fixed(LIMIT, STEP))
    windows.end(0)
    assert streams.count() == 1
    windows.end(1)
    assert streams.count() == 0
