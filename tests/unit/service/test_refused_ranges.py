"""A range that begins inside a block is given up sooner than a read; there is the whole block."""

import contextlib
import socket
from dataclasses import replace

import pytest

from casfs.deadline import Deadline
from casfs.errors import DeadlineError, RequestError, TransientError
from casfs.service import output_calls
from casfs.service.cas import cas
from casfs.service.service_tuning import TUNING
from tests.support.archive import MIB, Archive, cut_after, output_of_bytes, random_bytes
from tests.support.server import Server, serving
from tests.support.service import KEY, html, refusal, service_at

DATA = random_bytes(2 * MIB)
INSIDE = (MIB // 2, MIB)
# The vault is addressed by its name, so that no listing is needed.
DIALECT = replace(cas("-", KEY, ""), vault_key="VaultName")


def read(url, span, output=None, deadline=10.0, **tries):
    data = bytearray(span[1] - span[0])
    with service_at(url, dialect=DIALECT, **{"attempts": None, **tries}) as service:
        service.outputs.read(
            output or output_of_bytes(DATA),
            span,
            lambda body: body.read_into(memoryview(data)),
            Deadline(deadline),
        )
    return bytes(data)


@contextlib.contextmanager
def answering(*answers):
    """A server that gives these answers to requests for the output, and then the right one."""
    left = list(answers)

    def spoil(request, answer):
        instead = left.pop(0) if left else answer
        return instead(request, answer) if instead in CUTS else instead

    with serving(Archive(DATA, spoil=spoil)) as server:
        yield server


def closed(request, wire):
    """No answer."""


def reset_after_its_head(request, answer):
    def behave(request, wire):
        wire.send(answer.head)
        wire.reset()

    return behave


cut, cut_after_its_head = cut_after(1000), cut_after(0)
CUTS = [cut, cut_after_its_head, reset_after_its_head]


def asked(server: Server) -> int:
    return len(server.spans())


@pytest.mark.parametrize("status", [400, 403, 404, 405, 416, 494, 501])
def test_a_page_that_refuses_it_is_believed_at_once_and_the_job_is_not_asked(status):
    with answering(html(status)) as server:
        with pytest.raises(RequestError, match=str(status)):
            read(server.url, INSIDE)
        assert len(server.requests) == 1


FAILURES = {
    "closed": closed,
    "closed after its head": cut_after_its_head,
    "reset after its head": reset_after_its_head,
    "500": html(500),
    "502": html(502),
    "503": refusal(503, "SlowDown"),
}


@pytest.mark.parametrize("failure", FAILURES.values(), ids=FAILURES.keys())
def test_three_failures_in_a_row_refuse_it_if_they_take_a_while(failure, monkeypatch):
    with answering(*[failure] * 5) as server:
        # A server that restarts is back within a second; pauses are short here.
        assert read(server.url, INSIDE) == DATA[slice(*INSIDE)]
    monkeypatch.setattr(output_calls, "TUNING", replace(TUNING, inside_seconds=0.0))
    with answering(*[failure] * 3) as server:
        with pytest.raises(RequestError):
            read(server.url, INSIDE)
        assert len(server.requests) == 3
    with answering(failure, failure, cut, failure, failure) as server:
        assert read(server.url, INSIDE) == DATA[slice(*INSIDE)]
        assert asked(server) == 6


def test_what_puts_off_or_comes_from_elsewhere_does_not_refuse_it():
    slow, portal = refusal(400, "ThrottlingException"), html(302)
    with answering(slow, portal, slow, portal, html(429)) as server:
        assert read(server.url, INSIDE) == DATA[slice(*INSIDE)]
        assert asked(server) == 6


@pytest.mark.parametrize("failure", [closed, html(403), html(501), html(503)])
def test_whole_blocks_are_asked_for_until_the_deadline(failure):
    with answering(*[failure] * 5) as server:
        assert read(server.url, (0, MIB)) == DATA[:MIB]
        assert asked(server) == 6


def test_nobody_who_listens_is_nobody_who_refuses():
    with socket.create_server(("127.0.0.1", 0)) as free:
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    with pytest.raises(DeadlineError):
        read(url, INSIDE, deadline=0.7)


def test_silence_is_no_refusal():
    with answering(*[lambda request, wire: wire.hang()] * 4) as server:
        assert read(server.url, INSIDE, read_timeout=0.1) == DATA[slice(*INSIDE)]
        assert asked(server) == 5


def test_fewer_attempts_are_enough_where_there_may_not_be_more():
    with answering(closed) as server, pytest.raises(RequestError):
        read(server.url, INSIDE, attempts=1)
    with answering(closed) as server, pytest.raises(TransientError):
        read(server.url, (0, MIB), attempts=1)


def test_a_size_that_was_measured_is_not_measured_again_because_of_it():
    measured = replace(output_of_bytes(DATA), measured=True)
    with answering(html(416)) as server:
        with pytest.raises(RequestError):
            read(server.url, INSIDE, measured)
        assert server.spans() == [INSIDE]
