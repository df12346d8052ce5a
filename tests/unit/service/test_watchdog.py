"""Sockets end with their deadline."""

import socket

import pytest

from casfs.deadline import Deadline
from casfs.errors import ThreadError
from casfs.service.watchdog import Watchdog
from tests.support.threads import no_new_threads


def test_sockets_are_watched_after_no_thread_could_be_started_for_it():
    watchdog, (near, far) = Watchdog(), socket.socketpair()
    with near, far:
        with no_new_threads(), pytest.raises(ThreadError), watchdog.limit(Deadline(0.1)):
            pass
        near.settimeout(30)
        with watchdog.limit(Deadline(0.1)):
            watchdog.watch(near)
            assert near.recv(1) == b""
    watchdog.close()
