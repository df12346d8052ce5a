"""Which outputs are fetched before they are opened."""

import random

from hypothesis import given
from hypothesis import strategies as st

from casfs.tree.directory_prefetch import Walks

COUNT = 1000


def test_a_walk_in_order_has_every_entry_fetched_once_and_before_it_is_opened():
    walks = Walks()
    fetched: list[int] = []
    for index in range(COUNT):
        if index >= 2:
            assert index in fetched
        fetched += walks.opened(index, COUNT)
    assert sorted(fetched) == list(range(2, COUNT))


def test_a_walk_that_skips_or_swaps_a_few_is_still_one():
    walks, fetched = Walks(), set()
    order = [index ^ 1 for index in range(0, COUNT, 3)]
    for step, index in enumerate(order):
        assert step < 8 or index in fetched
        fetched |= set(walks.opened(index, COUNT))


def test_walks_of_several_programs_do_not_disturb_each_other():
    walks, fetched = Walks(), set()
    starts = (0, 300, 600)
    for step in range(100):
        for start in starts:
            assert step < 2 or start + step in fetched
            fetched |= set(walks.opened(start + step, COUNT))


def test_outputs_opened_at_random_have_nothing_fetched():
    walks, source = Walks(), random.Random(1)
    indexes = source.sample(range(0, 10**9, 1000), 200)
    assert not any(walks.opened(index, 10**9) for index in indexes)


@given(st.lists(st.integers(0, 50), max_size=60), st.integers(51, 60))
def test_only_what_exists_and_comes_later_is_fetched(indexes, count):
    walks = Walks()
    for index in indexes:
        assert all(index < other < count for other in walks.opened(index, count))
