"""So many turns at a time that make progress; who is urgent comes first, and has a few more."""

import contextlib
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from casfs.blocks.gets.turns import Turns
from casfs.deadline import Deadline
from casfs.errors import DeadlineError
from tests.support.processes import wait_until

GENEROUS = 30


class Holder:
    """Holds a turn in a thread of its own."""

    def __init__(self, turns, urgent=False):
        self.has, self._go = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._hold, args=(turns, urgent), daemon=True)
        self._thread.start()

    def _hold(self, turns, urgent):
        with turns.turn(urgent, Deadline(GENEROUS), "it"):
            self.has.set()
            self._go.wait(GENEROUS)

    @property
    def identity(self):
        return self._thread.ident

    def end(self):
        self._go.set()
        self._thread.join(GENEROUS)


@contextlib.contextmanager
def holding(turns, count, urgent=False):
    holders = [Holder(turns, urgent) for _ in range(count)]
    try:
        assert all(holder.has.wait(GENEROUS) for holder in holders)
        yield holders
    finally:
        for holder in holders:
            holder.end()


def refused(turns, urgent):
    with (
        pytest.raises(DeadlineError, match="it: no answer"),
        turns.turn(urgent, Deadline(0.01), "it"),
    ):
        pass


def test_there_are_so_many_and_a_few_more_for_who_is_urgent():
    turns = Turns(2, 1, contextlib.nullcontext)
    with holding(turns, 2):
        refused(turns, urgent=False)
        with holding(turns, 1, urgent=True):
            refused(turns, urgent=True)
    with holding(turns, 2):
        pass


def test_who_stalls_does_not_count():
    turns = Turns(1, 0, contextlib.nullcontext)
    with holding(turns, 1) as (stalling,):
        refused(turns, urgent=False)
        turns.stall(stalling.identity)
        with holding(turns, 1):
            refused(turns, urgent=False)
        turns.resume(stalling.identity)
        refused(turns, urgent=False)
    with holding(turns, 1):
        refused(turns, urgent=False)


def test_whoever_waits_is_let_in_when_another_stalls():
    turns = Turns(1, 0, contextlib.nullcontext)
    with holding(turns, 1) as (stalling,):
        waiting = Holder(turns)
        turns.stall(stalling.identity)
        assert waiting.has.wait(GENEROUS)
        waiting.end()


def test_who_is_urgent_comes_first():
    turns = Turns(1, 0, contextlib.nullcontext)
    with holding(turns, 1) as (first,):
        later = Holder(turns)
        urgent = Holder(turns, urgent=True)
        wait_until(lambda: turns._waiting_urgent, "the urgent one to wait")
        first.end()
        assert urgent.has.wait(GENEROUS)
        assert not later.has.is_set()
        urgent.end()
        assert later.has.wait(GENEROUS)
        later.end()


def test_nobody_is_forgotten():
    """Many threads, more than turns: each has its turns, and never too many at a time."""
    turns, lock, now, most = Turns(3, 2, contextlib.nullcontext), threading.Lock(), 0, 0

    def work(number):
        nonlocal now, most
        for turn in range(50):
            with turns.turn((number + turn) % 3 == 0, Deadline(GENEROUS), "it"):
                with lock:
                    now += 1
                    most = max(most, now)
                with lock:
                    now -= 1

    with ThreadPoolExecutor(12) as threads:
        list(threads.map(work, range(12)))
    assert 0 < most <= 5
    assert turns._taken == 0


def test_whoever_stalled_before_its_turn_is_looked_at_from_its_turn_on():
    paused = []

    @contextlib.contextmanager
    def pause():
        yield
        paused.append(threading.get_ident())

    with Turns(1, 0, pause).turn(False, Deadline(GENEROUS), "it"):
        assert paused == [threading.get_ident()]
