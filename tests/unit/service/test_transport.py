"""What is asked again, on which connection, and what an error says."""

import errno
import gzip
import logging
import traceback
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from casfs import errors
from casfs.deadline import Deadline
from casfs.metrics import Metrics
from casfs.service.error_mapping import json_body
from tests.support.emulator.running import SECRET
from tests.support.server import Answer, Behaviour, Server, in_turn, serving
from tests.support.service import html, refusal, transport_to

GOOD = Answer(body=b'{"good": true}')


def ask(server: Server, *, deadline: float = 60, metrics: Metrics | None = None, **tries: float):
    with transport_to(server.url, metrics, **tries) as transport:
        return transport.get("Ask", "/-/vaults", json_body, Deadline(deadline))


TRANSIENT: dict[str, Answer | Behaviour] = {
    "throttled as 400": refusal(400, "ThrottlingException"),
    "throttled as 429": html(429),
    "time-out of the service": refusal(408, "RequestTimeoutException"),
    "service down": refusal(500, "ServiceUnavailableException"),
    "unknown 500": refusal(500, "Whatever"),
    "proxy 502": html(502),
    "proxy 503": html(503),
    "proxy 504 without a body": Answer(504),
    "reset": lambda request, wire: wire.reset(),
    "closed without an answer": lambda request, wire: None,
    "not HTTP": lambda request, wire: wire.send(b"\x00\xff what?\r\n\r\n"),
    "cut head": lambda request, wire: wire.send(b"HTTP/1.1 200 OK\r\nContent-"),
    "cut body": lambda request, wire: wire.send(Answer(body=b"x" * 99).head + b'{"good"'),
    "cut body of a throttled 400": lambda request, wire: wire.send(
        refusal(400, "ThrottlingException").head + b'{"code": "Thrott'
    ),
    "cut body of an error": lambda request, wire: wire.send(html(502).head + b"<ht"),
    "HTML as 200": html(200),
    "no body as 200": Answer(200),
    "JSON, but a list": Answer(body=b"[1]"),
    "JSON in an encoding of its own": Answer(body=GOOD.body, headers={"Content-Encoding": "br"}),
    "JSON that is not the gzip it says": Answer(
        body=GOOD.body, headers={"Content-Encoding": "gzip"}
    ),
    "cut gzip": Answer(body=gzip.compress(GOOD.body)[:-9], headers={"Content-Encoding": "gzip"}),
}


@pytest.mark.parametrize("wrong", TRANSIENT.values(), ids=TRANSIENT.keys())
def test_what_may_succeed_next_time_is_asked_again_on_a_new_connection(wrong):
    metrics = Metrics()
    with serving(in_turn(wrong, GOOD)) as server:
        assert ask(server, metrics=metrics) == {"good": True}
        assert [request.connection for request in server.requests] == [0, 1]
        assert len({request.path for request in server.requests}) == 1
    failures = metrics.as_dict()["failures"]
    assert isinstance(failures, dict)
    assert sum(failures.values()) == 1


@pytest.mark.parametrize("wrong", TRANSIENT.values(), ids=TRANSIENT.keys())
def test_when_it_never_succeeds_attempts_end_in_eio(wrong):
    with serving(in_turn(wrong)) as server:
        with pytest.raises(errors.TransientError) as caught:
            ask(server, attempts=3)
        assert caught.value.errno == errno.EIO
        assert len(server.requests) == 3


FINAL = {
    "bad signature": (refusal(400, "InvalidSignatureException"), errors.DeniedError),
    "no credentials": (refusal(400, "MissingAuthenticationTokenException"), errors.DeniedError),
    "unknown key": (refusal(400, "UnrecognizedClientException"), errors.DeniedError),
    "denied": (refusal(403, "AccessDeniedException"), errors.ForbiddenError),
    "denied by a code of its own": (refusal(401, "SomethingNew"), errors.DeniedError),
    "not there": (refusal(404, "ResourceNotFoundException"), errors.NotFoundError),
    "gone": (refusal(410, "ResourceNotFoundException"), errors.NotFoundError),
    "not there, by another code": (refusal(404, "SomethingNew"), errors.RequestError),
    "bad request": (refusal(400, "BadRequest"), errors.RequestError),
    "bad parameter": (refusal(400, "InvalidParameterValueException"), errors.RequestError),
    "unknown code": (refusal(400, "SomethingNew"), errors.RequestError),
    "a redirect of its own": (refusal(301, "BadRequest"), errors.RequestError),
}


@pytest.mark.parametrize(("wrong", "kind"), FINAL.values(), ids=FINAL.keys())
def test_what_would_fail_again_is_not_asked_again(wrong, kind):
    with serving(in_turn(wrong, GOOD)) as server:
        with pytest.raises(kind) as caught:
            ask(server)
        assert type(caught.value) is kind
        assert len(server.requests) == 1


def test_an_error_says_what_the_service_said_and_what_to_do():
    with serving(in_turn(refusal(400, "InvalidSignatureException", "wrong key"))) as server:
        with pytest.raises(errors.DeniedError) as caught:
            ask(server)
        told = str(caught.value)
        for part in (server.url, "Ask", "400", "InvalidSignatureException", "wrong key"):
            assert part in told
        assert "request-42" in told
        assert "check the keys" in told


