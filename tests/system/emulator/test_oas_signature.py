"""The signature check of OAS: the vectors of the official SDK, and every way to be refused."""

import socket
import time
from collections.abc import Iterator
from email.utils import formatdate

import pytest
import requests

from casfs.emulator.api.dialect import Call
from casfs.emulator.api.signature import Flaw, SignatureError
from casfs.emulator.dialects.oas.signature import signature, string_to_sign, verify
from casfs.emulator.settings import Keys
from tests.support.emulator.oas import Oas, code, hashes, running_oas
from tests.support.emulator.oas_signing import OasSigner
from tests.support.emulator.running import KEY_ID, SECRET

KEYS = Keys("TESTACCESSKEYID", "TESTACCESSKEYSECRET")
DATE = "Tue, 25 Mar 2014 12:00:00 GMT"
NOW = 1395748800.0
V = "79D2D8F33B7C287037286185863B6823"
J = "0123456789ABCDEF0123456789ABCDEF"
W = "92883B3F278B8EA15CC99EA8763EA129"
MD5 = "5D41402ABC4B2A76B9719D911017C592"
SDK = {"x-oas-version": "0.2.5"}
DOCUMENTED = {"x-oas-version": "2014-01-01"}
UPLOAD = {
    "x-oas-tree-etag": MD5,
    "x-oas-content-etag": MD5,
    "x-oas-archive-description": "my desc",
}
MARKER = "C83DE8B245184E28AEED6CF1CED915F2"

VECTORS = {
    "1": ("GET", "/vaults", [], SDK, "E8ixNpKAp+Okh3gUDAraiPmbLYE="),
    "2": ("GET", "/vaults", [("marker", MARKER), ("limit", "1")], SDK,
          "ZZtb9smyTYU0kRBB3XjBRQTM05s="),
    "3": ("GET", "/vaults", [("marker", ""), ("limit", "10")], SDK,
          "QSn2db9OnIu+8zT0HeSn5YFT1LE="),
    "4": ("GET", "/vaults", [("marker", "a b/c=d"), ("limit", "2")], SDK,
          "qoaOEx0xYeA85LaBiC+MC8rBneo="),
    "5": ("GET", f"/vaults/{V}/jobs/{J}", [], SDK, "HXs0uPfgyPtQRKUr63QkkF0Cz+M="),
    "6": ("GET", f"/vaults/{V}/jobs/{J}/output", [], SDK | {"range": "bytes=0-1048575"},
          "MyA2yP1g8TnGEYyORiOYxdOBER0="),
    "7": ("POST", f"/vaults/{V}/jobs", [], SDK, "kZuZJHsaNrnt5z4dDLPP/P8WwGA="),
    "8": ("POST", f"/vaults/{V}/archives", [], UPLOAD | SDK, "M+XnEfgvQVIZBlICKvn+rJzYa+A="),
    "8b": ("POST", f"/vaults/{V}/archives", [], UPLOAD, "RW1G3DvAZt4q+K9udzQeUtuKO1A="),
    "9": ("GET", "/vaults", [], DOCUMENTED, "qbFGFRlxG4W3ocB6/QYsEMI5ZOs="),
    "10": ("GET", f"/vaults/{W}/jobs/{J}/output", [], DOCUMENTED, "xft4S/ew0EdHYlKUSnO5Nxp2CEs="),
}  # fmt: skip
"""Method, path, parameters as sent, headers, signature of the official SDK."""


def vector(name: str) -> Call:
    method, path, params, headers, given = VECTORS[name]
    signed = {"date": DATE, "authorization": f"OAS {KEYS.key_id}:{given}"}
    return Call(method, path, params, headers | signed)


def flaw(call: Call, now: float = NOW, leeway: float = 900) -> Flaw | None:
    try:
        verify(call, KEYS, lambda: now, leeway)
    except SignatureError as error:
        return error.flaw
    return None


def changed(call: Call, **headers: str | None) -> Call:
    both = {**call.headers, **{name.replace("_", "-"): one for name, one in headers.items()}}
    present = {name: one for name, one in both.items() if one is not None}
    return Call(call.method, call.path, call.params, present)


@pytest.mark.parametrize("name", VECTORS)
def test_vectors_of_the_official_sdk(name: str) -> None:
    assert signature(KEYS.secret, string_to_sign(vector(name))) == VECTORS[name][4]
    assert flaw(vector(name)) is None


def test_the_string_of_a_vector() -> None:
    assert string_to_sign(vector("2")) == (
        f"GET\n{DATE}\nx-oas-version:0.2.5\n/vaults?limit=1&marker={MARKER}"
    )


@pytest.mark.parametrize(
    "call",
    [
        Call("POST", "/vaults", [], vector("1").headers),
        Call("GET", "/vaults/", [], vector("1").headers),
        Call("GET", "/vaults", [("limit", "1")], vector("1").headers),
        Call("GET", "/vaults", [("marker", "")], vector("1").headers),
        Call("GET", "/vaults", [("limit", "1")], vector("2").headers),
        Call("GET", "/vaults", [("limit", "1"), ("marker", MARKER.lower())], vector("2").headers),
        Call("GET", "/vaults", [*vector("2").params, ("limit", "1")], vector("2").headers),
        changed(vector("1"), x_oas_version="0.2.6"),
        changed(vector("1"), x_oas_version=None),
        changed(vector("1"), x_oas_new=""),
        changed(vector("8"), x_oas_tree_etag=MD5.lower()),
        changed(vector("1"), date="Tue, 25 Mar 2014 12:00:01 GMT"),
        changed(vector("1"), date=None),
        changed(vector("1"), date="yesterday"),
        changed(vector("1"), authorization=f"OAS {KEYS.key_id}:" + "A" * 27 + "="),
        changed(vector("1"), authorization=f"OAS {KEYS.key_id}:{'é'}"),
        changed(vector("1"), authorization=f"OSS {KEYS.key_id}:{VECTORS['1'][4]}"),
        changed(vector("1"), authorization=f"OAS {KEYS.key_id}"),
    ],
)
def test_what_is_not_signed_as_it_is_is_refused(call: Call) -> None:
    assert flaw(call) is Flaw.WRONG


