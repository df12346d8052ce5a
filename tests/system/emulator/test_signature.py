"""The signature check: the vectors of the official SDK, and every way to be refused."""

import time
from dataclasses import replace
from typing import Any

import pytest
import requests

from casfs.emulator.api.dialect import Call
from casfs.emulator.api.signature import Flaw, SignatureError
from casfs.emulator.dialects.cas.signature import format_string, parse, verify
from casfs.emulator.settings import Keys
from tests.support.emulator.running import (
    ACCOUNT,
    KEY_ID,
    SECRET,
    RunningEmulator,
    code,
    running_emulator,
)
from tests.support.emulator.signing import Signer, authorization

NOW = 1500000000
HOST = "cas.ap-chengdu.myqcloud.com"
J = "E-nVoA6erIw71cTwI4gY6kaYpCrV1ehUrqXCkDHNfObQSfkqk_f5KyeKcxVvo--8"
M = "Kf8SJz04lhEY5rqV4afXQdDe8_Q1x9f3JppD7DoNE32Q0RaOWg5vPNQtaBYTO16G"
JOB = f"/1250000000/vaults/examplevault/jobs/{J}"
JOBS_PARAMS = [("statuscode", "Succeeded"), ("marker", M), ("completed", "true"), ("limit", "50")]
QCS = "qcs:id/0:cas:ap-chengdu:uid/1250000000:vaults/Example Vault+1~x"
RANGE = {"host": HOST, "range": "bytes=0-1048575"}

VECTORS = {
    "V1": ("GET", "/-/vaults", [("limit", "2")], {"host": HOST}, "host", "limit",
           "7e010ef2db2ac76363c32243086904d5b0a9c621"),
    "V2": ("GET", JOB + "/output", [], RANGE, "host;range", "",
           "25fb7a6c227906c4f777b35cd948b2115b9d0256"),
    "V3": ("GET", "/-/vaults/Example.Vault_1/jobs", JOBS_PARAMS, {"host": HOST}, "host",
           "completed;limit;marker;statuscode", "a28b3bb0089e66c7e21e39bcb284c6041dfff700"),
    "V4": ("GET", "/-/vaults", [], {"host": HOST}, "", "",
           "599af7f58bbd0f49669b4860d26f22bbd373a539"),
    "V5": ("POST", "/-/vaults/examplevault/jobs", [], {"host": HOST}, "host", "",
           "e8eef4c2723ce6a0b05027a9eb3af612b119969a"),
    "V6": ("GET", "/-/vaults", [("limit", "1000"), ("marker", QCS)], {"host": HOST}, "host",
           "limit;marker", "c1a8edd8254e6f4823bcb0dfa75b4e5316237995"),
    "V7": ("GET", "/-/vaults", [], {"host": "127.0.0.1:8080"}, "host", "",
           "09c5c418594eb03398738102ff52f613cf91e67e"),
    "describe": ("GET", JOB, [], {"host": HOST}, "host", "",
                 "4362a9af3166fecb3bf0139b7a45d6f8ee491506"),
    "output": ("GET", JOB + "/output", [], {"host": HOST}, "host", "",
               "5c5cbd163cb6c83af468ee3e27204e70276f5f93"),
    "vaults": ("GET", "/1250000000/vaults", [], {"host": HOST}, "host", "",
               "814dd89d7a6fd114725f71cece3ec9e602da79df"),
}  # fmt: skip
"""Method, path, parameters, headers, header list, parameter list, signature of the official SDK."""


def vector(name: str) -> tuple[Call, str]:
    method, path, params, headers, header_list, param_list, signature = VECTORS[name]
    text = (
        f"q-sign-algorithm=sha1&q-ak=AKID&q-sign-time={NOW};{NOW + 1200}"
        f"&q-key-time={NOW};{NOW + 1200}&q-header-list={header_list}"
        f"&q-url-param-list={param_list}&q-signature={signature}"
    )
    return Call(method, path, params, headers), text


def flaw(text: str | None, signed: Call, now: float = NOW, leeway: float = 900) -> Flaw | None:
    try:
        verify(text, signed, Keys("AKID", SECRET), lambda: now, leeway)
    except SignatureError as error:
        return error.flaw
    return None


@pytest.mark.parametrize("name", VECTORS)
def test_vector_is_accepted_and_nothing_near_it(name: str) -> None:
    signed, text = vector(name)
    assert flaw(text, signed) is None
    digit = "0" if text[-1] != "0" else "1"
    assert flaw(text[:-1] + digit, signed) is Flaw.WRONG
    assert flaw(text, replace(signed, method="PUT")) is Flaw.WRONG
    assert flaw(text, replace(signed, path=signed.path + "x")) is Flaw.WRONG
    assert flaw(text, replace(signed, path=signed.path.upper())) is Flaw.WRONG
    assert flaw(text.replace("q-key-time=15", "q-key-time=14"), signed) is Flaw.WRONG
    assert flaw(text.replace("q-sign-time=15", "q-sign-time=14"), signed) is Flaw.WRONG
    claim = parse(text)
    for header in claim.headers:
        other = {**signed.headers, header: signed.headers[header] + "0"}
        assert flaw(text, replace(signed, headers=other)) is Flaw.WRONG
        fewer = {key: value for key, value in signed.headers.items() if key != header}
        assert flaw(text, replace(signed, headers=fewer)) is Flaw.WRONG
    for at, (key, value) in enumerate(signed.params):
        changed = [*signed.params[:at], (key, value + "0"), *signed.params[at + 1 :]]
        assert flaw(text, replace(signed, params=changed)) is Flaw.WRONG
        assert flaw(text, replace(signed, params=signed.params[:at])) is Flaw.WRONG


