"""Only the service itself can say that something is gone, or refuse us; others are asked past."""

import gzip
import json
import logging
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casfs import errors
from casfs.deadline import Deadline
from casfs.service.codes import error_code
from casfs.service.error_mapping import json_body
from casfs.service.glacier import glacier
from casfs.service.oas import oas
from tests.support.server import Answer, in_turn, serving
from tests.support.service import KEY, html, refusal, service_at, transport_to

GOOD = Answer(body=b'{"good": true}')
STATUSES = [300, 301, 302, 303, 307, 308, 400, 401, 402, 403, 404, 405, 407, 409, 410, 411, 413]
STATUSES += [414, 415, 416, 418, 421, 422, 423, 424, 426, 428, 431, 444, 451, 460, 463, 494, 499]


def json_answer(status: int, body: object, **headers: str) -> Answer:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(status, json.dumps(body).encode(), {"Content-Type": "application/json", **named})


BODIES = {
    "a page": html(404),
    "nothing": Answer(404),
    "plain text": Answer(404, b"archive not found", {"Content-Type": "text/plain"}),
    "XML of an object store": Answer(404, b"<Error><Code>NoSuchBucket</Code></Error>"),
    "JSON of Kong": json_answer(404, {"message": "no Route matched with those values"}),
    "JSON of Spring": json_answer(404, {"status": 404, "error": "Not Found", "path": "/-/vaults"}),
    "JSON of Kubernetes": json_answer(404, {"kind": "Status", "reason": "NotFound", "code": 404}),
    "JSON with a number": json_answer(404, {"code": 404, "message": "no", "type": "Client"}),
    "JSON with a code of its own": json_answer(404, {"code": "NOT_FOUND", "message": "no"}),
    "JSON with another code": json_answer(404, {"code": "RouteNotFound", "message": "no"}),
    "a list": json_answer(404, [{"code": "ResourceNotFoundException"}]),
    "a text": json_answer(404, "ResourceNotFoundException"),
    "null": json_answer(404, None),
    "a code deeper down": json_answer(404, {"error": {"code": "ResourceNotFoundException"}}),
    "a code in a page": Answer(404, b"<p>ResourceNotFoundException</p>"),
    "a page with a code in a header": Answer(
        404, html(404).body, {"x-amzn-ErrorType": "ResourceNotFoundException:http://a.example/"}
    ),
    "nothing but a code in a header": Answer(
        404, b"", {"x-amzn-ErrorType": "ResourceNotFoundException"}
    ),
    "JSON with a code in a header": json_answer(
        404, {"message": "no"}, x_amzn_ErrorType="ResourceNotFoundException"
    ),
    "JSON with a stray __type": json_answer(404, {"__type": "ResourceNotFoundException"}),
    "JSON with a namespace": json_answer(
        404, {"__type": "com.amazonaws.x#ResourceNotFoundException", "message": "no"}
    ),
    "JSON with Code": json_answer(404, {"Code": "ResourceNotFoundException", "Message": "no"}),
    "JSON of moto's code at another service": json_answer(404, {"__type": "VaultNotFound"}),
    "cut JSON": Answer(404, b'{"code": "ResourceNotFoundException"'),
    "gzip that is none": Answer(
        404, refusal(404, "ResourceNotFoundException").body, {"Content-Encoding": "gzip"}
    ),
    "an unknown encoding": Answer(
        404, refusal(404, "ResourceNotFoundException").body, {"Content-Encoding": "br"}
    ),
}


def ask(*answers, **tries):
    with serving(in_turn(*answers)) as server, transport_to(server.url, **tries) as transport:
        return transport.get("Ask", "/-/vaults", json_body, Deadline(60)), server


@pytest.mark.parametrize("status", STATUSES)
def test_a_page_of_any_status_is_asked_past(status):
    answer = Answer(status, html(status).body, {"Location": "http://127.0.0.1:9/login"})
    assert ask(answer, GOOD)[0] == {"good": True}


@pytest.mark.parametrize("answer", BODIES.values(), ids=BODIES.keys())
def test_a_404_without_the_services_own_code_is_asked_past(answer):
    assert ask(answer, GOOD)[0] == {"good": True}


def test_a_redirect_without_end_is_not_read_to_the_end():
    def endless(request, wire):
        wire.send(Answer(302, headers={"Location": "/x", "Content-Length": str(1 << 40)}).head)
        while True:
            wire.send(b"<p>" * 65536)

    assert ask(endless, GOOD)[0] == {"good": True}


CODES_OF_OTHERS = {
    "a header": lambda status, code: Answer(status, html(status).body, {"x-amzn-ErrorType": code}),
    "a header alone": lambda status, code: Answer(status, b"", {"x-amzn-ErrorType": code}),
    "__type": lambda status, code: json_answer(status, {"__type": code, "message": "no"}),
    "Code": lambda status, code: json_answer(status, {"Code": code, "Message": "no"}),
}


@pytest.mark.parametrize("place", CODES_OF_OTHERS)
@pytest.mark.parametrize(
    ("status", "code"),
    [
        (401, "MissingAuthenticationTokenException"),
        (403, "AccessDeniedException"),
        (403, "ExpiredTokenException"),
        (403, "InvalidSignatureException"),
        (404, "ResourceNotFoundException"),
        (407, "AccessDeniedException"),
        (410, "ResourceNotFoundException"),
        (302, "ResourceNotFoundException"),
        (400, "InvalidParameterValueException"),
        (400, "SerializationException"),
    ],
)
def test_a_code_where_only_others_put_it_ends_nothing(place, status, code):
    """An API gateway of Amazon's says so of itself, for every path that it does not know."""
    assert ask(CODES_OF_OTHERS[place](status, code), GOOD)[0] == {"good": True}


