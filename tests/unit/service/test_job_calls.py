"""A job is asked for once, in each service's own words, whatever becomes of the answer."""

import gzip
import json
import socket
import ssl
from contextlib import contextmanager
from datetime import UTC, datetime

import pytest

from casfs.deadline import Deadline
from casfs.errors import RequestError
from casfs.job_requests import (
    InventoryQuery,
    JobRequest,
    NotAccepted,
    PolicyKind,
    Refusal,
    RetrievalPolicy,
    Started,
    Tier,
    Unknown,
)
from casfs.service.cas import cas
from casfs.service.glacier import glacier
from casfs.service.oas import oas
from tests.support.server import Answer, in_turn, serving
from tests.support.service import KEY, html, service_at

MAKERS = {"cas": cas, "glacier": glacier, "oas": oas}
HEADERS = {"cas": "x-cas-job-id", "glacier": "x-amz-job-id", "oas": "x-oas-job-id"}
VAULT_ID = "0123456789ABCDEF0123456789ABCDEF"
ARCHIVE = JobRequest(vault="photos", archive_id="an-archive", tier=Tier.STANDARD)
VAULT = {"VaultName": "photos", "VaultId": VAULT_ID}
VAULTS = {"VaultList": [VAULT], "Marker": ""} | VAULT


def dialect(name):
    return MAKERS[name]("-", KEY, "eu-west-1")


def said(status, code, message="because", **more):
    body = {"code": code, "message": message, "type": "Client", **more}
    return Answer(status, json.dumps(body).encode(), {"Content-Type": "application/json"})


def started(name, job="a-job"):
    return Answer(202, b"", {HEADERS[name]: job, "Location": f"/-/vaults/photos/jobs/{job}"})


@contextmanager
def asking(name, behaviour, **tries):
    """A service, and the server behind it: `behaviour` answers each POST."""

    def behave(request, wire):
        if request.method == "POST":
            return behaviour if isinstance(behaviour, Answer) else behaviour(request, wire)
        return Answer(body=json.dumps(VAULTS).encode())

    with serving(behave) as server, service_at(server.url, dialect=dialect(name), **tries) as asked:
        yield asked, server


def posts(server):
    return [request for request in server.requests if request.method == "POST"]


def outcome(name, behaviour, request=None, deadline=20.0, **tries):
    """What one request comes to; it is never sent twice."""
    tier = None if name == "oas" else Tier.STANDARD
    request = request or JobRequest(vault="photos", archive_id="an-archive", tier=tier)
    with asking(name, behaviour, **tries) as (service, server):
        found = service.start_job(request, Deadline(deadline))
        assert len(posts(server)) == 1
    return found


@pytest.mark.parametrize("name", MAKERS)
def test_a_job_for_a_range_of_an_archive_is_asked_for_in_the_words_of_the_service(name):
    topic, call_back = {
        "cas": (None, "http://a.example/done"),
        "glacier": ("arn:aws:sns:eu-west-1:123456789012:done", None),
        "oas": (None, None),
    }[name]
    request = JobRequest(
        vault="photos",
        archive_id="an-archive",
        byte_range=(1 << 20, (3 << 20) - 1),
        tier=Tier.STANDARD if name == "oas" else Tier.BULK,
        description="casfs 1 token",
        sns_topic=topic,
        call_back=call_back,
    )
    with asking(name, started(name)) as (service, server):
        assert service.start_job(request, Deadline(20)) == Started("a-job")
        (sent,) = posts(server)
    assert sent.path == ("/vaults/" + VAULT_ID if name == "oas" else "/-/vaults/photos") + "/jobs"
    assert sent.headers["authorization"]
    common = {
        "Type": "archive-retrieval",
        "ArchiveId": "an-archive",
        "RetrievalByteRange": "1048576-3145727",
        "Description": "casfs 1 token",
    }
    more = {
        "cas": {"Tier": "Bulk", "CallBackUrl": call_back},
        "glacier": {"Tier": "Bulk", "SNSTopic": topic},
        "oas": {},
    }
    assert json.loads(sent.body) == common | more[name]


