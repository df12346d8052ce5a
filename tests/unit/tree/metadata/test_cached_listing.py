"""A listing is fresh for a while, asked for once at a time, and stale rather than gone."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from casfs.deadline import Deadline
from casfs.errors import DeadlineError, NotFoundError, ServerError
from casfs.tree.metadata import cached_listing as module
from casfs.tree.metadata.cached_listing import CachedListing
from casfs.tree.tree_tuning import TreeTuning
from tests.support.threads import no_new_threads

GENEROUS = 30


class Clock:
    def __init__(self):
        self.now = 5000.0

    def monotonic(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    made = Clock()
    monkeypatch.setattr(module, "time", made)
    return made


class Source:
    """Counts what it was asked; answers with the count or an error."""

    def __init__(self):
        self.asked = self.stale = 0
        self.error = None

    def load(self, deadline):
        self.asked += 1
        if self.error is not None:
            raise self.error
        return self.asked

    def note_stale(self):
        self.stale += 1

    def failed_once(self, clock):
        """A listing that is old, and could not be refreshed the last time; the next time it can."""
        listing = self.listing()
        get(listing)
        clock.now += 61
        self.error = ServerError("down")
        get(listing)
        clock.now += 61
        self.error = None
        return listing

    def listing(self, seconds=60, **more):
        return CachedListing("the list", self.load, seconds, self.note_stale, **more)


def get(listing):
    return listing.get(Deadline(GENEROUS))


def test_it_is_asked_for_again_only_when_it_is_old(clock):
    source = Source()
    listing = source.listing()
    assert listing.known() is None
    assert not listing.is_fresh()
    assert [get(listing), get(listing)] == [1, 1]
    assert listing.is_fresh()
    clock.now += 59
    assert get(listing) == 1
    clock.now += 2
    assert not listing.is_fresh()
    assert get(listing) == 2
    assert listing.known() == 2


def test_an_old_one_is_served_when_the_service_fails_and_the_service_left_alone(clock):
    source = Source()
    listing = source.listing()
    get(listing)
    clock.now += 61
    source.error = ServerError("down")
    assert [get(listing), get(listing)] == [1, 1]
    assert (source.asked, source.stale) == (2, 1)
    assert not listing.is_fresh()
    clock.now += 61
    source.error = None
    assert get(listing) == 3


def test_nobody_waits_for_a_service_that_hangs_a_second_time(clock, monkeypatch):
    monkeypatch.setattr(module, "TUNING", TreeTuning(brief_listing_patience=0.05))
    source, go_on = Source(), threading.Event()
    listing = source.failed_once(clock)

    def hang(deadline):
        go_on.wait(GENEROUS)
        return Source.load(source, deadline)

    monkeypatch.setattr(listing, "_load", hang)
    assert [get(listing), get(listing)] == [1, 1]
    assert source.asked == 2
    clock.now += 61
    with ThreadPoolExecutor(1) as pool:
        monkeypatch.setattr(module, "TUNING", TreeTuning(brief_listing_patience=GENEROUS))
        call = pool.submit(get, listing)
        go_on.set()
        assert call.result(GENEROUS) == 3
    assert source.asked == 3


def test_with_nothing_known_the_error_is_reported_and_the_next_one_asks_again(clock):
    source = Source()
    listing = source.listing()
    source.error = ServerError("down")
    for _ in range(2):
        with pytest.raises(ServerError):
            get(listing)
    assert source.asked == 2
    source.error = None
    assert get(listing) == 3


def test_what_does_not_exist_any_more_is_not_served(clock):
    source = Source()
    listing = source.listing()
    get(listing)
    clock.now += 61
    source.error = NotFoundError("gone")
    for _ in range(3):
        with pytest.raises(NotFoundError):
            get(listing)
    assert source.stale == 0


def test_what_an_earlier_process_knew_counts_with_its_age(clock):
    source = Source()
    young = source.listing(value=77, age=10)
    assert (get(young), source.asked) == (77, 0)
    clock.now += 51
    assert (get(young), source.asked) == (1, 1)
    old = source.listing(value=77, age=100)
    source.error = ServerError("down")
    assert get(old) == 77
    assert source.stale == 1


def test_many_who_ask_at_once_cause_one_question():
    asked, go_on = [], threading.Event()

    def load(deadline):
        asked.append(1)
        go_on.wait(GENEROUS)
        return 5

    listing = CachedListing("the list", load, 60, lambda: None)
    with ThreadPoolExecutor(8) as pool:
        calls = [pool.submit(get, listing) for _ in range(8)]
        go_on.set()
        assert [call.result(GENEROUS) for call in calls] == [5] * 8
    assert len(asked) == 1


def test_whoever_waits_for_anothers_question_waits_no_longer_than_its_deadline():
    begun, go_on = threading.Event(), threading.Event()

    def load(deadline):
        begun.set()
        go_on.wait(GENEROUS)
        return 5

    listing = CachedListing("the list", load, 60, lambda: None)
    with ThreadPoolExecutor(1) as pool:
        call = pool.submit(get, listing)
        assert begun.wait(GENEROUS)
        with pytest.raises(DeadlineError, match="the list did not arrive within"):
            listing.get(Deadline(0.05))
        go_on.set()
        assert call.result(GENEROUS) == 5


def test_it_is_asked_for_again_after_no_thread_could_be_started_to_ask(clock):
    listing = Source().failed_once(clock)
    with no_new_threads():
        assert get(listing) == 1
    clock.now += 61
    assert get(listing) == 3
