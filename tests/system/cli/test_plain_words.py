"""Messages are in words: no class, errno, source line or traceback of Python or a library."""

import re
import socket
import ssl

import pytest

from casfs.reasons import reason
from tests.support.server import Answer, in_turn, serving
from tests.system.cli.said import one_line

PYTHON = re.compile(r"Errno|_ssl|Traceback|gaierror|[a-z]Error\b|Pool\(|<[\w.]+ object|Exception")


def plain(done):
    """The one line that a command says, which must be plain."""
    line = one_line(done)
    assert not PYTHON.search(line), line
    return line


def asked(casfs, url, **environment):
    done = casfs("vaults", "--endpoint", url, CASFS_ATTEMPTS="1", **environment)
    assert done.returncode == 1
    return plain(done)


def test_a_name_that_nobody_knows(casfs):
    line = asked(casfs, "https://no-such-host.invalid")
    assert "name cannot be resolved" in line
    assert "--endpoint" in line


def test_a_port_where_nobody_listens(casfs):
    assert "Connection refused" in asked(casfs, "http://127.0.0.1:1")


@pytest.mark.parametrize(
    ("sent", "words"),
    [
        (b"", "closed connection without response"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{", "broke off"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "is not HTTP"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "broke off"),
    ],
)
def test_answers_that_are_none(casfs, sent, words):
    with serving(in_turn(lambda request, wire: wire.send(sent))) as server:
        assert words in asked(casfs, server.url)


def test_a_server_without_tls(casfs):
    with serving(in_turn(Answer(body=b"{}"))) as server:
        line = asked(casfs, server.url.replace("http:", "https:"))
    assert "TLS" in line


def test_a_server_that_says_nothing(casfs):
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        line = asked(casfs, f"http://127.0.0.1:{silent.getsockname()[1]}", CASFS_READ_TIMEOUT="0.2")
    assert "timed out" in line


def test_a_disk_that_is_full_behind_the_output(casfs):
    with open("/dev/full", "wb") as full:
        line = plain(casfs("vaults", stdout=full))
    assert "output cannot be written: No space left on device" in line


def test_a_log_that_cannot_be_written(casfs, tmp_path):
    done = casfs("mount", "--log-file", "/proc/none/log", str(tmp_path / "m"))
    assert done.returncode == 2
    plain(done)


def test_headers_that_are_none_are_logged_once_and_without_a_traceback(casfs):
    head = b"HTTP/1.1 503 Busy\r\nno colon here\r\nContent-Length: 0\r\n\r\n"
    with serving(lambda request, wire: wire.send(head)) as server:
        done = casfs("vaults", "--endpoint", server.url, CASFS_ATTEMPTS="3")
        host = server.url.removeprefix("http://")
        assert len(server.requests) > 1
    lines = done.stderr.decode().splitlines()
    wanted = (
        f"casfs: {host} sends malformed headers, and what follows them is lost; "
        "check --endpoint and any proxy on the way"
    )
    assert [line for line in lines if "malformed headers" in line] == [wanted]
    assert not any(PYTHON.search(line) for line in lines), lines


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OSError(28, "No space left on device"), "No space left on device"),
        (OSError(13, "Permission denied", "/a/b"), "Permission denied: /a/b"),
        (socket.gaierror(-2, "Name or service not known"), "its name cannot be resolved"),
        (ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER] wrong version number (_ssl.c:1006)"), "TLS"),
        (ssl.SSLError(1, "[X509] no certificate (_ssl.c:3)"), "no certificate"),
        (RuntimeError("can't start new thread"), "can't start new thread"),
        (ConnectionResetError(), "connection reset"),
    ],
)
def test_the_reason_of_an_error_is_in_words(error, words):
    told = reason(error)
    assert words in told
    assert not PYTHON.search(told)
