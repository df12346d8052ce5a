"""Nothing waits longer than its deadline, however slowly the other side talks."""

import errno
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from types import SimpleNamespace

import pytest

from casfs import deadline
from casfs.deadline import Deadline
from casfs.errors import DeadlineError, UnreachableError
from casfs.service.error_mapping import json_body
from casfs.service.transport import Transport
from tests.support.server import Answer, Behaviour, Server, Wire, in_turn, serving
from tests.support.service import html, service_at, transport_to

GENEROUS = 20
"""Seconds that a call with a deadline of a second may take on a busy machine."""

WHOLE = Answer(body=b'{"good": "' + b"x" * 1000 + b'"}')


def begins_then(begin: bytes, go_on: Callable[[Wire], None]) -> Behaviour:
    def behave(request, wire):
        wire.send(begin)
        go_on(wire)

    return behave


HTTP10 = b"HTTP/1.0 200 OK\r\n\r\n"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
SLOW: dict[str, Behaviour] = {
    "says nothing": lambda request, wire: wire.hang(),
    "trickles its head": lambda request, wire: wire.trickle(WHOLE.head, 0.05),
    "trickles its body": begins_then(WHOLE.head, lambda wire: wire.trickle(WHOLE.body, 0.05)),
    "trickles without length": begins_then(HTTP10, lambda wire: wire.trickle(WHOLE.body, 0.05)),
    "trickles an error": begins_then(
        html(400).head, lambda wire: wire.trickle(html(400).body, 0.1)
    ),
    "trickles chunks": begins_then(CHUNKED, lambda wire: wire.trickle(b"1\r\nx\r\n" * 100, 0.05)),
    "stops in the middle": begins_then(WHOLE.head + WHOLE.body[:500], lambda wire: wire.hang()),
}


@pytest.mark.parametrize("slow", SLOW.values(), ids=SLOW.keys())
def test_a_deadline_ends_any_answer(slow):
    with serving(slow) as server, transport_to(server.url, read_timeout=60) as transport:
        began = time.monotonic()
        with pytest.raises(DeadlineError) as caught:
            transport.get("Ask", "/x", json_body, Deadline(0.6))
        assert caught.value.errno == errno.ETIMEDOUT
        assert 0.5 < time.monotonic() - began < GENEROUS


@pytest.mark.parametrize("slow", SLOW.values(), ids=SLOW.keys())
def test_a_deadline_ends_any_answer_of_a_proxy(slow, monkeypatch):
    with serving(slow) as proxy, transport_by(proxy, monkeypatch) as transport:
        with pytest.raises(DeadlineError):
            transport.get("Ask", "/x", json_body, Deadline(0.6))
        assert proxy.requests


@contextmanager
def transport_by(proxy: Server, monkeypatch) -> Iterator[Transport]:
    """A transport that reaches its service only by way of a proxy."""
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("http_proxy", proxy.url)
    with transport_to("http://cas.example.invalid", read_timeout=600) as transport:
        yield transport


@pytest.mark.parametrize("name", ["says nothing", "stops in the middle"])
def test_silence_is_a_reason_to_ask_again(name):
    with (
        serving(in_turn(SLOW[name], WHOLE)) as server,
        transport_to(server.url, read_timeout=0.3) as transport,
    ):
        transport.get("Ask", "/x", json_body, Deadline(60))
        assert [request.connection for request in server.requests] == [0, 1]


@pytest.mark.parametrize("name", ["says nothing", "stops in the middle"])
def test_silence_in_every_attempt_is_eio_inside_the_deadline(name):
    with serving(SLOW[name]) as server:
        with (
            transport_to(server.url, read_timeout=0.2, attempts=2) as transport,
            pytest.raises(UnreachableError) as caught,
        ):
            transport.get("Ask", "/x", json_body, Deadline(60))
        assert caught.value.errno == errno.EIO
        assert len(server.requests) == 2


def test_answers_that_always_begin_late_are_waited_for_longer_with_each_attempt():
    pause = threading.Event()

    def late(request, wire):
        pause.wait(0.5)
        return WHOLE

    with (
        serving(late) as server,
        transport_to(server.url, read_timeout=0.2, attempts=None) as transport,
    ):
        transport.get("Ask", "/x", json_body, Deadline(10))
        assert len(server.requests) > 1


