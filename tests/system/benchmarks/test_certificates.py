"""The certificates of a benchmark stand up to a strict client."""

import os
import socket
import ssl
import threading

from benchmarks import certificates

SECONDS = 30


def test_a_strict_client_trusts_the_origin(tmp_path):
    authority = certificates.make(tmp_path)
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving.load_cert_chain(tmp_path / "server.crt", tmp_path / "server.key")
    asking = ssl.create_default_context(cafile=authority)
    asking.verify_flags |= ssl.VerifyFlags.VERIFY_X509_STRICT
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(SECONDS)

        def answer():
            connection, _ = listener.accept()
            connection.settimeout(SECONDS)
            with serving.wrap_socket(connection, server_side=True) as wrapped:
                wrapped.sendall(b"hello")

        server = threading.Thread(target=answer)
        server.start()
        with (
            socket.create_connection(listener.getsockname(), SECONDS) as plain,
            asking.wrap_socket(plain, server_hostname="127.0.0.1") as wrapped,
        ):
            assert wrapped.recv(5) == b"hello"
            assert wrapped.version() == "TLSv1.3"
        server.join()


def test_the_environment_is_as_before_afterwards(tmp_path, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", "mine")
    monkeypatch.delenv("CURL_CA_BUNDLE", raising=False)
    with certificates.trusted(tmp_path / "authority.crt"):
        assert os.environ["SSL_CERT_FILE"] == os.environ["CURL_CA_BUNDLE"]
    assert os.environ["SSL_CERT_FILE"] == "mine"
    assert "CURL_CA_BUNDLE" not in os.environ
