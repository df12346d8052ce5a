"""Bytes of a slow body are counted as they come."""

import socket
import threading
from http.client import HTTPResponse
from types import SimpleNamespace
from typing import Any

import pytest

from casfs.errors import TransientError
from casfs.service import body_reader
from casfs.service.body_reader import Receiver
from casfs.service.throttle import Throttle
from casfs.threads import start_thread

PIECES = [bytes(3000), bytes(2000), bytes(1000)]


@pytest.mark.parametrize("chunked", [False, True])
def test_a_slow_line_does_not_look_idle_and_each_byte_counts_once(monkeypatch, chunked):
    monkeypatch.setattr(body_reader, "_NOTE_SECONDS", 0.0)
    noted: list[int] = []
    came = threading.Semaphore(0)

    def note(size: int) -> None:
        noted.append(size)
        came.release()

    size = sum(map(len, PIECES))
    framing = b"Transfer-Encoding: chunked" if chunked else b"Content-Length: %d" % size
    here, there = socket.socketpair()
    with here, there:
        there.sendall(b"HTTP/1.1 206 Said\r\n" + framing + b"\r\n\r\n")
        source = HTTPResponse(here)
        source.begin()
        answer: Any = SimpleNamespace(
            raw=SimpleNamespace(_original_response=source), url="http://localhost/"
        )
        receiver = Receiver(answer, note, Throttle())
        memory = memoryview(bytearray(size))
        filling = start_thread("filling", receiver.fill, memory)
        for piece in PIECES:
            there.sendall(b"%x\r\n%b\r\n" % (len(piece), piece) if chunked else piece)
            # It has not been filled by the first ones.
            assert came.acquire(timeout=10)
        there.sendall(b"0\r\n\r\n" if chunked else b"")
        filling.join(10)
        assert not filling.is_alive()
        source.close()
    assert size <= sum(noted) <= size + 32 * chunked


def test_what_ends_a_body_late_does_not_count_its_bytes_again(monkeypatch):
    noted: list[int] = []
    released: list[bool] = []
    size = 200_000
    here, there = socket.socketpair()
    with here, there:
        there.sendall(b"HTTP/1.1 206 Said\r\nTransfer-Encoding: chunked\r\n\r\n")
        source = HTTPResponse(here)
        source.begin()
        raw = SimpleNamespace(_original_response=source, release_conn=lambda: released.append(True))
        answer: Any = SimpleNamespace(raw=raw, url="http://localhost/")
        receiver = Receiver(answer, noted.append, Throttle())
        sending = start_thread("sending", there.sendall, b"%x\r\n" % size + bytes(size))
        receiver.fill(memoryview(bytearray(size)))
        sending.join(10)
        monkeypatch.setattr(body_reader, "_NOTE_SECONDS", 0.0)
        there.sendall(b"\r\n0\r\n\r\n")
        receiver.finish()
        source.close()
    assert released
    assert size <= sum(noted) <= size + 32


class BreakingSocket(socket.socket):
    """Fails once all that was sent has been received, and counts how often it is asked then."""

    sent = failures = 0

    def recv_into(self, *args):
        if not self.sent:
            self.failures += 1
            raise ConnectionResetError(104, "Connection reset by peer")
        got = super().recv_into(*args)
        self.sent -= got
        return got


def answer_of(here) -> Any:
    source = HTTPResponse(here)
    source.begin()
    return SimpleNamespace(raw=SimpleNamespace(_original_response=source), url="http://localhost/")


@pytest.mark.parametrize("came", [0, 1, 100_000])
def test_a_connection_that_broke_is_not_read_again_and_what_came_is_known(came):
    head = b"HTTP/1.1 206 Said\r\nContent-Length: 200000\r\n\r\n"
    pair, there = socket.socketpair()
    with BreakingSocket(fileno=pair.detach()) as here, there:
        there.sendall(head + bytes(came))
        here.sent = len(head) + came
        answer = answer_of(here)
        with pytest.raises(TransientError, match="reset") as raised:
            Receiver(answer, lambda _: None, Throttle()).fill(memoryview(bytearray(200_000)))
        answer.raw._original_response.close()
    assert (raised.value.received, here.failures) == (came, 1)


@pytest.mark.parametrize(("ahead", "behind"), [(50_000, 1.0), (49_000, 0.0)])
def test_it_is_known_whether_bytes_wait_here_or_are_waited_for(monkeypatch, ahead, behind):
    monkeypatch.setattr(body_reader, "_NOTE_SECONDS", 0.0)
    size, rest = 50_000, [50_000 - ahead]
    here, there = socket.socketpair()
    with here, there:
        there.sendall(b"HTTP/1.1 206 Said\r\nContent-Length: %d\r\n\r\n" % (2 * size))

        def note(_: int) -> None:
            # The second fill has begun: what was missing then comes now.
            if receiver.behind() is not None:
                there.sendall(bytes(rest.pop()) if rest else b"")

        answer = answer_of(here)
        receiver = Receiver(answer, note, Throttle())
        there.sendall(bytes(size))
        receiver.fill(memoryview(bytearray(size)))
        assert receiver.behind() is None
        there.sendall(bytes(ahead))
        receiver.fill(memoryview(bytearray(size)))
        assert receiver.behind() == behind
        answer.raw._original_response.close()
