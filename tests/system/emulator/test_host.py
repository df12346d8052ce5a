"""Requests with two Host headers, which official SDKs of the Python 2 era send as they stream."""

import re
import socket
import time
from collections.abc import Iterable, Sequence

import pytest
import requests
from hypothesis import assume, given
from hypothesis import strategies as st

from casfs.emulator.http.host_header import HeadFilter
from tests.support.emulator.running import KEY_ID, SECRET, RunningEmulator, hashes
from tests.support.emulator.signing import authorization


def sent(emulator: RunningEmulator, *pieces: bytes) -> bytes:
    """Send pieces over one connection and return all that comes until it is closed."""
    with socket.create_connection(("127.0.0.1", emulator.port), 60) as link:
        for piece in pieces:
            link.sendall(piece)
        return b"".join(iter(lambda: link.recv(1 << 16), b""))


def head(
    method: str, path: str, hosts: Iterable[str], headers: dict[str, str], host: str | None
) -> bytes:
    now, covered = int(time.time()), {} if host is None else {"host": host}
    signed = authorization(KEY_ID, SECRET, method, path, {}, covered, (now, now + 600))
    lines = [f"{method} {path} HTTP/1.1", *(f"Host: {host}" for host in hosts)]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, f"Authorization: {signed}", "", ""]).encode()


def upload(
    hosts: Sequence[str], body: bytes, connection: str = "close", host: str | None = None
) -> bytes:
    length = {"Content-Length": str(len(body)), "Connection": connection}
    headers = {**hashes(body), **length}
    return head("POST", "/-/vaults/v/archives", hosts, headers, host) + body


def statuses(answers: bytes) -> list[int]:
    lines = answers.split(b"\r\n")
    return [int(line.split()[1]) for line in lines if re.match(rb"HTTP/1.\d ", line)]


@pytest.mark.parametrize(
    "hosts",
    [("127.0.0.1:{}", "127.0.0.1"), ("127.0.0.1", "127.0.0.1:{}"), ("LOCALHOST", "localhost")],
)
def test_a_host_that_is_named_twice_is_one(
    emulator: RunningEmulator, hosts: tuple[str, ...]
) -> None:
    names = [host.format(emulator.port) for host in hosts]
    assert statuses(sent(emulator, upload(names, b"body"))) == [201]


def test_the_last_host_is_what_is_signed(emulator: RunningEmulator) -> None:
    def signed(*hosts: str) -> list[int]:
        return statuses(sent(emulator, upload(hosts, b"body", host="127.0.0.1")))

    assert signed("127.0.0.1:80", "127.0.0.1") == [201]
    assert signed("127.0.0.1", "127.0.0.1:80") == [400]


def test_the_body_stays_what_it_is(emulator: RunningEmulator) -> None:
    body = b"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n" * 3
    both = upload(["a", "a:80"], body, "keep-alive") * 2
    pieces = [both[at : at + 7] for at in range(0, len(both), 7)]
    answers = sent(emulator, *pieces, upload(["a", "a"], body))
    assert statuses(answers) == [201, 201, 201]


def test_two_hosts_are_refused(emulator: RunningEmulator) -> None:
    assert statuses(sent(emulator, upload(["a", "b"], b"body"))) == [400]


@pytest.mark.parametrize("header", ["Content-Length", "Content-Type"])
def test_other_headers_may_still_not_be_doubled(emulator: RunningEmulator, header: str) -> None:
    line = f"{header}: 4\r\n".encode()
    request = upload(["a"], b"body").replace(b"\r\n", b"\r\n" + line * 2, 1)
    assert statuses(sent(emulator, request)) == [400]


def test_a_body_in_chunks_passes(emulator: RunningEmulator) -> None:
    body = b"body\r\nHost: a\r\n"

    def pieces() -> Iterable[bytes]:
        yield body[:5]
        yield body[5:]

    answer = emulator.call("POST", "/v/jobs", data=pieces())
    assert (answer.status_code, answer.json()["code"]) == (400, "SerializationException")
    assert requests.get(emulator.url, timeout=60).status_code == 400


LINES = st.lists(
    st.sampled_from(
        [b"X: y", b"Host: a", b"host:b", b"Content-Length: 3", b"Content-Length: x", b"", b"abc"]
    ),
    max_size=12,
)


@given(LINES, st.sampled_from([b"\r\n", b"\n"]), st.data())
def test_however_the_bytes_come_they_pass_alike(
    lines: list[bytes], end: bytes, data: st.DataObject
) -> None:
    stream = b"".join(line + end for line in lines)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=5)))
    filtered = HeadFilter()
    pieces = [stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    assert b"".join(map(filtered.feed, pieces)) == HeadFilter().feed(stream)


@given(st.binary(max_size=200))
def test_what_names_no_host_passes_unchanged(stream: bytes) -> None:
    assume(b"host" not in stream.lower())
    assert HeadFilter().feed(stream + b"\n") == stream + b"\n"


def test_a_line_without_end_is_not_hoarded() -> None:
    filtered = HeadFilter()
    passed = sum(len(filtered.feed(b"x" * 1000)) for _ in range(1000))
    assert passed > 900_000
