"""The rate of the last minutes."""

from casfs.throughput import RateWindow


def test_the_rate_is_that_of_the_window():
    now = 1000.0
    window = RateWindow(600, lambda: now)
    assert window.rate() is None
    total = 0
    for second in range(1200):
        now = 1000.0 + second
        window.note(total)
        total += 10 if second < 600 else 100
    assert window.span() <= 601
    assert round(window.rate() or 0) == 100
    # Nothing comes any more: the rate sinks.
    now += 300
    window.note(total)
    assert 45 <= (window.rate() or 0) <= 55


def test_many_readings_take_no_more_memory_than_seconds():
    now = 0.0
    window = RateWindow(60, lambda: now)
    for step in range(100_000):
        now = step / 1000
        window.note(step)
    assert len(window._readings) < 70
    assert round(window.rate() or 0) == 1000