@pytest.mark.parametrize("name", MAKERS)
def test_an_inventory_is_asked_for_in_the_words_of_the_service(name):
    query = InventoryQuery(
        format="CSV",
        since=datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC),
        until=datetime(2025, 1, 2, tzinfo=UTC),
        limit=100,
        marker="on",
    )
    request = JobRequest(vault="photos", inventory=InventoryQuery() if name == "oas" else query)
    with asking(name, started(name)) as (service, server):
        assert service.start_job(request, Deadline(20)) == Started("a-job")
        (sent,) = posts(server)
    limits = {"StartDate": "2024-01-02T03:04:05Z", "EndDate": "2025-01-02T00:00:00Z"}
    limits |= {"Limit": "100", "Marker": "on"}
    more = {} if name == "oas" else {"Format": "CSV", "InventoryRetrievalParameters": limits}
    assert json.loads(sent.body) == {"Type": "inventory-retrieval", **more}


@pytest.mark.parametrize(
    ("name", "request_"),
    [
        ("oas", JobRequest(vault="photos", archive_id="a", tier=Tier.BULK)),
        ("oas", JobRequest(vault="photos", inventory=InventoryQuery(limit=1))),
        ("oas", JobRequest(vault="photos", inventory=InventoryQuery(format="CSV"))),
        ("oas", JobRequest(vault="photos", archive_id="a", call_back="http://a.example")),
        ("cas", JobRequest(vault="photos", archive_id="a", sns_topic="arn:aws:sns:::t")),
        ("glacier", JobRequest(vault="photos", archive_id="a", call_back="http://a.example")),
    ],
)
def test_what_a_service_does_not_have_is_not_asked_for(name, request_):
    with asking(name, started(name)) as (service, server):
        with pytest.raises(RequestError, match="nothing was sent"):
            service.start_job(request_, Deadline(20))
        assert posts(server) == []


@pytest.mark.parametrize("text", ["caf\xe9", "a\nb", "x" * 1025])
def test_a_description_that_would_be_refused_cannot_be_made(text):
    with pytest.raises(ValueError, match="description"):
        JobRequest(vault="photos", description=text)


GONE = "ResourceNotFoundException"
NAMED = {"Content-Type": "application/json"}


def plain(status, body, **headers):
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(status, body if isinstance(body, bytes) else json.dumps(body).encode(), named)


REFUSED = [
    (said(400, "PolicyEnforcedException"), Refusal.POLICY),
    (said(503, "InsufficientCapacityException"), Refusal.CAPACITY),
    (said(400, "InsufficientCapacityException"), Refusal.CAPACITY),
    (said(400, "ThrottlingException"), Refusal.THROTTLED),
    (said(503, "ThrottlingException", type="Server"), Refusal.THROTTLED),
    (plain(429, b"", x_amzn_ErrorType="TooManyRequestsException"), Refusal.THROTTLED),
    (said(400, "LimitExceededException"), Refusal.LIMIT),
    (said(400, "InvalidParameterValueException"), Refusal.INVALID),
    (said(400, "CodeOfTheFutureException"), Refusal.INVALID),
    (said(403, "AccessDeniedException"), Refusal.DENIED),
    (said(400, "InvalidSignatureException"), Refusal.DENIED),
    (
        plain(400, {"__type": "com.amazonaws.glacier#PolicyEnforcedException", "message": "m"}),
        Refusal.POLICY,
    ),
    (
        plain(400, b"{}", x_amzn_ErrorType="InsufficientCapacityException:http://a.example/"),
        Refusal.CAPACITY,
    ),
    (plain(400, {"Code": "Throttling", "Message": "slower"}), Refusal.THROTTLED),
    (
        plain(
            400,
            gzip.compress(said(400, "PolicyEnforcedException").body),
            Content_Encoding="gzip",
        ),
        Refusal.POLICY,
    ),
]


@pytest.mark.parametrize("name", ["cas", "glacier"])
@pytest.mark.parametrize(("answer", "why"), REFUSED)
def test_the_code_of_a_refusal_says_why_nothing_was_started(answer, why, name):
    found = outcome(name, answer)
    assert isinstance(found, NotAccepted)
    assert found.why is why
    assert found.code in found.message
    assert "Initiate Job" in found.message


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (said(502, "ServiceUnavailable", type="server"), Refusal.THROTTLED),
        (said(404, "ArchiveNotExists"), Refusal.ARCHIVE_GONE),
        (said(404, "VaultNotExists"), Refusal.VAULT_GONE),
        (said(400, "InvalidArgument"), Refusal.INVALID),
        (said(400, "JobJsonFormatError"), Refusal.INVALID),
        (said(403, "SignatureDoesNotMatch"), Refusal.DENIED),
    ],
)
def test_the_codes_of_oas_say_why_nothing_was_started(answer, why):
    found = outcome("oas", answer)
    assert isinstance(found, NotAccepted)
    assert found.why is why


