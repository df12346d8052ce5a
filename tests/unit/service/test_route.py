"""What the environment names and does not exist is said at once, with its name."""

import importlib.util
import os
import subprocess

import pytest

from casfs.deadline import Deadline
from casfs.errors import CasfsError, ConfigError, DeadlineError, RequestError
from casfs.service.error_mapping import json_body
from casfs.service.route import Route, make_paths_absolute
from tests.support.server import Answer, in_turn, serving
from tests.support.service import transport_to

GOOD = Answer(body=b'{"good": true}')
VARIABLES = ["http_proxy", "https_proxy", "all_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY"]
VARIABLES += ["ALL_PROXY", "NO_PROXY", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "AWS_CA_BUNDLE"]


@pytest.fixture(autouse=True)
def _empty_environment(monkeypatch):
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


def refused(kind, url="https://cas.example.invalid"):
    """The message of the error that a call ends with at once."""
    with transport_to(url, attempts=None) as transport, pytest.raises(kind) as caught:
        transport.get("Ask", "/x", json_body, Deadline(60))
    assert not isinstance(caught.value, DeadlineError)
    return str(caught.value)


@pytest.mark.parametrize("name", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY"])
@pytest.mark.parametrize("scheme", ["socks4", "socks5", "socks5h"])
def test_a_socks_proxy_without_its_package(monkeypatch, name, scheme):
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda wanted: None if wanted == "socks" else find(wanted)
    )
    monkeypatch.setenv(name, f"{scheme}://us:s3cr3t@127.0.0.1:9")
    told = refused(ConfigError)
    assert name in told
    assert "pip install PySocks" in told
    assert "s3cr3t" not in told


@pytest.mark.parametrize(
    "proxy",
    [
        "socks://us:s3cr3t@127.0.0.1:9/",
        "ftp://us:s3cr3t@127.0.0.1",
        "http://us:s3cr3t@:3128",
        "http://us:s3cr3t@127.0.0.1:port",
        "http://us:s3cr3t@127.0.0.1:99999",
        "http://us:s3cr3t@[::1",
    ],
)
def test_a_proxy_that_is_none(monkeypatch, proxy):
    monkeypatch.setenv("ALL_PROXY", proxy)
    told = refused(ConfigError)
    assert "ALL_PROXY" in told
    assert "s3cr3t" not in told
    assert "write" in told


@pytest.mark.parametrize("proxy", ["http://127.0.0.1:9", "127.0.0.1:9", "http://no.invalid:3128"])
def test_a_proxy_that_does_not_exist(monkeypatch, proxy):
    monkeypatch.setenv("HTTP_PROXY", proxy)
    told = refused(RequestError, "http://cas.example.invalid")
    assert "HTTP_PROXY names the proxy http://" in told


def test_a_proxy_that_worked_may_come_back(monkeypatch):
    with serving(in_turn(GOOD)) as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        with transport_to("http://cas.example.invalid", attempts=None) as transport:
            transport.get("Ask", "/x", json_body, Deadline(60))
            proxy.stop()
            with pytest.raises(DeadlineError, match="gave up after"):
                transport.get("Ask", "/x", json_body, Deadline(0.5))


def test_a_service_that_refuses_connections_is_not_laid_on_a_proxy_that_is_not_used(monkeypatch):
    monkeypatch.setenv("http_proxy", "socks://127.0.0.1:9")
    monkeypatch.setenv("no_proxy", "127.0.0.0/8")
    with (
        transport_to("http://127.0.0.1:9", attempts=None) as transport,
        pytest.raises(DeadlineError, match="refused"),
    ):
        transport.get("Ask", "/x", json_body, Deadline(0.5))


@pytest.mark.parametrize("name", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
@pytest.mark.parametrize("content", [None, b"", b"not a certificate", b"-----BEGIN CERTIFICATE"])
def test_certificates_that_do_not_exist_or_are_none(monkeypatch, tmp_path, name, content):
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_bytes(content)
    monkeypatch.setenv(name, str(path))
    told = refused(ConfigError)
    assert f"{name} names {path}" in told


def test_certificates_that_vanish_under_a_running_client(monkeypatch, tmp_path):
    path = tmp_path / "ca.pem"
    path.write_bytes(certificate(tmp_path))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(path))
    with transport_to("https://127.0.0.1:9", attempts=None) as transport:
        with pytest.raises(DeadlineError, match="refused"):
            transport.get("Ask", "/x", json_body, Deadline(0.5))
        path.unlink()
        with pytest.raises(ConfigError, match="REQUESTS_CA_BUNDLE"):
            transport.get("Ask", "/x", json_body, Deadline(60))


def certificate(folder):
    command = ["openssl", "req", "-x509", "-nodes", "-subj", "/CN=127.0.0.1", "-newkey", "ec"]
    command += ["-pkeyopt", "ec_paramgen_curve:prime256v1", "-keyout", str(folder / "key")]
    done = subprocess.run(command, check=True, capture_output=True, timeout=60)
    return done.stdout


def test_a_relative_path_stays_that_of_where_the_client_was_made(monkeypatch, tmp_path):
    (tmp_path / "ca.pem").write_bytes(certificate(tmp_path))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "ca.pem")
    route = Route("https://127.0.0.1:9")
    os.chdir("/")
    route.check()
    assert route.settings["verify"] == str(tmp_path / "ca.pem")


def test_paths_of_the_environment_are_kept_when_a_mount_leaves_its_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    environment = {"CURL_CA_BUNDLE": "ca.pem", "AWS_CONFIG_FILE": "~/x", "SSL_CERT_FILE": "/y"}
    make_paths_absolute(environment)
    assert environment == {
        "CURL_CA_BUNDLE": str(tmp_path / "ca.pem"),
        "AWS_CONFIG_FILE": "~/x",
        "SSL_CERT_FILE": "/y",
    }


@pytest.mark.parametrize(
    "name",
    ["SSLKEYLOGFILE", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "CASFS_CONFIG", "HOME", "TMPDIR"],
)
def test_every_path_that_is_looked_at_later_is_kept(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    environment = {name: "here"}
    make_paths_absolute(environment)
    assert environment == {name: str(tmp_path / "here")}


def test_the_variable_of_a_services_own_tools_comes_first(monkeypatch, tmp_path):
    monkeypatch.setenv("AWS_CA_BUNDLE", str(tmp_path / "nothing"))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "neither"))
    with pytest.raises(ConfigError, match="AWS_CA_BUNDLE"):
        Route("https://127.0.0.1:9", ("AWS_CA_BUNDLE",)).check()
    with pytest.raises(ConfigError, match="REQUESTS_CA_BUNDLE"):
        Route("https://127.0.0.1:9").check()


def test_certificates_do_not_matter_where_nothing_is_encrypted(monkeypatch, tmp_path):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "nothing"))
    with serving(in_turn(GOOD)) as server, transport_to(server.url) as transport:
        assert transport.get("Ask", "/x", json_body, Deadline(60)) == {"good": True}


def test_a_key_that_cannot_stand_in_a_header_is_not_shown():
    def sign(request):
        request.headers["Authorization"] = "s3cr3t\nkey"
        return request

    with serving(in_turn(GOOD)) as server, transport_to(server.url) as transport:
        transport._sender._authorization = sign
        with pytest.raises(CasfsError) as caught:
            transport.get("Ask", "/x", json_body, Deadline(60))
        assert "s3cr3t" not in str(caught.value)