def test_format_strings_are_those_of_the_official_sdk() -> None:
    signed, text = vector("V6")
    wanted = (
        "get\n/-/vaults\nlimit=1000&marker=qcs%3Aid%2F0%3Acas%3Aap-chengdu%3Auid%2F1250000000"
        "%3Avaults%2Fexample%20vault%2B1~x\nhost=cas.ap-chengdu.myqcloud.com\n"
    )
    assert format_string(parse(text), signed) == wanted


@pytest.mark.parametrize("name", VECTORS)
def test_the_signer_of_these_tests_agrees(name: str) -> None:
    signed, text = vector(name)
    named = {key: signed.headers[key] for key in parse(text).headers}
    params = dict(signed.params)
    times = (NOW, NOW + 1200)
    wanted = authorization("AKID", SECRET, signed.method, signed.path, params, named, times)
    assert wanted == text


def test_the_window_and_its_leeway() -> None:
    signed, text = vector("V1")
    assert flaw(text, signed, NOW + 1200) is None
    assert flaw(text, signed, NOW + 1201) is Flaw.EXPIRED
    assert flaw(text, signed, NOW - 900) is None
    assert flaw(text, signed, NOW - 901) is Flaw.EXPIRED
    assert flaw(text, signed, NOW - 1, leeway=0) is Flaw.EXPIRED


@pytest.mark.parametrize(
    "text",
    [
        "Basic abc",
        "q-ak=AKID",
        vector("V1")[1].replace("=sha1&", "=sha256&"),
        vector("V1")[1] + "&more=1",
        vector("V1")[1].replace(f"q-sign-time={NOW};", "q-sign-time=now;"),
    ],
)
def test_a_malformed_header_is_refused(text: str) -> None:
    assert flaw(text, vector("V1")[0]) is Flaw.WRONG


def test_no_header_and_unknown_key() -> None:
    signed, text = vector("V1")
    assert flaw(None, signed) is Flaw.MISSING
    assert flaw("", signed) is Flaw.MISSING
    assert flaw(text.replace("q-ak=AKID", "q-ak=OTHER"), signed) is Flaw.UNKNOWN_KEY


def test_the_secret_is_in_no_repr() -> None:
    assert SECRET not in repr(Keys("AKID", SECRET))


def test_refusals_on_the_wire(emulator: RunningEmulator) -> None:
    now = int(time.time())
    plain = requests.get(f"{emulator.url}/-/vaults", timeout=10)
    assert code(plain) == (400, "MissingAuthenticationTokenException")
    answer = emulator.call("GET", "", signer=Signer("OTHER", SECRET))
    assert code(answer) == (400, "UnrecognizedClientException")
    answer = emulator.call("GET", "", signer=Signer(KEY_ID, SECRET + "x"))
    assert code(answer) == (400, "InvalidSignatureException")
    answer = emulator.call("GET", "", signer=Signer(KEY_ID, SECRET, times=(now - 99, now - 9)))
    assert code(answer) == (400, "InvalidSignatureException")
    assert "expired" in answer.json()["message"]
    answer = emulator.call("GET", "", signer=Signer(KEY_ID, SECRET, times=(now + 9, now + 99)))
    assert answer.status_code == 200


def test_account_may_be_a_dash_or_the_own_one(emulator: RunningEmulator) -> None:
    assert emulator.call("GET", "").status_code == 200
    assert emulator.call("GET", "", account=ACCOUNT).status_code == 200
    other = emulator.call("GET", "", account="1250000001")
    assert code(other) == (403, "AccessDeniedException")


def test_unsigned_lists_and_an_unsigned_date_are_fine(emulator: RunningEmulator) -> None:
    now = int(time.time())
    text = authorization(KEY_ID, SECRET, "GET", "/-/vaults", {}, {}, (now - 1, now + 3600))
    headers = {"Authorization": text, "Date": "2017-08-29T08:29:41Z", "Content-Length": "0"}
    answer = requests.get(f"{emulator.url}/-/vaults?limit=1", headers=headers, timeout=10)
    assert answer.status_code == 200


def test_the_host_is_taken_as_sent(emulator: RunningEmulator) -> None:
    answer = emulator.call("GET", "", headers={"Host": "cas.ap-chengdu.myqcloud.com"})
    assert answer.status_code == 200


def test_parameters_with_signs_that_need_escapes(emulator: RunningEmulator) -> None:
    answer = emulator.call("GET", "/v/jobs", params={"marker": "A b+c~/:%41"})
    assert answer.status_code == 200


def test_unknown_paths_and_wrong_methods(emulator: RunningEmulator) -> None:
    assert code(emulator.call("GET", "/v/nonsense")) == (404, "ResourceNotFoundException")
    assert code(emulator.call("GET", "/v/access-policy")) == (404, "ResourceNotFoundException")
    assert code(emulator.call("PATCH", "/v")) == (400, "BadRequest")
    assert code(emulator.call("DELETE", "/v/jobs/x")) == (400, "BadRequest")


def test_switches_of_the_signature(tmp_path: Any) -> None:
    now = int(time.time())
    with running_emulator(tmp_path, "--expired-signature", "403", "--clock-leeway", "0") as strict:
        for times in ((now - 99, now - 9), (now + 900, now + 999)):
            answer = strict.call("GET", "", signer=Signer(KEY_ID, SECRET, times=times))
            assert code(answer) == (403, "ExpiredTokenException")
        assert strict.call("GET", "", account="-").status_code == 200
    with running_emulator(tmp_path, "--account", "1") as other:
        assert other.call("GET", "", account="1").status_code == 200
        assert other.call("GET", "", account=ACCOUNT).status_code == 403
