"""The rate at which a line brings outputs is measured while it is busy, and recorded."""

from casfs.tree.rate_sampler import LineLoad, RateSampler

CONNECTIONS = 8


class Made:
    """A line whose counter, connections and clock a test sets."""

    def __init__(self):
        self.now, self.received, self.busy = 0.0, 0, 0
        self.records: list[tuple[int, float]] = []
        line = LineLoad(lambda: self.received, lambda: self.busy, CONNECTIONS)
        record = lambda size, seconds: self.records.append((size, seconds))  # noqa: E731
        self.sampler = RateSampler(line, record, lambda: self.now)

    def go_on(self, seconds, rate, busy):
        for _ in range(seconds):
            self.busy = busy
            self.sampler.look()
            self.now += 1.0
            self.received += rate


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