def test_connections_are_used_again_after_a_good_answer():
    with serving(in_turn(GOOD)) as server, transport_to(server.url) as transport:
        for _ in range(5):
            transport.get("Ask", "/-/vaults", json_body, Deadline(60))
        assert server.connections == 1


def test_what_a_service_repeats_of_a_request_is_not_handed_on():
    """Amazon's refusal of a signature does, with the session token in it, on many lines."""
    told = (
        "The signature does not match.\n\nThe Canonical String should have been\n'GET\n"
        "x-amz-security-token:TOKEN-SECRET\n" + "x" * 5000
    )
    odd = "X-Amz-Security-Token: TOKEN-SECRET is \x1b[31mwrong " + "y" * 5000
    for message in (told, odd):
        refused = refusal(403, "InvalidSignatureException", message)
        with serving(in_turn(refused)) as server, pytest.raises(errors.DeniedError) as caught:
            ask(server)
        assert "TOKEN-SECRET" not in str(caught.value)
        assert str(caught.value).isprintable()
        assert len(str(caught.value)) < 700


def test_a_body_that_is_nested_without_end_is_a_wrong_answer():
    with (
        serving(in_turn(Answer(body=b"[" * 200_000))) as server,
        pytest.raises(errors.WrongAnswerError, match="JSON"),
    ):
        ask(server, attempts=1)


def test_an_error_body_without_end_is_not_read_to_the_end():
    """A proxy's page may be as long as it likes."""

    def endless(request, wire):
        wire.send(Answer(404, headers={"Content-Length": str(1 << 40)}).head)
        while True:
            wire.send(b"<p>" * 65536)

    with serving(endless) as server, pytest.raises(errors.ForeignAnswerError):
        ask(server, attempts=1)


def test_parameters_and_odd_names_arrive_as_they_were_meant():
    with serving(in_turn(GOOD)) as server, transport_to(server.url) as transport:
        parameters = {"marker": "a/b+c d&e=f%", "limit": "7"}
        transport.get("Ask", "/-/vaults/../x", json_body, Deadline(60), parameters)
        (request,) = server.requests
        assert request.query == parameters
        assert request.path == "/-/vaults/../x"
        assert request.headers["host"] == f"127.0.0.1:{server.port}"


def test_what_is_asked_again_is_signed_again():
    """A signature holds for minutes, asking again may go on for longer."""
    with serving(in_turn(html(502), GOOD)) as server:
        ask(server)
        assert all("q-signature=" in r.headers["authorization"] for r in server.requests)


def test_no_log_and_no_traceback_holds_the_secret(caplog):
    with (
        caplog.at_level(logging.DEBUG),
        serving(in_turn(TRANSIENT["reset"])) as server,
        pytest.raises(errors.UnreachableError) as caught,
    ):
        ask(server)
    told = caplog.text + "".join(traceback.format_exception(caught.value)) + repr(caught.value)
    assert SECRET not in told
    assert "q-signature" not in told


def test_a_closed_transport_says_so_without_asking():
    with serving(in_turn(GOOD)) as server, transport_to(server.url) as transport:
        transport.close()
        with pytest.raises(errors.UnreachableError, match="closed"):
            transport.get("Ask", "/-/vaults", json_body, Deadline(60))
        assert server.requests == []


def test_proxies_of_the_environment_are_used(monkeypatch):
    with serving(in_turn(GOOD)) as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        monkeypatch.delenv("no_proxy", raising=False)
        monkeypatch.delenv("NO_PROXY", raising=False)
        with transport_to("http://cas.example.invalid") as transport:
            transport.get("Ask", "/-/vaults", json_body, Deadline(60))
        assert proxy.requests[0].headers["host"] == "cas.example.invalid"


@pytest.mark.parametrize(
    ("ahead", "told"),
    [(timedelta(hours=2), "120 minutes behind"), (timedelta(hours=-1), "60 minutes ahead of")],
)
def test_a_refusal_by_a_server_of_another_time_is_laid_on_the_clock(ahead, told):
    date = format_datetime(datetime.now(UTC) + ahead, usegmt=True)
    refused = refusal(403, "RequestTimeTooSkewed")
    answer = replace(refused, headers={**refused.headers, "Date": date})
    with (
        serving(in_turn(answer)) as server,
        pytest.raises(errors.DeniedError, match=f"clock is {told}"),
    ):
        ask(server)


@pytest.mark.parametrize("date", [None, "yesterday", "now"])
def test_a_refusal_by_a_server_of_our_time_is_not(date):
    headers = {"Date": format_datetime(datetime.now(UTC), usegmt=True) if date == "now" else date}
    answer = replace(refusal(403, "InvalidSignatureException"), headers=headers)
    with (
        serving(in_turn(answer)) as server,
        pytest.raises(errors.DeniedError, match="check the keys"),
    ):
        ask(server)


def test_it_may_be_asked_again_however_often_nothing_could_be_used():
    with transport_to("http://127.0.0.1:1", attempts=None) as transport:
        assert transport.may_ask_again(5000, Deadline(10))
        assert transport.may_ask_again(0, Deadline(10), little=True)
    with transport_to("http://127.0.0.1:1", attempts=3) as transport:
        assert transport.may_ask_again(2, Deadline(10))
        assert not transport.may_ask_again(3, Deadline(10))
