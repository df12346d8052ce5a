"""The signature check of Glacier: the guide's known answer, and every way to be refused."""

import hashlib
import json
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote, urlencode

import pytest
import requests
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import given
from hypothesis import strategies as st

from casfs.emulator.api.dialect import Call
from casfs.emulator.api.signature import Flaw, SignatureError
from casfs.emulator.dialects.glacier.signature import verify
from casfs.emulator.settings import Keys
from tests.support.emulator.amazon import (
    ACCOUNT,
    REGION,
    VERSION,
    SigV4,
    authorization,
    call,
    glacier,
    refused,
)
from tests.support.emulator.running import KEY_ID, SECRET, RunningEmulator

KEYS = Keys("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
NOW = datetime(2012, 5, 25, 0, 24, 53, tzinfo=UTC).timestamp()
EMPTY = hashlib.sha256(b"").hexdigest()
GUIDE = Call(
    "PUT",
    "/-/vaults/examplevault",
    (),
    {
        "host": "glacier.us-east-1.amazonaws.com",
        "x-amz-date": "20120525T002453Z",
        "x-amz-glacier-version": "2012-06-01",
        "authorization": (
            "AWS4-HMAC-SHA256"
            " Credential=AKIAIOSFODNN7EXAMPLE/20120525/us-east-1/glacier/aws4_request,"
            "SignedHeaders=host;x-amz-date;x-amz-glacier-version,"
            "Signature=3ce5b2f2fffac9262b4da9256f8d086b4aaf42eba5f111c21681a65a127b7c2a"
        ),
    },
)
"""The example of the Developer Guide, "Signing Requests"."""


def flaw(
    request: Call, body: bytes | None = b"", now: float = NOW, keys: Keys = KEYS
) -> Flaw | None:
    try:
        verify(request, body, keys, "us-east-1", lambda: now, 900)
    except SignatureError as error:
        return error.flaw
    return None


def with_headers(request: Call, **changes: str | None) -> Call:
    """The same request with other headers; `x_amz_date` is X-Amz-Date, None leaves one out."""
    named = {name.replace("_", "-"): value for name, value in changes.items()}
    headers = {**request.headers, **named}
    kept = {name: value for name, value in headers.items() if value is not None}
    return replace(request, headers=kept)


def signed(request: Call, headers: list[str], payload: str = EMPTY) -> Call:
    """The same request signed by the signer of these tests."""
    text = authorization(
        KEYS.key_id,
        KEYS.secret,
        request.method,
        request.path,
        request.params,
        {name: request.headers[name] for name in headers},
        payload,
    )
    return with_headers(request, authorization=text)


def test_the_known_answer_is_accepted_and_nothing_near_it() -> None:
    assert flaw(GUIDE) is None
    text = GUIDE.headers["authorization"]
    assert flaw(with_headers(GUIDE, authorization=text.replace(",", ", "))) is None
    for near in (text[:-1] + "b", text + "0", text[:-1]):
        assert flaw(with_headers(GUIDE, authorization=near)) is Flaw.WRONG
    assert flaw(replace(GUIDE, method="GET")) is Flaw.WRONG
    assert flaw(replace(GUIDE, path=GUIDE.path + "x")) is Flaw.WRONG
    assert flaw(replace(GUIDE, path=GUIDE.path.upper())) is Flaw.WRONG
    assert flaw(replace(GUIDE, params=[("limit", "1")])) is Flaw.WRONG
    assert flaw(GUIDE, b"{}") is Flaw.WRONG
    assert flaw(with_headers(GUIDE, host="elsewhere")) is Flaw.WRONG
    assert flaw(with_headers(GUIDE, x_amz_date="20120525T002454Z")) is Flaw.WRONG
    assert flaw(with_headers(GUIDE, x_amz_glacier_version="2012-06-02")) is Flaw.WRONG
    assert flaw(with_headers(GUIDE, x_amz_glacier_version=None)) is Flaw.WRONG
    assert flaw(GUIDE, keys=replace(KEYS, secret="other")) is Flaw.WRONG


def test_the_signer_of_these_tests_agrees() -> None:
    again = signed(GUIDE, ["host", "x-amz-date", "x-amz-glacier-version"])
    assert again.headers == GUIDE.headers


def test_the_clock_has_a_quarter_of_an_hour_either_way() -> None:
    for seconds in (900, -900):
        assert flaw(GUIDE, now=NOW + seconds) is None
    for seconds in (901, -901):
        assert flaw(GUIDE, now=NOW + seconds) is Flaw.EXPIRED


def test_no_header_and_an_unknown_key() -> None:
    assert flaw(with_headers(GUIDE, authorization=None)) is Flaw.MISSING
    assert flaw(with_headers(GUIDE, authorization="")) is Flaw.MISSING
    assert flaw(GUIDE, keys=replace(KEYS, key_id="OTHER")) is Flaw.UNKNOWN_KEY


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("AWS4-HMAC-SHA256", "AWS4-HMAC-SHA1"),
        ("20120525/", "20120524/"),
        ("us-east-1", "us-west-2"),
        ("/glacier/", "/s3/"),
        ("aws4_request", "aws5_request"),
        ("SignedHeaders=host;", "SignedHeaders="),
        ("x-amz-date;", ""),
        (";x-amz-glacier-version", ""),
        ("host;", "host;range;"),
        ("Signature=", "Signatur="),
        (",Signature", ",Extra=1,Signature"),
    ],
)
def test_a_header_that_says_something_else_is_refused(old: str, new: str) -> None:
    text = GUIDE.headers["authorization"].replace(old, new)
    assert flaw(with_headers(GUIDE, authorization=text)) is Flaw.WRONG


