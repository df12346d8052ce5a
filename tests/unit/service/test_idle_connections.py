"""Connections that died unnoticed cost one attempt at most."""

import contextlib
import socket
import struct
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from casfs.deadline import Deadline
from casfs.service import idle_connections
from casfs.service.error_mapping import json_body
from tests.support.server import Answer, in_turn, serving
from tests.support.service import transport_to

GOOD = Answer(body=b'{"good": true}')


class Router:
    """Passes connections on to a server, and forgets all of them when it is told to.

    Attributes:
        connections: how many were made.
    """

    def __init__(self, port):
        self._port = port
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.connections = 0
        self._lock = threading.Lock()
        self._pairs = []
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def forget(self, reset):
        """Say nothing more on all connections; or break what is sent on them, as many do."""
        with self._lock:
            pairs, self._pairs = self._pairs, []
        for pair in pairs:
            pair.forget(reset)

    def close(self):
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.forget(reset=True)
        for thread in self._threads:
            thread.join()

    def _accept(self):
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            pair = _Pair(near, socket.create_connection(("127.0.0.1", self._port)))
            with self._lock:
                self.connections += 1
                self._pairs.append(pair)
            for work in (pair.pass_there, pair.pass_back):
                thread = threading.Thread(target=work)
                self._threads.append(thread)
                thread.start()


class _Pair:
    def __init__(self, near, far):
        self._near, self._far = near, far
        self._reset = None

    def pass_there(self):
        with contextlib.suppress(OSError):
            while data := self._near.recv(65536):
                if self._reset:
                    break
                if self._reset is None:
                    self._far.sendall(data)
        if self._reset:
            linger = struct.pack("ii", 1, 0)
            self._near.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self._near.close()
        self._end(self._far)

    def pass_back(self):
        with contextlib.suppress(OSError):
            while data := self._far.recv(65536):
                self._near.sendall(data)
        self._far.close()

    def forget(self, reset):
        self._reset = reset
        self._end(self._far)

    def _end(self, sock):
        with contextlib.suppress(OSError):
            sock.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def router():
    with serving(in_turn(GOOD)) as server:
        made = Router(server.port)
        yield made
        made.close()


def fill(transport, router, count):
    """Have so many idle connections."""
    together = threading.Barrier(count)

    def consume(answer):
        together.wait(30)
        return json_body(answer)

    with ThreadPoolExecutor(count) as pool:
        for call in [
            pool.submit(transport.get, "Ask", "/x", consume, Deadline(60)) for _ in range(count)
        ]:
            call.result()
    assert router.connections == count


def ask(transport):
    return transport.get("Ask", "/x", json_body, Deadline(60))


@pytest.mark.parametrize("reset", [True, False], ids=["reset", "silence"])
def test_one_attempt_is_lost_to_connections_that_died_unnoticed(router, reset):
    with transport_to(router.url, attempts=2, read_timeout=1) as transport:
        fill(transport, router, 8)
        router.forget(reset)
        assert ask(transport) == {"good": True}
        assert router.connections == 9
        # What broke once said that all others were dead, too: none of them is tried.
        began = time.monotonic()
        for _ in range(8):
            assert ask(transport) == {"good": True}
        assert time.monotonic() - began < 20
        assert router.connections == 9


def test_all_threads_lose_one_attempt_at_most(router):
    with transport_to(router.url, attempts=2, read_timeout=2) as transport:
        fill(transport, router, 8)
        router.forget(reset=True)
        with ThreadPoolExecutor(8) as pool:
            for call in [pool.submit(ask, transport) for _ in range(8)]:
                assert call.result() == {"good": True}


def test_idle_connections_age(router, monkeypatch):
    clock = [1000.0]
    monkeypatch.setattr(idle_connections, "_now", lambda: clock[0])
    with transport_to(router.url, attempts=1, read_timeout=1) as transport:
        fill(transport, router, 3)
        clock[0] += 59
        ask(transport)
        assert router.connections == 3
        clock[0] += 59
        # Two have been idle for 118 seconds, one for 59.
        ask(transport)
        assert router.connections == 3
        clock[0] += 61
        # A router may have forgotten it by now.
        router.forget(reset=False)
        assert ask(transport) == {"good": True}
        assert router.connections == 4


def test_idle_connections_are_closed_though_nobody_asks(router, monkeypatch):
    clock = [1000.0]
    monkeypatch.setattr(idle_connections, "_now", lambda: clock[0])
    with transport_to(router.url) as transport:
        fill(transport, router, 3)
        assert len(transport._sessions._idle) == 3
        clock[0] += 61
        end = time.monotonic() + 30
        while transport._sessions._idle:
            assert time.monotonic() < end, "idle connections stay"
            time.sleep(0.05)


def test_connections_are_kept_alive_and_end_when_the_peer_is_gone(router, monkeypatch):
    options = []
    setsockopt = socket.socket.setsockopt

    def noted(sock, *option):
        options.append(option)
        return setsockopt(sock, *option)

    monkeypatch.setattr(socket.socket, "setsockopt", noted)
    with transport_to(router.url) as transport:
        ask(transport)
    assert (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1) in options
    assert (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 30) in options
    assert (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1) in options
