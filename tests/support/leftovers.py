"""Finds threads that outlive the test that started them."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def no_leftover_threads() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    for thread in set(threading.enumerate()) - before:
        thread.join(10)
        assert not thread.is_alive(), f"{thread.name} outlives its test"
