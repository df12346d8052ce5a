"""A deadline ends, tells what did not, and begins anew on progress."""

import errno
import itertools

import pytest

from casfs import deadline as module
from casfs.deadline import Deadline
from casfs.errors import DeadlineError


class Clock:
    """A clock that a test turns on."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(module, "time", made)
    return made


def test_it_passes_when_its_seconds_are_over(clock):
    deadline = Deadline(5)
    left = []
    for _ in range(7):
        left.append(deadline.remaining())
        clock.now += 1
    assert left == [5, 4, 3, 2, 1, 0, 0]
    assert deadline.passed()
    assert all(a >= b for a, b in itertools.pairwise(left))


def test_progress_begins_it_again(clock):
    deadline = Deadline(5)
    clock.now += 4
    deadline.restart()
    clock.now += 4
    assert deadline.remaining() == 1
    deadline.check("reading")


def test_the_error_names_what_and_how_long(clock):
    deadline = Deadline(1.5)
    deadline.check("reading")
    clock.now += 2
    with pytest.raises(DeadlineError, match=r"reading.*1\.5 s.*deadline") as caught:
        deadline.check("reading")
    assert caught.value.errno == errno.ETIMEDOUT
