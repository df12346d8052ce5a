"""Certificates that are not trusted are not asked again, and TLS obeys deadlines too."""

import ssl
import subprocess

import pytest

from casfs.deadline import Deadline
from casfs.errors import DeadlineError, RequestError, TransientError
from casfs.service.error_mapping import json_body
from tests.support.server import Answer, in_turn, serving
from tests.support.service import transport_to

GOOD = Answer(body=b'{"good": true}')


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tls")
    files = folder / "certificate.pem", folder / "key.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-nodes", "-days", "2"),
            *("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"),
            *("-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"),
            *("-out", str(files[0]), "-keyout", str(files[1])),
        ],
        check=True,
        capture_output=True,
        timeout=60,
    )
    return files


@pytest.fixture
def tls(certificate):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    return context


@pytest.fixture
def trusted(certificate, monkeypatch):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate[0]))


def test_a_certificate_that_is_not_trusted_is_not_asked_again(tls, monkeypatch):
    monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)
    monkeypatch.delenv("CURL_CA_BUNDLE", raising=False)
    with serving(in_turn(GOOD), tls) as server:
        with transport_to(server.url) as transport, pytest.raises(RequestError) as caught:
            transport.get("Ask", "/x", json_body, Deadline(60))
        assert "certificate is not trusted" in str(caught.value)
        assert "self-signed" in str(caught.value)
        assert "REQUESTS_CA_BUNDLE" in str(caught.value)
        assert server.connections == 1
        assert server.requests == []


def test_a_certificate_of_another_host_is_not_asked_again(tls, trusted):
    with serving(in_turn(GOOD), tls) as server:
        url = server.url.replace("127.0.0.1", "localhost")
        with transport_to(url) as transport, pytest.raises(RequestError, match="certificate"):
            transport.get("Ask", "/x", json_body, Deadline(60))
        assert server.requests == []


@pytest.mark.usefixtures("trusted")
def test_a_certificate_of_ones_own_can_be_trusted(tls):
    with serving(in_turn(GOOD), tls) as server, transport_to(server.url) as transport:
        for _ in range(2):
            assert transport.get("Ask", "/x", json_body, Deadline(60)) == {"good": True}
        assert server.connections == 1


@pytest.mark.usefixtures("trusted")
def test_an_answer_that_trickles_ends_at_the_deadline(tls):
    def trickle(request, wire):
        wire.send(GOOD.head)
        wire.trickle(GOOD.body, 0.2)

    with (
        serving(trickle, tls) as server,
        transport_to(server.url, read_timeout=60) as transport,
        pytest.raises(DeadlineError),
    ):
        transport.get("Ask", "/x", json_body, Deadline(0.6))


@pytest.mark.usefixtures("trusted")
def test_an_answer_that_trickles_by_way_of_a_proxy_ends_at_the_deadline(tls, monkeypatch):
    def trickle(request, wire):
        wire.send(b"HTTP/1.1 200 OK\r\n\r\n")
        with wire.encrypted(tls) as tunnel:
            tunnel.send(GOOD.head)
            tunnel.trickle(GOOD.body, 0.2)

    with serving(trickle) as proxy:
        monkeypatch.setenv("https_proxy", proxy.url)
        monkeypatch.delenv("no_proxy", raising=False)
        monkeypatch.delenv("NO_PROXY", raising=False)
        with (
            transport_to("https://127.0.0.1:1", read_timeout=60) as transport,
            pytest.raises(DeadlineError),
        ):
            transport.get("Ask", "/x", json_body, Deadline(0.6))
        assert proxy.requests[0].method == "CONNECT"


@pytest.mark.usefixtures("trusted")
def test_an_answer_that_is_cut_is_asked_again(tls):
    def cut(request, wire):
        wire.send(GOOD.head + GOOD.body[:5])

    with serving(in_turn(cut, GOOD), tls) as server, transport_to(server.url) as transport:
        assert transport.get("Ask", "/x", json_body, Deadline(60)) == {"good": True}
        assert [request.connection for request in server.requests] == [0, 1]


def test_a_server_without_tls_is_a_broken_connection():
    with serving(in_turn(GOOD)) as server:
        url = server.url.replace("http:", "https:")
        with (
            transport_to(url, attempts=2, connect_timeout=0.5) as transport,
            pytest.raises(TransientError),
        ):
            transport.get("Ask", "/x", json_body, Deadline(60))
