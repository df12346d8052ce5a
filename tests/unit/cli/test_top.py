"""`casfs top`, where what it looks at fails."""

import threading
from typing import Any, cast

from casfs.cli.top import _Sampler


class Source:
    """Fails at the first look."""

    def __init__(self):
        self.looks = 0
        self.seen = threading.Event()

    def mounts(self):
        self.looks += 1
        if self.looks == 1:
            raise OSError("the table of mounts cannot be read")
        return []

    def restores(self):
        self.seen.set()
        return []


def test_a_look_that_fails_is_not_the_last_one(monkeypatch):
    tracebacks: list[Any] = []
    monkeypatch.setattr(threading, "excepthook", tracebacks.append)
    source = Source()
    sampler = _Sampler(cast(Any, source), 0.01)
    sampler.start()
    try:
        assert source.seen.wait(10)
        assert sampler.last is not None
    finally:
        sampler.end()
    assert tracebacks == []
