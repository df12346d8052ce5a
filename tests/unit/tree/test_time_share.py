"""Work in the background leaves most of the time to readers."""

from casfs.tree.time_share import TimeShare


class _Clock:
    def __init__(self):
        self.now = self.worked = self.paused = 0.0

    def work(self, seconds):
        self.now += seconds
        self.worked += seconds

    def pause(self, seconds):
        self.now += seconds
        self.paused += seconds


def test_long_work_takes_a_tenth_of_the_time():
    clock = _Clock()
    share = TimeShare(clock.pause, lambda: clock.now)
    for number in range(10_000):
        clock.work(0.5 if number == 7 else 0.0005)
        share.step()
    assert 0.09 < clock.worked / (clock.worked + clock.paused) < 0.11


def test_short_work_is_not_paused():
    clock = _Clock()
    share = TimeShare(clock.pause, lambda: clock.now)
    for _ in range(15):
        clock.work(0.0005)
        share.step()
    assert clock.paused == 0
