"""Tasks run once, the urgent ones first, and nothing waits for a pool that is closed."""

import contextlib
import errno
import queue
import threading
from functools import partial

import pytest

from casfs.blocks.gets.pool import Pool
from casfs.blocks.gets.tasks import Task
from casfs.errors import ThreadError
from tests.support.pools import join, threads_of, waiting_in
from tests.support.processes import wait_until
from tests.support.threads import no_new_threads

GENEROUS = 30


@pytest.fixture
def pool():
    made = Pool("test", 1)
    yield made
    made.close()
    join(made, GENEROUS)


def notebook() -> list[str]:
    return []


class Busy:
    """A task that keeps its thread busy until it is let go."""

    def __init__(self, pool):
        self.begun, self._go = threading.Event(), threading.Event()
        pool.submit(Task(self._work, urgent=True))
        assert self.begun.wait(GENEROUS)

    def _work(self):
        self.begun.set()
        self._go.wait(GENEROUS)

    def let_go(self):
        self._go.set()


def noting(pool, notes, name, urgent, last=None):
    def work():
        notes.append(name)
        if last is not None:
            last.set()

    task = Task(work, urgent)
    pool.submit(task)
    return task


def test_no_thread_before_the_first_task(pool):
    """A process may still fork."""
    before = threading.active_count()
    other = Pool("other", 3)
    assert threading.active_count() == before
    other.close()


def test_urgent_tasks_overtake_those_for_later(pool):
    busy, notes, last = Busy(pool), notebook(), threading.Event()
    for name in ("later 1", "later 2"):
        noting(pool, notes, name, urgent=False, last=last if name[-1] == "2" else None)
    for name in ("urgent 1", "urgent 2"):
        noting(pool, notes, name, urgent=True)
    busy.let_go()
    assert last.wait(GENEROUS)
    assert notes == ["urgent 1", "urgent 2", "later 1", "later 2"]


def test_a_task_for_later_can_become_urgent(pool):
    busy, notes, last = Busy(pool), notebook(), threading.Event()
    noting(pool, notes, "first", urgent=False, last=None)
    second = noting(pool, notes, "second", urgent=False)
    noting(pool, notes, "third", urgent=False, last=last)
    pool.promote(second)
    busy.let_go()
    assert last.wait(GENEROUS)
    assert notes == ["second", "first", "third"]


def test_a_task_that_became_urgent_is_started_by_a_thread_that_was_left_idle():
    """Nothing else that happens may be needed for it: all that was begun before may hang."""
    pool, go_on = Pool("test", 2, lambda: 1), threading.Event()
    held, other, run = (threading.Event() for _ in range(3))

    def hold():
        held.set()
        go_on.wait(GENEROUS)

    try:
        pool.submit(Task(hold, urgent=False))
        assert held.wait(GENEROUS)
        task = Task(run.set, urgent=False)
        pool.submit(task)
        pool.submit(Task(other.set, urgent=True))
        assert other.wait(GENEROUS)
        assert waiting_in(pool) == 1
        pool.promote(task)
        assert run.wait(GENEROUS / 2)
    finally:
        go_on.set()
        pool.close()
        join(pool, GENEROUS)


def test_a_task_can_become_urgent_before_it_is_queued(pool):
    busy, notes, last = Busy(pool), notebook(), threading.Event()
    noting(pool, notes, "first", urgent=False, last=last)
    second = Task(partial(notes.append, "second"), urgent=False)
    pool.promote(second)
    pool.submit(second)
    busy.let_go()
    assert last.wait(GENEROUS)
    assert notes == ["second", "first"]


def test_a_task_that_has_not_started_can_be_canceled(pool):
    busy, notes, last = Busy(pool), notebook(), threading.Event()
    gone = noting(pool, notes, "gone", urgent=False)
    noting(pool, notes, "stays", urgent=False, last=last)
    assert waiting_in(pool) == 2
    assert pool.waits(gone)
    assert pool.cancel(gone)
    assert not pool.waits(gone)
    assert not pool.cancel(gone)
    busy.let_go()
    assert last.wait(GENEROUS)
    assert notes == ["stays"]
    assert not gone.begun