def test_what_the_service_asks_for_is_reported():
    answer = said(400, "ThrottlingException")
    found = outcome("cas", Answer(400, answer.body, {"Retry-After": "7"}))
    assert isinstance(found, NotAccepted)
    assert found.retry_after == 7.0


UNKNOWN = {
    "the service failed": said(500, "ServiceUnavailableException", type="Server"),
    "a code of a failure": said(500, "InternalFailure", type="Server"),
    "a code of a failure as 400": said(400, "ServiceUnavailableException"),
    "a time-out of the service": said(408, "RequestTimeoutException"),
    "an unknown code of the service": said(500, "CodeOfTheFutureException", type="Server"),
    "an earlier request": said(400, "TransactionInProgressException"),
    "a page of a gateway": html(502),
    "a page that is found": html(200),
    "a page with the right status": html(202),
    "a page that throttles": html(429),
    "a page that forbids": html(403),
    "a page that finds nothing": html(404),
    "JSON without a code": plain(400, {"message": "Bad Request"}),
    "a gateway in JSON": plain(502, {"code": "ServiceUnavailable"}),
    "nothing": Answer(503),
    "accepted without a job": Answer(202),
    "a refusal that was accepted": said(202, "ThrottlingException"),
    "a redirect": Answer(307, b"", {"Location": "/-/vaults/photos/jobs/elsewhere"}),
}


@pytest.mark.parametrize("name", MAKERS)
@pytest.mark.parametrize("answer", UNKNOWN.values(), ids=UNKNOWN)
def test_what_nobody_knows_is_unknown(answer, name):
    assert isinstance(outcome(name, answer), Unknown)


def reset(request, wire):
    wire.reset()


def close(request, wire):
    return None


def hang(request, wire):
    wire.hang()


def half_a_head(request, wire):
    wire.send(b"HTTP/1.1 202 Acc")


def no_http(request, wire):
    wire.send(b"SSH-2.0-OpenSSH_9.2\r\n\r\n")


def half_an_error(request, wire):
    body = said(400, "ThrottlingException").body
    wire.send(b"HTTP/1.1 400 Bad\r\nContent-Length: 1000\r\n\r\n" + body[:20])


LOST = (reset, close, hang, half_a_head, no_http, half_an_error)


@pytest.mark.parametrize("behaviour", LOST, ids=lambda one: one.__name__)
def test_an_answer_that_is_lost_is_unknown_and_nothing_is_sent_again(behaviour):
    assert isinstance(outcome("cas", behaviour, read_timeout=0.3), Unknown)


def test_an_answer_that_trickles_is_unknown_when_the_deadline_has_passed():
    def trickle(request, wire):
        wire.trickle(b"HTTP/1.1 202 Accepted\r\n" * 1000, 0.05)

    assert isinstance(outcome("cas", trickle, deadline=0.5), Unknown)


def test_a_body_that_breaks_off_does_not_hide_the_job():
    def behave(request, wire):
        wire.send(b"HTTP/1.1 202 Accepted\r\nx-cas-job-id: J1\r\nContent-Length: 9\r\n\r\nno")

    assert outcome("cas", behave, read_timeout=0.3) == Started("J1")


@pytest.mark.parametrize("name", MAKERS)
def test_a_job_may_be_told_by_its_path_alone(name):
    answer = Answer(202, b"", {"Location": "//vaults/photos/jobs/J-2_x"})
    assert outcome(name, answer) == Started("J-2_x")


def test_an_idle_connection_that_died_is_not_used():
    def behave(request, wire):
        return started("cas")

    with asking("cas", behave) as (service, server):
        list(service.vaults(Deadline(20)))
        assert server.connections == 1
        assert isinstance(service.start_job(ARCHIVE, Deadline(20)), Started)
        assert posts(server)[0].connection == 1


def unsent(url, name="cas", deadline=20.0):
    with service_at(url, dialect=dialect(name), connect_timeout=0.3) as service:
        found = service.start_job(ARCHIVE, Deadline(deadline))
    assert isinstance(found, NotAccepted)
    assert found.why is Refusal.NOT_SENT
    return found