def test_what_must_be_signed_is_refused_when_it_is_not() -> None:
    every = ["host", "x-amz-date", "x-amz-glacier-version"]
    for name in every:
        less = [one for one in every if one != name]
        if name == "x-amz-date":
            continue
        assert flaw(signed(GUIDE, less)) is Flaw.WRONG
    with_token = with_headers(GUIDE, x_amz_security_token="token")
    keys = replace(KEYS, token="token")
    assert flaw(signed(with_token, every), keys=keys) is Flaw.WRONG
    assert flaw(signed(with_token, [*every, "x-amz-security-token"]), keys=keys) is None


def test_a_token_must_be_there_when_the_key_has_one_and_only_then() -> None:
    every = ["host", "x-amz-date", "x-amz-glacier-version", "x-amz-security-token"]
    with_token = signed(with_headers(GUIDE, x_amz_security_token="token"), every)
    assert flaw(with_token) is Flaw.UNKNOWN_KEY
    assert flaw(with_token, keys=replace(KEYS, token="other")) is Flaw.UNKNOWN_KEY
    assert flaw(GUIDE, keys=replace(KEYS, token="token")) is Flaw.UNKNOWN_KEY
    assert "token-1" not in repr(replace(KEYS, token="token-1"))


def test_a_date_header_serves_where_there_is_no_other() -> None:
    dated = with_headers(GUIDE, x_amz_date=None, date="Fri, 25 May 2012 00:24:53 GMT")
    names = ["date", "host", "x-amz-glacier-version"]
    request = AWSRequest("PUT", f"http://{dated.headers['host']}{dated.path}")
    signer = SigV4Auth(Credentials(KEYS.key_id, KEYS.secret), "glacier", "us-east-1")
    request.context["timestamp"] = "20120525T002453Z"
    for name in names:
        request.headers[name] = dated.headers[name]
    text = signer.string_to_sign(request, signer.canonical_request(request))
    claim = GUIDE.headers["authorization"].partition("SignedHeaders=")[0]
    signature = signer.signature(text, request)
    told = f"{claim}SignedHeaders={';'.join(names)},Signature={signature}"
    assert flaw(with_headers(dated, authorization=told)) is None
    assert flaw(with_headers(dated, authorization=told, date="yesterday")) is Flaw.WRONG
    assert flaw(with_headers(dated, authorization=told, date=None)) is Flaw.WRONG


def test_headers_that_botocore_would_not_sign_may_be_signed() -> None:
    agent = with_headers(GUIDE, user_agent="Java   1.0", x_amzn_trace_id="1")
    names = ["host", "user-agent", "x-amz-date", "x-amz-glacier-version", "x-amzn-trace-id"]
    assert flaw(signed(agent, names)) is None
    assert flaw(with_headers(signed(agent, names), user_agent="Python")) is Flaw.WRONG


def test_the_hash_of_a_body_may_be_told_and_must_then_be_right() -> None:
    told = hashlib.sha256(b"body").hexdigest()
    request = with_headers(GUIDE, x_amz_content_sha256=told)
    names = ["host", "x-amz-content-sha256", "x-amz-date", "x-amz-glacier-version"]
    assert flaw(signed(request, names, told), b"body") is None
    assert flaw(signed(request, names, told), b"ydob") is Flaw.WRONG
    assert flaw(signed(request, names, told), None) is None
    assert flaw(signed(request, names[:1] + names[2:], told), b"body") is None
    assert flaw(signed(request, names, EMPTY), b"body") is Flaw.WRONG
    nothing = with_headers(GUIDE, x_amz_content_sha256="UNSIGNED-PAYLOAD")
    assert flaw(signed(nothing, names, "UNSIGNED-PAYLOAD"), b"anything") is None