def test_what_has_started_cannot_be_canceled_or_promoted(pool):
    notes, last = notebook(), threading.Event()
    task = noting(pool, notes, "done", urgent=False, last=last)
    assert last.wait(GENEROUS)
    assert not pool.cancel(task)
    pool.promote(task)
    assert waiting_in(pool) == 0
    assert notes == ["done"]


def test_a_closed_pool_drops_what_waits_and_ends(pool):
    busy, notes = Busy(pool), notebook()
    noting(pool, notes, "never", urgent=True)
    pool.close()
    noting(pool, notes, "neither", urgent=True)
    busy.let_go()
    join(pool, GENEROUS)
    assert notes == []


def test_another_thread_stands_in_for_one_that_is_away(pool):
    back, done = threading.Event(), threading.Event()

    def leave():
        with pool.lend():
            assert back.wait(GENEROUS)
        done.set()

    notes, last = notebook(), threading.Event()
    pool.submit(Task(leave, urgent=True))
    noting(pool, notes, "meanwhile", urgent=True, last=last)
    assert last.wait(GENEROUS)
    back.set()
    assert done.wait(GENEROUS)
    # Then there is one thread again: no two tasks run at the same time.
    busy = Busy(pool)
    noting(pool, notes, "behind", urgent=True)
    assert waiting_in(pool) == 1
    wait_until(lambda: threads_of(pool) == 1, "the other thread to end")
    busy.let_go()


def test_a_task_that_dies_is_reported_and_takes_no_thread_with_it(pool, caplog):
    def die():
        raise OSError(errno.ESTALE, "Stale file handle")

    notes, last = notebook(), threading.Event()
    pool.submit(Task(die, urgent=True))
    noting(pool, notes, "next", urgent=True, last=last)
    assert last.wait(GENEROUS)
    assert notes == ["next"]
    assert "Stale file handle" in caplog.text


def test_all_threads_work(pool):
    """As many tasks at a time as threads: each waits for all others."""
    together = threading.Barrier(4)
    wide, met = Pool("wide", 4), threading.Semaphore(0)

    def work():
        together.wait(GENEROUS)
        met.release()

    for _ in range(4):
        wide.submit(Task(work, urgent=False))
    assert all(met.acquire(timeout=GENEROUS) for _ in range(4))
    wide.close()
    join(wide, GENEROUS)


def test_tasks_for_later_leave_threads_idle_where_more_would_not_help():
    width = [1]
    begun: queue.SimpleQueue[str] = queue.SimpleQueue()
    go_on = threading.Event()
    pool = Pool("test", 3, lambda: width[0])

    def work(name):
        begun.put(name)
        go_on.wait(GENEROUS)

    for name in ("first", "second", "third"):
        pool.submit(Task(partial(work, name), urgent=False))
    assert begun.get(timeout=GENEROUS) == "first"
    # What somebody waits for is not held up by that.
    pool.submit(Task(partial(work, "urgent"), urgent=True))
    assert begun.get(timeout=GENEROUS) == "urgent"
    assert waiting_in(pool) == 2
    width[0] = 3
    go_on.set()
    assert {begun.get(timeout=GENEROUS) for _ in range(2)} == {"second", "third"}
    pool.close()
    join(pool, GENEROUS)


def test_a_task_that_no_thread_can_be_started_for_is_refused_and_the_next_is_not(pool):
    notes, last = notebook(), threading.Event()
    with no_new_threads(), pytest.raises(ThreadError, match="ulimit"):
        noting(pool, notes, "refused", urgent=True)
    noting(pool, notes, "next", urgent=True, last=last)
    assert last.wait(GENEROUS)
    assert notes == ["next"]


def test_threads_that_there_are_do_what_others_cannot_be_started_for(caplog):
    pool, notes, last = Pool("test", 2), notebook(), threading.Event()
    busy = Busy(pool)
    try:
        with no_new_threads():
            for name in ("first", "second"):
                noting(pool, notes, name, urgent=True)
            assert threads_of(pool) == 1
        assert caplog.text.count("ulimit") == 1
        noting(pool, notes, "third", urgent=True, last=last)
        assert last.wait(GENEROUS)
        assert notes == ["first", "second", "third"]
    finally:
        busy.let_go()
        pool.close()
        join(pool, GENEROUS)


