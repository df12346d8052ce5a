"""What others wrote, as it is shown: no character that drives a terminal, and no secret."""

import json
import time
import unicodedata

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from casfs.errors import RequestError
from casfs.sanitize import json_safe, printable, redacted, shown
from tests.support.hostile_text import DRIVING, SECRET, TELLING

LETTERS = [
    "文書",
    "ばび",
    "e\u0301te\u0301",
    "ü",
    "ﷺ",
    "👩\u200d🔬",
    "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",
    "a\\b",
]


@pytest.mark.parametrize("text", DRIVING.values(), ids=DRIVING)
def test_what_drives_a_terminal_is_written_out(text):
    found = printable(f"a{text}b")
    assert found.isprintable()
    assert found.startswith("a\\")
    assert found.endswith("b")


@pytest.mark.parametrize("text", LETTERS)
def test_letters_stay(text):
    assert printable(text) == text


def test_what_is_written_out_can_be_told():
    assert printable("\x1b\n\t\udcff\x9b\u202e\U000e0041") == (r"\x1b\n\t\xff\x9b\u202e\U000e0041")


@given(st.text(st.characters(codec=None)))
def test_it_is_one_line_without_control_characters(text):
    found = printable(text)
    assert len(found.splitlines()) <= 1
    assert not [
        letter for letter in found if unicodedata.category(letter) in ("Cc", "Cs", "Zl", "Zp")
    ]
    assert not [letter for letter in found if unicodedata.bidirectional(letter) in BIDI]
    assert printable(found) == found


BIDI = {"LRE", "RLE", "PDF", "LRO", "RLO", "LRI", "RLI", "FSI", "PDI"}


@given(st.dictionaries(st.text(st.characters(codec=None)), st.text(st.characters(codec=None))))
def test_json_means_the_same(facts):
    found = json_safe(json.dumps(facts, indent=1, ensure_ascii=False))
    assert found.encode("utf-8")
    assert json.loads(found) == facts
    assert not [letter for letter in found if letter != "\n" and printable(letter) != letter]


@pytest.mark.parametrize("text", TELLING)
@pytest.mark.parametrize("around", ["{}", "before {}", "ValueError: {}\nafter it"])
def test_secrets_are_left_out(text, around):
    found = redacted(around.format(text))
    assert SECRET not in found
    assert "..." in found
    assert SECRET not in shown(text)
    assert SECRET not in str(RequestError(text))
    assert redacted(found) == found


def test_nothing_of_a_header_is_left_but_its_name():
    for scheme in ("Basic", "basic", "BASIC", "Bearer", "b64"):
        told = redacted(f"Proxy-Authorization: {scheme} {SECRET}")
        assert told == "Proxy-Authorization: ..."


NAMES = [
    *("password", "passwd", "Password", "secret", "secret_access_key", "aws_secret_access_key"),
    *("SecretAccessKey", "secretkey", "accesskey", "CASFS_SECRET_ACCESS_KEY", "client-secret"),
    *("token", "session_token", "SessionToken", "aws_session_token", "access_token", "oauth_token"),
    *("x-amz-security-token", "X-Cos-Security-Token", "Authorization", "proxy-authorization"),
    *("Cookie", "x-amz-signature", "q-signature", "api_key", "passphrase"),
]
FORMS = [
    *("{}={}", "{} = {}", "{}: {}", "{}:{}", "{}='{}'", '{} = "{}"', "{}: '{}'", "'{}': '{}'"),
    *('"{}": "{}"', '"{}":"{}"', "'{}': b'{}'", "b'{}': b'{}'", "('{}', '{}')", "'{}' => '{}'"),
    *("[('{}', b'{}')]", "?{}={}", "&{}={}&x=y", "<{}>{}</x>", "{}%3D{}", '{{\\"{}\\":\\"{}\\"}}'),
]


@given(
    st.sampled_from(NAMES),
    st.sampled_from(FORMS),
    st.text(alphabet="Aa0/+=.-_~!@$%*b", min_size=4, max_size=40),
    st.text(alphabet="ab \n:", max_size=20),
    st.text(alphabet="ab \n'\":", max_size=20),
)
@example("x-amz-signature", "{} = {}", "0000", "a", "")
def test_a_value_whose_name_says_that_it_is_a_secret_is_left_out(name, form, secret, before, after):
    # One that a text around it holds by chance, or the hidden one's own, says nothing.
    around = before + form.format(name, "") + after + "..."
    assume(not any(secret[at : at + 4] in around for at in range(len(secret) - 3)))
    found = redacted(f"{before}{form.format(name, secret)} {after}")
    assert not any(secret[at : at + 4] in found for at in range(len(secret) - 3))
    assert redacted(found) == found


@pytest.mark.parametrize(
    "text",
    [
        "ExpiredTokenException: the token is expired",
        "the proxy wants a user and a password; write them into HTTPS_PROXY or HTTP_PROXY",
        "/home/me/.cascmd_credentials holds a secret and others may read it",
        "Unexpected token: line 1 column 2",
        'Proxy-Authenticate: Basic realm="office"',
        "GET http://127.0.0.1:80/-/vaults/a%40b/jobs: 403 InvalidSignatureException (request id 1)",
        "set CASFS_ACCESS_KEY_ID and CASFS_SECRET_ACCESS_KEY, or secret_access_key of [profiles.x]",
        "403 ExpiredTokenException The security token included in the request is expired",
        "the signature is wrong; check the keys, the account and this machine's clock",
        "qcs:id/0:cas:ap-chengdu:uid/1250000000:vaults/photos",
        "there is no vault root:backup@server",
        "[Errno 2] No such file or directory: '/data/a@b/c'",
    ],
)
def test_what_is_no_secret_stays(text):
    assert redacted(text) == text


@pytest.mark.parametrize(
    "piece",
    [
        "a:",
        "(a:",
        "://",
        "signature=",
        "Authorization:",
        "OAS a",
        "'",
        "@",
        "token",
        "token ",
        "secret-",
        "Basic a",
        "a_proxy=",
    ],
)
def test_it_takes_no_longer_than_a_text_is_long(piece):
    text = piece * (200_000 // len(piece))
    begun = time.monotonic()
    shown(text)
    assert time.monotonic() - begun < 5
