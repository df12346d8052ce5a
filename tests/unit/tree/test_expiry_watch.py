"""The watch of what expires does not slow those who wait for something."""

import threading
from datetime import UTC, datetime

from casfs.metrics import Metrics
from casfs.tree import expiry_watch
from casfs.tree.expiry_watch import ExpiryWatch
from casfs.tree.fetchable import FetchableOutputs


class _Outputs(FetchableOutputs):
    """Outputs of which the listing arrives until it was asked about a number of times."""

    def __init__(self, times):
        self.left = times
        self.looked = threading.Event()
        self.left_at_look = None

    @property
    def is_listing(self):
        self.left -= 1
        return self.left >= 0

    def all(self, vault, ask=True, step=None):
        step()
        self.left_at_look = self.left
        self.looked.set()
        return iter(())


def _left_at_first_look(monkeypatch, times):
    monkeypatch.setattr(expiry_watch, "_FIRST_SECONDS", 0.01)
    monkeypatch.setattr(expiry_watch, "_SECONDS", 0.1)
    outputs = _Outputs(times)
    watch = ExpiryWatch(lambda: ["v"], outputs, lambda: datetime.now(UTC), Metrics())
    watch.start()
    try:
        assert outputs.looked.wait(10)
    finally:
        watch.close()
    return outputs.left_at_look


def test_a_look_waits_for_a_listing(monkeypatch):
    assert _left_at_first_look(monkeypatch, 5) < 0


def test_a_listing_without_end_does_not_postpone_looks_for_ever(monkeypatch):
    assert _left_at_first_look(monkeypatch, 10**9) > 0
