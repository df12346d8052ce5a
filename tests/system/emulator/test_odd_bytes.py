"""Requests with bytes that no client sends are refused as a service does, not with a 500."""

from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.support.emulator.running import KEY_ID, RunningEmulator, code, running_emulator

CAS = (
    b"q-sign-algorithm=%s&q-ak=%s&q-sign-time=%s&q-key-time=%s&q-header-list=%s&"
    b"q-url-param-list=%s&q-signature=%s"
)
TIMES = b"1500000000;4000000000"
PARTS = [b"sha1", KEY_ID.encode(), TIMES, TIMES, b"host", b"", b"0" * 40]
SIGV4 = (
    b"AWS4-HMAC-SHA256 Credential=%s/%s/us-east-1/glacier/aws4_request, "
    b"SignedHeaders=%s, Signature=%s"
)
ODD = [b"\xff", b"\xc3\xa9", b"\xd9\xa3", b"\xef\xbc\x91", b"\xed\xb3\xbf"]


def status(
    emulator: RunningEmulator, path: str, headers: dict[str, bytes], body: bytes = b""
) -> int:
    parts = urlsplit(emulator.url)
    connection = HTTPConnection(parts.hostname or "", parts.port, timeout=30)
    try:
        connection.request("POST" if body else "GET", path, body, headers)
        return connection.getresponse().status
    finally:
        connection.close()


@pytest.fixture(scope="module", params=["cas", "glacier", "oas"])
def dialect(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, RunningEmulator]]:
    root: Path = tmp_path_factory.mktemp("emulator")
    with running_emulator(root, dialect=request.param) as running:
        yield request.param, running


def forged(name: str, odd: bytes) -> Iterator[dict[str, bytes]]:
    """Headers with these bytes in each place of a signature."""
    if name == "cas":
        for at, part in enumerate(PARTS):
            yield {"Authorization": CAS % (*PARTS[:at], part + odd, *PARTS[at + 1 :])}
    elif name == "oas":
        for value in (
            b"OAS %s%s:x" % (KEY_ID.encode(), odd),
            b"OAS %s:%s" % (KEY_ID.encode(), odd),
        ):
            yield {"Authorization": value, "Date": b"x", "x-oas-version": b"2013-06-01"}
        yield {"Authorization": b"OAS %s:x" % KEY_ID.encode(), "Date": odd}
    else:
        known = [KEY_ID.encode(), b"20260101", b"host;x-amz-date", b"0" * 64]
        for at, part in enumerate(known):
            value = SIGV4 % (*known[:at], part + odd, *known[at + 1 :])
            yield {"Authorization": value, "x-amz-date": b"20260101T000000Z"}
        for header in ("x-amz-date", "x-amz-content-sha256", "x-amz-security-token"):
            yield {
                "Authorization": SIGV4 % tuple(known),
                "x-amz-date": b"20260101T000000Z",
                "x-amz-glacier-version": b"2012-06-01",
                header: odd,
            }


@pytest.mark.parametrize("odd", ODD)
def test_a_signature_that_is_not_ascii_is_refused(
    dialect: tuple[str, RunningEmulator], odd: bytes
) -> None:
    name, emulator = dialect
    for headers in forged(name, odd):
        assert 400 <= status(emulator, "/-/vaults", headers) < 500, headers


@pytest.mark.parametrize("body", [b"[" * 100_000, b'{"a":' * 100_000, b"[" + b"9" * 5000 + b"]"])
def test_a_body_that_is_nested_too_deeply_is_refused(
    emulator: RunningEmulator, body: bytes
) -> None:
    answer = emulator.call("POST", "/v/jobs", data=body)
    assert (answer.status_code, code(answer)) == (
        400,
        code(emulator.call("POST", "/v/jobs", data=b"[")),
    )