def test_what_reached_nobody_was_not_accepted():
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    unsent(f"http://127.0.0.1:{port}")
    unsent("http://no-such-host.invalid")


def test_a_server_that_speaks_no_tls_accepted_nothing():
    with serving(in_turn(started("cas"))) as server:
        unsent(server.url.replace("http:", "https:"))
        assert posts(server) == []


def test_a_proxy_that_refuses_the_tunnel_forwarded_nothing(monkeypatch):
    with serving(in_turn(Answer(403, b"no"))) as proxy:
        monkeypatch.setenv("https_proxy", proxy.url)
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        unsent("https://cas.a.example")
        assert [request.method for request in proxy.requests] == ["CONNECT"]


def test_nothing_is_sent_after_the_deadline_or_when_the_client_is_closed():
    with asking("cas", started("cas")) as (service, server):
        found = service.start_job(ARCHIVE, Deadline(0))
        assert isinstance(found, NotAccepted)
        assert found.why is Refusal.NOT_SENT
        service.close()
        found = service.start_job(ARCHIVE, Deadline(20))
        assert isinstance(found, NotAccepted)
        assert found.why is Refusal.NOT_SENT
        assert server.requests == []


def test_a_certificate_that_is_not_trusted_stops_the_request(tmp_path):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with serving(in_turn(started("cas")), context) as server:
        unsent(server.url)
        assert server.requests == []


@pytest.mark.parametrize(
    ("request_", "vault", "why"),
    [
        (ARCHIVE, True, Refusal.ARCHIVE_GONE),
        (ARCHIVE, False, Refusal.VAULT_GONE),
        (JobRequest(vault="photos"), True, Refusal.NO_INVENTORY),
    ],
)
def test_what_is_gone_is_found_out(request_, vault, why):
    def behave(request, wire):
        if request.method == "GET" and vault:
            return Answer(body=json.dumps(VAULT).encode())
        return said(404, GONE, "not found")

    with serving(behave) as server, service_at(server.url, dialect=dialect("glacier")) as service:
        found = service.start_job(request_, Deadline(20))
        assert len(posts(server)) == 1
    assert isinstance(found, NotAccepted)
    assert found.why is why


def test_a_vault_that_oas_does_not_list_is_gone():
    request = JobRequest(vault="others", archive_id="a")
    with asking("oas", started("oas")) as (service, server):
        found = service.start_job(request, Deadline(20))
        assert posts(server) == []
    assert isinstance(found, NotAccepted)
    assert found.why is Refusal.VAULT_GONE


def test_no_secret_that_an_answer_repeats_is_shown():
    secret = f"OAS {KEY.access_key_id}:c2VjcmV0c2VjcmV0MDEyMw=="
    body = json.dumps({"message": f"Authorization: {secret}"}).encode()
    for answer in (said(403, "AccessDeniedException", secret), Answer(502, body)):
        found = outcome("cas", answer)
        assert "c2VjcmV0" not in repr(found)


@pytest.mark.parametrize(
    ("rule", "policy"),
    [
        ({"Strategy": "None"}, RetrievalPolicy(PolicyKind.NONE)),
        ({"Strategy": "FreeTier"}, RetrievalPolicy(PolicyKind.FREE_TIER)),
        (
            {"Strategy": "BytesPerHour", "BytesPerHour": 5 << 30},
            RetrievalPolicy(PolicyKind.BYTES_PER_HOUR, 5 << 30),
        ),
        ({"Strategy": "Whatever"}, None),
    ],
)
def test_the_retrieval_policy_is_read(rule, policy):
    answer = Answer(body=json.dumps({"Policy": {"Rules": [rule]}}).encode())
    with (
        serving(in_turn(answer)) as server,
        service_at(server.url, dialect=dialect("glacier")) as service,
    ):
        assert service.retrieval_policy(Deadline(20)) == policy
        assert server.paths() == ["/-/policies/data-retrieval"]


def test_who_has_no_retrieval_policy_is_not_asked_twice():
    with serving(in_turn(html(404))) as server:
        with service_at(server.url, dialect=dialect("glacier")) as service:
            assert service.retrieval_policy(Deadline(20)) is None
        assert len(server.requests) == 1
        with service_at(server.url, dialect=dialect("cas")) as service:
            assert service.retrieval_policy(Deadline(20)) is None
        assert len(server.requests) == 1