class Stalling:
    """A task that stalls until it is let go."""

    def __init__(self, pool, owner=None, urgent=True):
        self._pool = pool
        self.begun, self._go = threading.Event(), threading.Event()
        self.thread = 0
        pool.submit(Task(self._work, urgent, owner))

    def _work(self):
        self.thread = threading.get_ident()
        self.begun.set()
        self._go.wait(GENEROUS)

    def stall(self):
        assert self.begun.wait(GENEROUS)
        self._pool.stall(self.thread)

    def let_go(self):
        self._go.set()


@contextlib.contextmanager
def stalled(pool, *owners, urgent=True):
    tasks = []
    try:
        for owner in owners:
            tasks.append(Stalling(pool, owner, urgent))
            tasks[-1].stall()
        yield tasks
    finally:
        for task in tasks:
            task.let_go()


@pytest.mark.parametrize("urgent", [True, False], ids=["urgent", "for later"])
def test_tasks_that_stall_lend_their_places(pool, urgent):
    ran = threading.Event()
    with stalled(pool, *"abcdef", urgent=urgent):
        pool.submit(Task(ran.set, urgent, "well"))
        assert ran.wait(GENEROUS)
    wait_until(lambda: threads_of(pool) == 1, "the threads that stood in to end")


def test_whose_tasks_stall_gets_no_place_that_is_lent(pool):
    with stalled(pool, "a") as (first,):
        second = Stalling(pool, "a")
        ran = threading.Event()
        pool.submit(Task(ran.set, urgent=True, owner="well"))
        assert ran.wait(GENEROUS)
        assert not second.begun.is_set()
        # Its owner's first one goes on, and ends.
        pool.resume(first.thread)
        first.let_go()
        assert second.begun.wait(GENEROUS)
        second.let_go()


def test_whoever_has_the_fewest_tasks_under_way_comes_first(pool):
    busy, notes, last = Busy(pool), notebook(), threading.Event()
    pool._busy_of["a"] += 1
    for name in ("a", "b"):
        done = last if name == "a" else None
        task = Task(partial(note_and_set, notes, name, done), urgent=True, owner=name)
        pool.submit(task)
    busy.let_go()
    assert last.wait(GENEROUS)
    assert notes == ["b", "a"]


def note_and_set(notes, name, done):
    notes.append(name)
    if done is not None:
        done.set()


def test_what_is_for_later_never_holds_the_last_place():
    pool, ran = Pool("test", 3, lambda: 2), threading.Event()
    tasks = [Stalling(pool, urgent=False) for _ in range(3)]
    try:
        wait_until(lambda: sum(task.begun.is_set() for task in tasks) == 2, "two of them")
        pool.submit(Task(ran.set, urgent=True))
        assert ran.wait(GENEROUS)
        assert waiting_in(pool) == 1
    finally:
        for task in tasks:
            task.let_go()
        pool.close()
        join(pool, GENEROUS)


def test_what_is_fetched_ahead_and_stalls_leaves_places_for_readers_of_the_same():
    pool, ran = Pool("test", 3, lambda: 1), threading.Event()
    first = Stalling(pool, "a", urgent=False)
    more = [Stalling(pool, "a", urgent=False) for _ in range(3)]
    try:
        for task in (first, *more[:2]):
            if task.begun.wait(1):
                task.stall()
        pool.submit(Task(ran.set, urgent=True, owner="a"))
        assert ran.wait(GENEROUS / 2)
    finally:
        for task in (first, *more):
            task.let_go()
        pool.close()
        join(pool, GENEROUS)


def test_a_reader_of_what_stalls_gets_one_place_that_is_lent(pool):
    ran = threading.Event()
    with stalled(pool, "a", urgent=False):
        first, second = Stalling(pool, "a"), Stalling(pool, "a")
        try:
            assert first.begun.wait(GENEROUS / 2)
            first.stall()
            pool.submit(Task(ran.set, urgent=True, owner="well"))
            assert ran.wait(GENEROUS)
            assert not second.begun.is_set()
            first.let_go()
            assert second.begun.wait(GENEROUS)
        finally:
            first.let_go()
            second.let_go()