def test_one_that_means_later_wins_over_one_that_ends():
    gone = {"code": "ResourceNotFoundException", "message": "m", "type": "Client"}
    both = json_answer(404, gone, x_amzn_ErrorType="ThrottlingException")
    assert ask(both, GOOD)[0] == {"good": True}


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_never_followed(status):
    with serving(in_turn(GOOD)) as elsewhere:
        answer = Answer(status, b"", {"Location": f"{elsewhere.url}/-/vaults"})
        assert ask(answer, GOOD)[0] == {"good": True}
        assert elsewhere.connections == 0


def test_the_log_says_what_came_and_nothing_that_harms(caplog):
    page = b"<html><head><title>Log \x1b[31min\r\n</title></head>\xff" + b"<p>x" * 9999
    headers = {"Content-Type": "text/html", "Location": "http://u:p@portal.example/?ticket=T0KEN"}
    with caplog.at_level(logging.WARNING):
        ask(Answer(302, page, headers), GOOD)
    (record,) = caplog.records
    told = record.getMessage()
    for part in ("302", "text/html", r"Log \x1b[31min", "portal.example", "not an answer of the"):
        assert part in told
    assert told.isprintable()
    assert "T0KEN" not in told
    assert len(told) < 600


def test_a_proxy_that_wants_a_password_is_reported_as_that():
    with pytest.raises(errors.ForeignAnswerError, match=r"user and a password.*HTTPS_PROXY"):
        ask(Answer(407), attempts=1)


THROTTLED = {
    "code": json_answer(400, {"code": "ThrottlingException", "message": "m"}),
    "Code": json_answer(400, {"Code": "ThrottlingException", "Message": "m"}),
    "__type": json_answer(400, {"__type": "ThrottlingException"}),
    "__type with a namespace": json_answer(
        400, {"__type": "com.amazonaws.glacier#ThrottlingException", "message": "m"}
    ),
    "a header": json_answer(400, {"message": "m"}, x_amzn_ErrorType="ThrottlingException"),
    "a header with a URI": json_answer(
        400, {"message": "m"}, x_amzn_ErrorType="ThrottlingException:http://internal.amazon.com/c#/"
    ),
    "a header and no body": Answer(400, b"", {"x-amzn-errortype": "ThrottlingException:"}),
    "gzip": Answer(
        400,
        gzip.compress(refusal(400, "ThrottlingException").body),
        {"Content-Encoding": "gzip"},
    ),
    "deflate": Answer(
        400, zlib.compress(refusal(400, "SlowDown").body), {"Content-Encoding": "deflate"}
    ),
}


@pytest.mark.parametrize("answer", THROTTLED.values(), ids=THROTTLED.keys())
def test_a_code_is_found_wherever_it_stands(answer):
    with serving(in_turn(answer)) as server, transport_to(server.url, attempts=2) as transport:
        with pytest.raises(errors.ThrottledError):
            transport.get("Ask", "/x", json_body, Deadline(60))
        assert len(server.requests) == 2


LATER = [
    *("Throttling", "ThrottlingException", "ThrottledException", "RequestThrottledException"),
    *("TooManyRequestsException", "ProvisionedThroughputExceededException", "SlowDown"),
    *("TransactionInProgressException", "RequestLimitExceeded", "BandwidthLimitExceeded"),
    *("LimitExceededException", "RequestThrottled", "PriorRequestNotComplete"),
    *("EC2ThrottledException", "InsufficientCapacityException", "RequestTimeoutException"),
    *("RequestTimeout", "InternalFailure", "ServiceUnavailable"),
]


@pytest.mark.parametrize("code", LATER)
@pytest.mark.parametrize("dialect", [None, glacier("-", KEY, "us-east-1"), oas("-", KEY, "")])
def test_a_code_that_means_later_is_asked_again_with_every_service(code, dialect):
    good = Answer(body=b'{"VaultList": [], "Marker": null}')
    for status in (400, 403):
        with (
            serving(in_turn(refusal(status, code), good)) as server,
            service_at(server.url, dialect=dialect) as service,
        ):
            assert list(service.vaults(Deadline(60))) == []


def test_botocore_knows_no_other_codes_of_throttling():
    from botocore.retries.standard import ThrottledRetryableChecker, TransientRetryableChecker

    known = {*ThrottledRetryableChecker._THROTTLED_ERROR_CODES}
    known |= {*TransientRetryableChecker._TRANSIENT_ERROR_CODES}
    for code in known:
        kind = glacier("-", KEY, "").error(code)
        assert kind is not None, code
        assert issubclass(kind, errors.TransientError), code


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (refusal(404, "ResourceNotFoundException"), errors.NotFoundError),
        (refusal(410, "ResourceNotFoundException"), errors.NotFoundError),
        (refusal(403, "ExpiredTokenException"), errors.DeniedError),
        (json_answer(404, {"code": "AccessDeniedException"}), errors.DeniedError),
        (
            Answer(
                404,
                gzip.compress(refusal(404, "ResourceNotFoundException").body),
                {"Content-Encoding": "x-gzip"},
            ),
            errors.NotFoundError,
        ),
    ],
)
def test_the_services_own_refusal_is_believed_at_once(answer, kind):
    with serving(in_turn(answer, GOOD)) as server, transport_to(server.url) as transport:
        with pytest.raises(kind):
            transport.get("Ask", "/x", json_body, Deadline(60))
        assert len(server.requests) == 1


@given(
    st.one_of(st.none(), st.text()),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: (
            st.lists(inner) | st.dictionaries(st.sampled_from(["code", "__type", "Code"]), inner)
        ),
    ),
)
def test_anything_has_a_code_or_none(header, body):
    code = error_code(header, body)
    assert code == "" or (code.isascii() and code.replace(".", "").isalnum())
