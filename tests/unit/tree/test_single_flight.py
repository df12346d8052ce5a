"""Long work is done once, waited for as long as it goes on, and its failure is everybody's."""

import threading
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait

import pytest

from casfs.errors import CasfsError, DeadlineError
from casfs.tree.single_flight import SingleFlight


class Work:
    """Work that goes on until it is let go."""

    def __init__(self):
        self.begun = threading.Event()
        self.let_go = threading.Event()
        self.times = 0

    def __call__(self, progress):
        self.times += 1
        self.begun.set()
        while not self.let_go.wait(0.01):
            progress.steps += 1
        return "made"


def test_it_is_done_once_and_waited_for_while_it_goes_on():
    once, work = SingleFlight(1.0), Work()
    with ThreadPoolExecutor(3) as pool:
        mine = pool.submit(once.make, "key", "it", work)
        assert work.begun.wait(20)
        others = [pool.submit(once.make, "key", "it", work) for _ in range(2)]
        # Longer than two deadlines.
        assert not wait(others, 2.5, FIRST_COMPLETED).done
        work.let_go.set()
        assert mine.result() == "made"
        assert [other.result() for other in others] == [None, None]
    assert work.times == 1
    assert once.make("key", "it", lambda progress: "anew") == "anew"


def test_who_comes_no_further_is_given_up():
    once, begun, let_go = SingleFlight(0.05), threading.Event(), threading.Event()

    def stuck(progress):
        begun.set()
        assert let_go.wait(60)

    with ThreadPoolExecutor(1) as pool:
        pool.submit(once.make, "key", "it", stuck)
        assert begun.wait(20)
        with pytest.raises(DeadlineError, match="it made no progress"):
            once.make("key", "it", stuck)
        assert once.make("other", "it", lambda progress: "made") == "made"
        let_go.set()


@pytest.mark.parametrize("error", [CasfsError("no"), ValueError("a bug")])
def test_a_failure_reaches_everybody_and_hangs_nobody(error):
    once, begun, let_go = SingleFlight(20), threading.Event(), threading.Event()

    def fail(progress):
        begun.set()
        assert let_go.wait(60)
        raise error

    with ThreadPoolExecutor(2) as pool:
        mine = pool.submit(once.make, "key", "it", fail)
        assert begun.wait(20)
        other = pool.submit(once.make, "key", "it", lambda progress: None)
        let_go.set()
        assert mine.exception() is error
        # Unless it came so late that it did the work itself.
        assert other.exception() in (error, None)
    assert once.make("key", "it", lambda progress: "made") == "made"


def test_who_waits_for_one_that_is_interrupted_does_it_instead():
    once = SingleFlight(5)
    begun, end = threading.Event(), threading.Event()

    def interrupted(progress):
        begun.set()
        end.wait(5)
        raise InterruptedError

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(once.make, "key", "it", interrupted)
        assert begun.wait(5)
        second = pool.submit(once.make, "key", "it", lambda progress: "made")
        end.set()
        assert second.result(5) == "made"
        with pytest.raises(InterruptedError):
            first.result(5)