def test_no_attempt_begins_behind_the_deadline():
    with serving(in_turn(html(502))) as server:
        with (
            transport_to(server.url, attempts=10**6) as transport,
            pytest.raises(DeadlineError, match="gave up after"),
        ):
            transport.get("Ask", "/x", json_body, Deadline(0.5))
        assert len(server.requests) > 1


def test_a_listing_may_take_its_time_as_long_as_each_page_comes(monkeypatch):
    clock = SimpleNamespace(now=1000.0)
    monkeypatch.setattr(deadline, "time", SimpleNamespace(monotonic=lambda: clock.now))

    def slow(request, wire):
        clock.now += 0.9 * GENEROUS
        number = int(request.query.get("marker", "0"))
        marker = str(number + 1) if number < 4 else None
        page = {"VaultList": [{"VaultName": f"v{number}"}], "Marker": marker}
        return Answer(body=json.dumps(page).encode())

    with serving(slow) as server, service_at(server.url, attempts=1) as service:
        names = [vault.name for vault in service.vaults(Deadline(GENEROUS))]
        assert names == [f"v{number}" for number in range(5)]


def test_a_deadline_that_has_passed_sends_nothing():
    with serving(in_turn(WHOLE)) as server:
        with transport_to(server.url) as transport, pytest.raises(DeadlineError):
            transport.get("Ask", "/x", json_body, Deadline(0))
        assert server.requests == []


def test_nobody_listens():
    with socket.create_server(("127.0.0.1", 0)) as free:
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    with transport_to(url, attempts=2) as transport, pytest.raises(UnreachableError) as caught:
        transport.get("Ask", "/x", json_body, Deadline(60))
    assert "refused" in str(caught.value)
    assert "--endpoint" in str(caught.value)


@pytest.fixture
def deaf():
    """A URL to which no connection can be made: the queue of its listener is full."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        waiting = []
        for _ in range(8):
            sock = socket.socket()
            sock.setblocking(False)
            sock.connect_ex(listener.getsockname())
            waiting.append(sock)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        for sock in waiting:
            sock.close()


def test_a_connection_that_cannot_be_made_is_eio_inside_the_deadline(deaf):
    with (
        transport_to(deaf, connect_timeout=0.2, attempts=2) as transport,
        pytest.raises(UnreachableError) as caught,
    ):
        transport.get("Ask", "/x", json_body, Deadline(60))
    assert caught.value.errno == errno.EIO


def test_a_connection_that_cannot_be_made_ends_at_the_deadline(deaf):
    with transport_to(deaf, connect_timeout=60) as transport, pytest.raises(DeadlineError):
        transport.get("Ask", "/x", json_body, Deadline(0.5))


@pytest.mark.parametrize("proxied", [False, True], ids=["direct", "by proxy"])
def test_closing_ends_requests_under_way(proxied, monkeypatch):
    asked = threading.Event()

    def mute(request, wire):
        asked.set()
        wire.hang()

    def reaching(server):
        if proxied:
            return transport_by(server, monkeypatch)
        return transport_to(server.url, read_timeout=600)

    with (
        serving(mute) as server,
        reaching(server) as transport,
        ThreadPoolExecutor(1) as pool,
    ):
        call = pool.submit(transport.get, "Ask", "/x", json_body, Deadline(600))
        assert asked.wait(GENEROUS)
        transport.close()
        with pytest.raises(UnreachableError):
            call.result(GENEROUS)
        assert len(server.requests) == 1


def test_one_stalled_request_leaves_the_others_alone():
    """The watchdog ends the connection of the thread that is late, and no other."""

    def behave(request, wire):
        if request.path == "/stall":
            wire.hang()
            return None
        return WHOLE

    with (
        serving(behave) as server,
        transport_to(server.url, read_timeout=60) as transport,
        ThreadPoolExecutor(4) as pool,
    ):
        late = [
            pool.submit(transport.get, "Ask", "/stall", json_body, Deadline(0.5)) for _ in range(2)
        ]
        while not all(call.done() for call in late):
            transport.get("Ask", "/fine", json_body, Deadline(60))
        for call in late:
            assert isinstance(call.exception(), DeadlineError)
        # Connections of those that were well are still good.
        assert server.connections <= 4
