"""The rate at which a line brings outputs is measured while it is busy, and recorded."""

import threading

from casfs.errors import CasfsError
from casfs.tree import rate_sampler
from casfs.tree.rate_sampler import LineLoad, RateSampler

CONNECTIONS = 8


class Made:
    """A line whose counter, connections and clock a test sets."""

    def __init__(self):
        self.now, self.received, self.busy = 0.0, 0, 0
        self.records: list[tuple[int, float]] = []
        self.useful = CONNECTIONS
        line = LineLoad(lambda: self.received, lambda: self.busy, CONNECTIONS, lambda: self.useful)
        self.sampler = RateSampler(line, self._record, lambda: self.now)

    def _record(self, size, seconds):
        self.records.append((size, seconds))

    def go_on(self, seconds, rate, busy):
        for _ in range(seconds):
            self.busy = busy
            self.sampler.look()
            self.now += 1.0
            self.received += rate


def test_where_fewer_connections_are_worth_using_those_are_a_busy_line():
    made = Made()
    made.useful = 2
    made.go_on(31, 1000, busy=1)
    assert made.records == []
    made.go_on(31, 1000, busy=2)
    assert made.records == [(30_000, 30.0)]


def test_half_a_minute_of_busy_connections_is_recorded_and_then_five_minutes():
    made = Made()
    made.go_on(30, 1000, busy=8)
    assert made.records == []
    made.go_on(1, 1000, busy=8)
    assert made.records == [(30_000, 30.0)]
    made.go_on(299, 1000, busy=8)
    assert len(made.records) == 1
    made.go_on(2, 1000, busy=4)
    assert made.records[1:] == [(300_000, 300.0)]


def test_a_program_that_reads_slowly_says_nothing_about_the_line():
    made = Made()
    made.go_on(1000, 10, busy=1)
    made.go_on(16, 1000, busy=7)
    made.go_on(1000, 10, busy=0)
    assert made.records == []
    # It counts together with what comes later, but not with the time between them.
    made.go_on(16, 1000, busy=7)
    assert made.records == [(30_000, 30.0)]


def test_what_was_measured_until_the_end_is_recorded_if_it_is_enough():
    for seconds, records in ((29, 0), (360, 2), (400, 3)):
        made = Made()
        made.go_on(seconds, 1000, busy=8)
        made.busy = 0
        made.sampler.start()
        made.sampler.close()
        assert len(made.records) == records
    assert made.records[-1] == (69_000, 69.0)


def test_a_record_that_fails_or_hangs_keeps_no_client_from_closing(monkeypatch):
    monkeypatch.setattr(rate_sampler, "_CLOSING", 0.05)
    made, tries, disk = Made(), [], threading.Event()

    def fail(size, seconds):
        tries.append(size)
        raise CasfsError("the catalog cannot be read")

    made.sampler._record = fail
    made.go_on(31, 1000, busy=8)
    made.go_on(40, 1000, busy=8)
    made.sampler.start()
    made.sampler.close()
    assert tries == [30_000, 41_000]

    made, begun = Made(), threading.Event()

    def hang(size, seconds):
        begun.set()
        disk.wait(10)

    made.sampler._record = hang
    made.go_on(30, 1000, busy=8)
    made.sampler.start()
    assert begun.wait(10)
    made.sampler.close()
    thread = made.sampler._thread
    assert thread is not None
    is_still_writing = thread.is_alive()
    disk.set()
    thread.join(10)
    assert is_still_writing
