"""Memory is shared among what is read in order now, not among all that ever was."""

from casfs.blocks.streams import Streams


class Clock:
    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


def test_each_stream_counts_once_until_it_ends():
    streams = Streams(Clock())
    for stream in ("a", "b", "a"):
        streams.feed(stream)
    assert streams.count() == 2
    streams.end("a")
    streams.end("never began")
    assert streams.count() == 1


def test_what_is_read_no_more_has_no_share():
    clock = Clock()
    streams = Streams(clock)
    for number in range(64):
        streams.feed(number)
    clock.now += 20
    streams.feed("still reads")
    streams.feed(0)
    assert streams.count() == 65
    clock.now += 20
    streams.feed("still reads")
    assert streams.count() == 2
    streams.feed(5)
    assert streams.count() == 3
    clock.now += 40
    assert streams.count() == 0
