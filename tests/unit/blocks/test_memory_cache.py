"""A block is in memory, with the write_behind, under way or missing: never asked for twice."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from casfs.blocks.block_tuning import TUNING
from casfs.blocks.found_blocks import wait
from casfs.blocks.gets.tasks import Task
from casfs.blocks.memory_cache import MemoryCache
from casfs.deadline import Deadline
from casfs.errors import CasfsError, DeadlineError, ServerError

GENEROUS = 30
ME = "me"
BLOCK = memoryview(bytes(1 << 20))


def flights_of(memory_blocks=4, saved=None):
    saved = saved or {}
    return MemoryCache(memory_blocks << 20, saved)


def got(found, seconds=GENEROUS):
    return wait(found, Deadline(seconds), "output", lambda entry: 0.0)


def test_only_the_first_who_wants_a_block_has_to_bring_it():
    memory = flights_of()
    barrier = threading.Barrier(16)

    def want(_):
        barrier.wait(GENEROUS)
        return memory.look_up("o", range(3), ME)

    with ThreadPoolExecutor(16) as pool:
        found = list(pool.map(want, range(16)))
    assert sorted(number for one in found for number in one.missing) == [0, 1, 2]
    memory.complete("o", [(number, BLOCK) for number in range(3)])
    for one in found:
        assert got(one).keys() == {0, 1, 2}


def test_what_landed_is_there_for_those_who_come_later():
    memory = flights_of()
    memory.look_up("o", range(1), ME)
    memory.complete("o", [(0, BLOCK)])
    later = memory.look_up("o", range(2), ME)
    assert later.here == {0: BLOCK}
    assert later.missing == [1]
    assert memory.look_up("another", range(1), ME).missing == [0]


def test_what_the_saver_holds_is_there():
    memory = flights_of(saved={("o", 0): BLOCK})
    assert memory.look_up("o", range(1), ME).here == {0: BLOCK}
    assert memory.begin_prefetch("o", range(2), ME) == [1]


def test_what_waits_to_be_written_takes_of_the_memory_for_blocks():
    slow = {("o", number): BLOCK for number in range(3)}
    memory = flights_of(memory_blocks=4, saved=slow)
    memory.look_up("p", range(4), ME)
    memory.complete("p", [(number, BLOCK) for number in range(4)])
    assert memory.look_up("p", range(4), ME).here.keys() == {3}
    assert memory.look_up("o", range(3), ME).here.keys() == {0, 1, 2}


def test_what_landed_and_waits_to_be_written_takes_its_memory_once():
    """Else blocks that nobody has read yet are pushed out, and read again from disk."""
    landed = {("o", number): BLOCK for number in range(4)}
    memory = flights_of(memory_blocks=4, saved=landed)
    memory.look_up("o", range(4), ME)
    memory.complete("o", [(number, BLOCK) for number in range(4)])
    landed.clear()
    assert memory.look_up("o", range(4), ME).missing == []


def test_an_error_reaches_everybody_and_the_next_one_tries_again():
    memory = flights_of()
    first, second = memory.look_up("o", range(1), ME), memory.look_up("o", range(1), ME)
    memory.fail("o", [0], ServerError("down"))
    for found in (first, second):
        with pytest.raises(ServerError):
            got(found)
    assert memory.look_up("o", range(1), ME).missing == [0]


def test_waiting_ends_at_the_deadline_and_names_the_block():
    memory = flights_of()
    with pytest.raises(DeadlineError, match="block 5 of the output"):
        got(memory.look_up("o", range(5, 6), ME), 0.05)


def test_blocks_that_are_received_have_their_share_of_the_memory():
    """Else what is received and what has come would take twice as much."""
    memory = flights_of(memory_blocks=6)
    memory.begin_prefetch("o", range(6), ME)
    memory.complete("o", [(number, BLOCK) for number in range(6)])
    assert memory.look_up("o", range(6), ME).missing == []
    memory.begin_prefetch("o", range(6, 10), ME)
    memory.receive("o", range(6, 10))
    # The oldest make room before anything has come.
    assert memory.look_up("o", range(6), ME).here.keys() == {4, 5}
    memory.complete("o", [(6, BLOCK), (7, BLOCK)])
    assert memory.look_up("o", range(4, 8), ME).here.keys() == {4, 5, 6, 7}


def test_what_was_read_to_its_end_leaves_memory_before_what_nobody_has_read():
    """A block that came late must not push out those that came first and are still to be read."""
    memory = flights_of(memory_blocks=4)
    memory.begin_prefetch("o", range(1, 4), ME)
    memory.complete("o", [(number, BLOCK) for number in range(1, 4)])
    memory.look_up("o", range(1), ME, ended=1)
    memory.complete("o", [(0, BLOCK)])
    memory.look_up("o", range(1, 2), ME, ended=2)
    memory.begin_prefetch("o", range(4, 6), ME)
    memory.complete("o", [(4, BLOCK), (5, BLOCK)])
    assert memory.look_up("o", range(6), ME).here.keys() == {2, 3, 4, 5}


def test_what_was_read_in_part_stays_in_memory_as_long_as_what_nobody_has_read():
    memory = flights_of(memory_blocks=2)
    memory.begin_prefetch("o", range(2), ME)
    memory.complete("o", [(0, BLOCK), (1, BLOCK)])
    memory.look_up("o", range(1, 2), ME, ended=1)
    memory.complete("o", [(2, BLOCK)])
    assert memory.look_up("o", range(3), ME).here.keys() == {1, 2}


def test_what_waits_for_its_turn_to_be_received_takes_no_memory():
    """Else blocks that nobody has read yet are pushed out for nothing, and read from disk."""
    memory = flights_of(memory_blocks=4)
    memory.begin_prefetch("o", range(8), ME)
    memory.receive("o", range(4))
    memory.complete("o", [(number, BLOCK) for number in range(4)])
    assert memory.look_up("o", range(4), ME).here.keys() == {0, 1, 2, 3}


@pytest.mark.parametrize("end", ["landed", "failed", "given up"])
def test_what_is_received_no_more_gives_its_memory_back(end):
    memory = flights_of(memory_blocks=4)
    memory.begin_prefetch("o", range(4), ME)
    memory.receive("o", range(4))
    if end == "landed":
        memory.complete("o", [(number, BLOCK) for number in range(4)])
    elif end == "failed":
        memory.fail("o", range(4), ServerError("down"))
    else:
        assert memory.cancel("o", range(4)) == []
    memory.begin_prefetch("p", range(4), ME)
    memory.complete("p", [(number, BLOCK) for number in range(4)])
    assert memory.look_up("p", range(4), ME).here.keys() == {0, 1, 2, 3}


def test_memory_keeps_its_size():
    memory = flights_of(memory_blocks=2)
    for number in range(5):
        memory.look_up("o", range(number, number + 1), ME)
        memory.complete("o", [(number, BLOCK)])
    assert memory.look_up("o", range(5), ME).here.keys() == {3, 4}


def test_many_small_blocks_are_not_kept_for_ever():
    """What belongs to a block takes memory too, and holds its output's leaves."""
    memory = flights_of(memory_blocks=1)
    for number in range(1000):
        memory.complete(number, [(0, BLOCK[:1])])
    kept = [number for number in range(1000) if memory.look_up(number, range(1), ME).here]
    assert kept == list(range(1000 - len(BLOCK) // (TUNING.end_bytes + 1), 1000))


def test_a_block_that_is_almost_full_fits_into_memory_for_one():
    memory = flights_of(memory_blocks=1)
    memory.complete("o", [(0, BLOCK[:-1])])
    assert memory.look_up("o", range(1), ME).here.keys() == {0}


def test_a_task_that_fetches_ahead_is_hurried_by_whoever_wants_its_block():
    memory = flights_of()
    assert memory.begin_prefetch("o", range(3), ME) == [0, 1, 2]
    assert memory.begin_prefetch("o", range(4), ME) == [3]
    task = Task(lambda: None, urgent=False)
    memory.assign("o", range(3), task)
    assert memory.look_up("o", range(1, 2), ME).tasks == {task}
    # Whoever wants a block before it has a task makes the task urgent from the start.
    memory.look_up("o", range(3, 4), ME)
    late = Task(lambda: None, urgent=False)
    memory.assign("o", range(3, 4), late)
    assert late.urgent


def test_what_is_given_up_stays_under_way_only_for_those_who_wait():
    memory = flights_of()
    memory.begin_prefetch("o", range(4), ME)
    waiting = memory.look_up("o", range(2, 3), ME)
    assert memory.cancel("o", range(4)) == [2]
    assert memory.under_way("o", range(4)) == [2]
    memory.complete("o", [(2, BLOCK)])
    assert got(waiting) == {2: BLOCK}


def test_closing_ends_every_wait_now_and_later():
    memory = flights_of()
    found = memory.look_up("o", range(1), ME)
    memory.close()
    with pytest.raises(CasfsError, match="being unmounted"):
        got(found)
    with pytest.raises(CasfsError, match="being unmounted"):
        memory.look_up("o", range(1), ME)


def test_only_what_failed_for_another_or_ran_out_of_time_is_worth_a_try_of_ones_own():
    memory = flights_of()
    memory.begin_prefetch("o", range(1), ME)
    memory.begin_prefetch("o", range(1, 2), "another")
    found = memory.look_up("o", range(3), ME)
    assert not found.failed_elsewhere(ME), "nothing failed"
    memory.fail("o", [0], ServerError("down"))
    assert not found.failed_elsewhere(ME)
    memory.fail("o", [2], DeadlineError("late"))
    assert not found.failed_elsewhere(ME), "it was asked for now"
    memory.fail("o", [1], ServerError("down"))
    assert found.failed_elsewhere(ME)

    memory.begin_prefetch("o", range(4, 5), ME)
    found = memory.look_up("o", range(4, 5), ME)
    memory.fail("o", [4], DeadlineError("late"))
    assert found.failed_elsewhere(ME)