def test_what_a_signature_does_not_cover() -> None:
    one = vector("1")
    assert flaw(changed(one, range="bytes=0-1", host="a", user_agent="b", content_type="c")) is None
    assert flaw(Call("GET", "/vaults", [("prefix", "x")], one.headers)) is None
    assert flaw(changed(one, x_oas_version=" 0.2.5 ")) is None


def test_a_key_that_is_not_known() -> None:
    call = changed(vector("1"), authorization=f"OAS OTHER:{VECTORS['1'][4]}")
    assert flaw(call) is Flaw.UNKNOWN_KEY
    assert flaw(changed(vector("1"), authorization=None)) is Flaw.MISSING


@pytest.mark.parametrize(
    ("seconds", "wanted"),
    [(-901, Flaw.EXPIRED), (-899, None), (0, None), (899, None), (901, Flaw.EXPIRED)],
)
def test_the_clock_may_be_off_by_a_quarter_of_an_hour(seconds: float, wanted: Flaw | None) -> None:
    assert flaw(vector("1"), NOW + seconds) is wanted
    assert flaw(vector("1"), NOW + seconds, leeway=1000) is None


def test_a_day_of_one_digit_is_signed_as_it_is_written() -> None:
    # A PHP client writes it so.
    text = "Wed, 5 Mar 2014 12:00:00 GMT"
    signed = signature(KEYS.secret, f"GET\n{text}\n/vaults")
    headers = {"date": text, "authorization": f"OAS {KEYS.key_id}:{signed}"}
    assert flaw(Call("GET", "/vaults", [], headers), NOW - 20 * 86400) is None


# over the wire


@pytest.fixture(scope="module")
def oas(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Oas]:
    with running_oas(tmp_path_factory.mktemp("oas")) as running:
        yield running


@pytest.mark.parametrize(
    ("signer", "wanted"),
    [
        (OasSigner(KEY_ID, "wrong"), (403, "SignatureDoesNotMatch")),
        (OasSigner("OTHER", SECRET), (403, "InvalidAccessKeyId")),
        (OasSigner(KEY_ID, SECRET, seconds=-1000), (403, "RequestTimeTooSkewed")),
        (OasSigner(KEY_ID, SECRET, seconds=1000), (403, "RequestTimeTooSkewed")),
    ],
)
def test_refusals(oas: Oas, signer: OasSigner, wanted: tuple[int, str]) -> None:
    answer = oas.call("GET", signer=signer)
    assert code(answer) == wanted
    # By this a client can tell that its clock is off.
    assert answer.headers["Date"]


def test_no_signature(oas: Oas) -> None:
    answer = requests.get(f"{oas.emulator.url}/vaults", timeout=60)
    assert code(answer) == (403, "AccessDenied")


def test_a_parameter_that_came_after_the_signature(oas: Oas) -> None:
    class Adding(OasSigner):
        def __call__(self, r: requests.PreparedRequest) -> requests.PreparedRequest:
            super().__call__(r)
            assert r.url is not None
            r.url += "?limit=1"
            return r

    answer = oas.call("GET", signer=Adding(KEY_ID, SECRET))
    assert code(answer) == (403, "SignatureDoesNotMatch")


def test_the_leeway_is_a_switch(oas: Oas) -> None:
    with running_oas(oas.emulator.root / "late", "--clock-leeway", "1e9") as late:
        late.good("GET", signer=OasSigner(KEY_ID, SECRET, seconds=-1e8))


def test_what_the_official_tool_sends(oas: Oas) -> None:
    assert oas.good("GET", params="marker&limit=10").json()["Marker"] == ""
    assert oas.good("GET", params="limit=3&marker=").json() == {"Marker": "", "VaultList": []}


def test_an_upload_with_two_hosts_and_a_raw_description(oas: Oas) -> None:
    vault = oas.create_vault("hosts")
    body = b"body"
    headers = {**hashes(body), "x-oas-archive-description": "d/é".encode()}
    request = requests.Request("POST", f"http://h/vaults/{vault}/archives", headers, data=body)
    signed = OasSigner(KEY_ID, SECRET)(request.prepare()).headers
    with socket.create_connection(("127.0.0.1", oas.emulator.port), 60) as link:
        lines = [f"POST /vaults/{vault}/archives HTTP/1.1".encode()]
        lines += [f"Host: 127.0.0.1:{oas.emulator.port}".encode(), b"Host: 127.0.0.1"]
        for name, value in signed.items():
            raw = value if isinstance(value, bytes) else value.encode()
            lines.append(name.encode() + b": " + raw)
        link.sendall(b"\r\n".join([*lines, b"Connection: close", b"", b""]) + body)
        answer = b"".join(iter(lambda: link.recv(1 << 16), b""))
    assert answer.startswith(b"HTTP/1.1 201 ")
    assert oas.emulator.sql("SELECT description FROM archives") == [("d/é",)]


def test_dates_are_now(oas: Oas) -> None:
    before = int(time.time())
    oas.create_vault("dated")
    [vault] = [one for one in oas.good("GET").json()["VaultList"] if one["VaultName"] == "dated"]
    possible = {formatdate(second, usegmt=True) for second in range(before, before + 60)}
    assert vault["CreationDate"] in possible