@given(
    st.from_regex(r"\A[A-Za-z0-9_.~-]{1,20}\Z").filter(lambda name: name not in {".", ".."}),
    st.lists(st.tuples(st.text("ab:/=+& %~ü", min_size=1), st.text("ab:/=+& %~ü")), max_size=4),
)
def test_what_botocore_signs_is_accepted(name: str, params: list[tuple[str, str]]) -> None:
    query = urlencode(params, quote_via=quote, safe="")
    request = AWSRequest("GET", f"http://127.0.0.1:8080/-/vaults/{name}?{query}", headers=VERSION)
    SigV4Auth(Credentials(KEYS.key_id, KEYS.secret), "glacier", "us-east-1").add_auth(request)
    headers = {key.lower(): value for key, value in request.headers.items()}
    headers["host"] = "127.0.0.1:8080"
    received = Call("GET", f"/-/vaults/{name}", params, headers)
    assert flaw(received, now=time.time()) is None


@pytest.fixture(scope="module")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningEmulator]:
    with glacier(tmp_path_factory.mktemp("glacier")) as running:
        assert call(running, "PUT", "/v").status_code == 201
        yield running


def test_refusals_on_the_wire(emulator: RunningEmulator) -> None:
    plain = requests.get(f"{emulator.url}/-/vaults", headers=VERSION, timeout=10)
    assert refused(plain) == (400, "MissingAuthenticationTokenException")
    for signer, wanted in [
        (SigV4("OTHER"), (400, "UnrecognizedClientException")),
        (SigV4(KEY_ID, SECRET + "x"), (403, "InvalidSignatureException")),
        (SigV4(late=1000), (403, "InvalidSignatureException")),
        (SigV4(late=-1000), (403, "InvalidSignatureException")),
        (SigV4(scope=f"{REGION}/s3"), (403, "InvalidSignatureException")),
        (SigV4(scope="eu-west-1/glacier"), (403, "InvalidSignatureException")),
        (SigV4(payload="0" * 64), (403, "InvalidSignatureException")),
        (SigV4(token="t"), (400, "UnrecognizedClientException")),
    ]:
        assert refused(call(emulator, "GET", "", signer=signer)) == wanted
    assert call(emulator, "GET", "", signer=SigV4(late=800)).status_code == 200


def test_the_version_is_needed(emulator: RunningEmulator) -> None:
    without = SigV4(headers=("host", "x-amz-date"))
    answer = call(emulator, "GET", "", headers={}, signer=without)
    assert refused(answer) == (400, "MissingParameterValueException")
    answer = call(emulator, "GET", "", headers={"x-amz-glacier-version": "2012-06-02"})
    assert refused(answer) == (400, "InvalidParameterValueException")


def test_account_may_be_a_dash_or_the_own_one(emulator: RunningEmulator) -> None:
    for account, status in [("-", 200), (ACCOUNT, 200), ("123456789013", 403)]:
        for path in ("", "/v", "/v/jobs"):
            assert call(emulator, "GET", path, account=account).status_code == status
    answer = call(emulator, "GET", "", account="123456789013")
    assert refused(answer) == (403, "AccessDeniedException")


def test_the_body_of_a_job_is_signed(emulator: RunningEmulator) -> None:
    body = json.dumps({"Type": "inventory-retrieval"})
    assert call(emulator, "POST", "/v/jobs", data=body).status_code == 202
    wrong = SigV4(payload=hashlib.sha256(b"{}").hexdigest())
    answer = call(emulator, "POST", "/v/jobs", data=body, signer=wrong)
    assert refused(answer) == (403, "InvalidSignatureException")
    told = {**VERSION, "x-amz-content-sha256": hashlib.sha256(b"{}").hexdigest()}
    answer = call(emulator, "POST", "/v/jobs", data=body, headers=told)
    assert refused(answer) == (403, "InvalidSignatureException")
    unsigned = {**VERSION, "x-amz-content-sha256": "UNSIGNED-PAYLOAD"}
    assert call(emulator, "POST", "/v/jobs", data=body, headers=unsigned).status_code == 202
    assert len(call(emulator, "GET", "/v/jobs").json()["JobList"]) == 2


def test_a_session_token_and_a_clock_without_leeway(tmp_path: Path) -> None:
    env = {"CASFS_SESSION_TOKEN": "session-1"}
    with glacier(tmp_path, "--clock-leeway", "60", env=env) as emulator:
        assert call(emulator, "GET", "", signer=SigV4(token="session-1")).status_code == 200
        answer = call(emulator, "GET", "")
        assert refused(answer) == (400, "UnrecognizedClientException")
        late = SigV4(token="session-1", late=100)
        assert refused(call(emulator, "GET", "", signer=late)) == (403, "InvalidSignatureException")
        assert "session-1" not in emulator.errors() + emulator.access_log.read_text()
