"""A call is repeated until its deadline, with pauses, and when the service wants it to be."""

import socket
import threading
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casfs.deadline import Deadline
from casfs.errors import DeadlineError, MismatchError, ThrottledError, TransientError
from casfs.service.error_mapping import json_body
from casfs.service.retries import Limits, retry_after
from tests.support.server import Answer, in_turn, serving
from tests.support.service import html, refusal, transport_to

GOOD = Answer(body=b'{"good": true}')
PAUSE = 0.02
"""Seconds of the longest pause of these tests; that of casfs is 5."""


def until(seconds, bad):
    """Answer with `bad` for so long, then well."""
    end = time.monotonic() + seconds

    def behave(request, wire):
        answer = bad if time.monotonic() < end else GOOD
        return answer if isinstance(answer, Answer) else answer(request, wire)

    return behave


def ask(url, deadline=60.0, **tries):
    with transport_to(url, **{"attempts": None, "pause": PAUSE} | tries) as transport:
        return transport.get("Ask", "/x", json_body, Deadline(deadline))


OUTAGES = {
    "reset": lambda request, wire: wire.reset(),
    "closed": lambda request, wire: None,
    "408": html(408),
    "429": html(429),
    "500": html(500),
    "503": html(503),
    "529": html(529),
    "throttled": refusal(400, "ThrottlingException"),
    "404 of a gateway": html(404),
    "200 of a captive portal": html(200),
}


def test_what_the_deadline_ends_was_ended_by_it_even_if_that_was_the_last_attempt():
    with (
        serving(lambda request, wire: wire.hang()) as server,
        pytest.raises(DeadlineError, match=r"gave up after 1 attempt in 0.3 s"),
    ):
        ask(server.url, deadline=0.3, attempts=1)


@pytest.mark.parametrize("bad", OUTAGES.values(), ids=OUTAGES.keys())
def test_an_outage_longer_than_many_attempts_costs_no_error(bad):
    with serving(until(1.5, bad)) as server:
        assert ask(server.url) == {"good": True}
        assert len(server.requests) > 12


def test_nothing_limits_attempts_unless_a_setting_does():
    assert Limits().attempts is None


def test_refused_connections_are_asked_again_until_somebody_listens():
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    opened = threading.Event()

    def listen():
        opened.wait(1.0)
        with socket.create_server(("127.0.0.1", port)) as listener, listener.accept()[0] as sock:
            sock.recv(65536)
            sock.sendall(GOOD.head + GOOD.body)

    thread = threading.Thread(target=listen)
    thread.start()
    try:
        assert ask(f"http://127.0.0.1:{port}") == {"good": True}
    finally:
        opened.set()
        thread.join()


def test_a_name_that_is_not_known_for_a_while_is_looked_up_again(monkeypatch):
    """As after a suspend, before the network is there."""
    look_up, end = socket.getaddrinfo, time.monotonic() + 1.0

    def getaddrinfo(host, *more, **named):
        if host == "cas.example" and time.monotonic() < end:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return look_up("127.0.0.1" if host == "cas.example" else host, *more, **named)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    with serving(in_turn(GOOD)) as server:
        assert ask(f"http://cas.example:{server.port}") == {"good": True}


def test_asking_goes_on_until_just_before_the_deadline():
    with serving(in_turn(html(502))) as server:
        began = time.monotonic()
        with pytest.raises(DeadlineError, match=r"502.*gave up after \d+ attempts in 2 s"):
            ask(server.url, deadline=2, pause=5)
        assert 1.5 < time.monotonic() - began < 20


@pytest.mark.parametrize("status", [429, 503, 404, 302])
@pytest.mark.parametrize("form", ["seconds", "date"])
def test_a_service_that_says_when_is_asked_then_and_not_before(status, form):
    now = datetime.now(UTC).replace(microsecond=0)
    # The service's clock is what its dates are to be read by.
    theirs = now + timedelta(hours=7)
    when = "2" if form == "seconds" else format_datetime(theirs + timedelta(seconds=2), usegmt=True)
    headers = {"Retry-After": when, "Date": format_datetime(theirs, usegmt=True)}
    with serving(in_turn(Answer(status, b"", headers), GOOD)) as server:
        began = time.monotonic()
        assert ask(server.url) == {"good": True}
        assert 2 <= time.monotonic() - began < 20
        assert len(server.requests) == 2


HOSTILE = ["-5", "0", "", "soon", "1e3", "inf", "nan", "9" * 5000, "3600", "0x10", "٣", "-" * 9999]
HOSTILE += ["Fri, 31 Dec 9999 23:59:59 GMT", "Thu, 01 Jan 1970 00:00:00 GMT", "Fri, 99 Foo 20"]


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: text[:20])
def test_whatever_a_service_says_the_deadline_is_kept_and_the_last_moment_used(text):
    answer = Answer(503, b"", {"Retry-After": text.encode().decode("latin-1")})
    with serving(in_turn(answer, GOOD)) as server:
        began = time.monotonic()
        assert ask(server.url, deadline=2) == {"good": True}
        assert time.monotonic() - began < 20
    with serving(in_turn(answer)) as server:
        began = time.monotonic()
        with pytest.raises(DeadlineError):
            ask(server.url, deadline=1)
        assert time.monotonic() - began < 20
        assert len(server.requests) > 1


@given(st.text() | st.integers().map(str) | st.floats().map(str))
def test_retry_after_is_a_time_to_come_or_nothing(text):
    seconds = retry_after({"Retry-After": text})
    assert seconds is None or 0 < seconds <= 1e9


def test_a_throttled_call_that_may_be_sent_twice_ends_with_what_was_said():
    with serving(in_turn(refusal(400, "ThrottlingException"))) as server:
        with pytest.raises(ThrottledError):
            ask(server.url, attempts=2)
        assert len(server.requests) == 2


def test_bytes_that_do_not_match_are_not_received_for_ever():
    """Each time costs traffic; and what is wrong ten times will be wrong."""

    def consume(answer):
        json_body(answer)
        raise MismatchError("not these")

    with serving(in_turn(GOOD)) as server:
        with transport_to(server.url, attempts=None) as transport, pytest.raises(MismatchError):
            transport.get("Ask", "/x", consume, Deadline(60))
        assert len(server.requests) == 10


def test_an_answer_that_breaks_off_after_progress_is_not_received_for_ever():
    deadline = Deadline(60)

    def break_off(answer):
        deadline.restart()
        raise TransientError("it broke off")

    with (
        serving(in_turn(Answer(200, b"{}"))) as server,
        transport_to(server.url, attempts=None) as t,
    ):
        with pytest.raises(TransientError, match="it broke off"):
            t.get("Get", "/", break_off, deadline)
        assert len(server.requests) == 10


def test_a_pause_that_a_service_asks_for_ends_when_the_client_is_closed():
    answer = Answer(503, b"", {"Retry-After": "50"})
    asked = threading.Event()

    def behave(request, wire):
        asked.set()
        return answer

    with serving(behave) as server, transport_to(server.url, attempts=None) as transport:

        def close():
            asked.wait(30)
            transport.close()

        closing = threading.Thread(target=close)
        closing.start()
        began = time.monotonic()
        with pytest.raises(TransientError):
            transport.get("Ask", "/x", json_body, Deadline(60))
        assert time.monotonic() - began < 30
        closing.join()
