"""Which threads make no progress, by the bytes that their connections received."""

import contextlib
import threading
from dataclasses import replace

import pytest

from casfs.blocks.block_tuning import TUNING
from casfs.blocks.gets import lag
from casfs.blocks.gets.get_progress import GetProgress
from casfs.blocks.gets.line import Line
from casfs.blocks.gets.stalls import Stalls
from casfs.deadline import Deadline
from tests.support.processes import wait_until


class Watching:
    """Connections that a test fills, and what was told of them."""

    def __init__(self) -> None:
        self.received: dict[int, int | None] = {}
        self.stalled: dict[int, bool] = {}
        self.moments: list[float] = []
        self.cut: list[int] = []
        self.stalls = Stalls(self.received.get, 1000, self.stalled.__setitem__, self.cut.append)
        self.line = Line(60)
        self.progress = GetProgress(Deadline(60), self.line, self.moments.append)
        self.me = threading.get_ident()


@pytest.fixture
def watching():
    made = Watching()
    yield made
    made.stalls.close()


def stalls(watching):
    return watching.stalled.get(watching.me, False)


@pytest.mark.parametrize("received", [None, 0, 77], ids=["no connection", "nothing", "no more"])
def test_without_progress_a_thread_stalls(watching, received):
    watching.received[watching.me] = received
    with watching.stalls.watch(watching.progress):
        wait_until(lambda: stalls(watching), "it to stall")
    assert not stalls(watching)


def test_what_stalled_goes_on_when_bytes_come(watching):
    with watching.stalls.watch(watching.progress):
        wait_until(lambda: stalls(watching), "it to stall")
        watching.received[watching.me] = 5000
        wait_until(lambda: not stalls(watching), "it to go on")
        wait_until(lambda: stalls(watching), "it to stall again")
        # Another connection, which has received less so far.
        watching.received[watching.me] = 1000
        wait_until(lambda: not stalls(watching), "it to go on")


@pytest.mark.parametrize("why", ["bytes come", "it is not known", "it waits for others"])
def test_progress(watching, why):
    """Beside another thread that stalls, which shows that time passes."""
    ended = threading.Event()
    other = threading.Thread(target=stall, args=(watching, ended))
    other.start()
    with watching.stalls.watch(watching.progress), contextlib.ExitStack() as stack:
        if why == "it waits for others":
            stack.enter_context(watching.stalls.pause())
        total = 0

        def other_stalls():
            nonlocal total
            total += 100_000
            watching.received[watching.me] = total if why == "bytes come" else -1
            return watching.stalled.get(other.ident)

        wait_until(other_stalls, "the other one to stall")
        assert not stalls(watching)
    ended.set()
    other.join()
    assert not watching.stalled[other.ident]


def stall(watching, ended):
    with watching.stalls.watch(watching.progress):
        ended.wait(30)


def test_a_connection_is_replaced_once_and_none_while_that_does_not_help(watching, monkeypatch):
    monkeypatch.setattr(lag, "TUNING", replace(TUNING, lag_seconds=0.2))
    watching.received[watching.me] = 0

    def lags(watched):
        watched.begin_answer((0, 8 << 20))
        watched.receive_body(8 << 20, kept_size=1)

        def is_seen():
            watching.line.note(25 << 20, 1)
            return watched.lag is None

        wait_until(is_seen, "the connection to be seen to lag")

    with watching.stalls.watch(watching.progress) as watched:
        lags(watched)
        assert (watching.cut, watched.given_up) == ([watching.me], True)
        lags(watched)
        assert (watching.cut, watched.given_up) == ([watching.me], False)
    watching.progress = GetProgress(Deadline(60), watching.line, watching.moments.append)
    with watching.stalls.watch(watching.progress) as watched:
        watched.receive_body(8 << 20, kept_size=1)
        # Another one that stalls shows that time passes.
        ended = threading.Event()
        other = threading.Thread(target=stall, args=(watching, ended))
        other.start()
        wait_until(lambda: watching.stalled.get(other.ident), "the other one to stall")
        ended.set()
        other.join()
    assert watching.cut == [watching.me]
