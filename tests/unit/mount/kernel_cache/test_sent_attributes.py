"""What is remembered of the attributes that the kernel was sent."""

import pytest

from casfs.client import Node
from casfs.mount import kernel_cache
from casfs.mount.kernel_cache import SentAttributes
from casfs.mount.mount_tuning import MountTuning

A, B = Node("/a", 0, 5), Node("/b", 0, 5)


@pytest.fixture
def sent(monkeypatch):
    monkeypatch.setattr(kernel_cache, "TUNING", MountTuning(remembered_files=1))
    return SentAttributes()


def test_a_forgotten_file_is_dropped_when_it_is_opened(sent):
    sent.note(A)
    sent.note(B)
    assert sent.opened(A) == (A, True)


def test_the_pages_of_a_forgotten_file_that_is_open_are_kept(sent):
    """To drop them would wait for whoever reads the file, and its whole prefetch."""
    sent.note(A)
    sent.opened(A)
    sent.note(B)
    assert sent.opened(A) == (A, False)
    sent.closed(A)
    sent.note(B)
    assert sent.opened(A) == (A, False)
    sent.closed(A)
    sent.closed(A)
    sent.note(B)
    assert sent.opened(A) == (A, True)
