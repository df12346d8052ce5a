"""What others wrote, as it is shown: no character that drives a terminal, and no secret."""

import json
import time
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casfs.errors import RequestError
from casfs.sanitize import json_safe, printable, redacted, shown

DRIVING = {
    "escape": "\x1b[2J",
    "bell": "\x07",
    "C1": "\x9b31m",
    "DEL": "\x7f",
    "line break": "\n",
    "return": "\r",
    "form feed": "\f",
    "NEL": "\x85",
    "line separator": "\u2028",
    "paragraph separator": "\u2029",
    "right to left": "\u202e",
    "isolate": "\u2067",
    "mark": "\u200f",
    "Arabic mark": "\u061c",
    "invisible": "\u200b",
    "byte order mark": "\ufeff",
    "tag": "\U000e0041",
    "no UTF-8": "\udcff",
}
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


SECRET = "s3cr3tS1gn4ture/+"
TELLING = [
    f"Authorization: AWS4-HMAC-SHA256 Credential=AKID/day, SignedHeaders=host, Signature={SECRET}",
    f"{{'Authorization': 'OAS AKID:{SECRET}='}}",
    f"AWS4-HMAC-SHA256 Credential=AKID/day, SignedHeaders=host, Signature={SECRET}",
    f"sent OAS AKID:{SECRET}= for it",
    f"q-sign-algorithm=sha1&q-ak=AKID&q-sign-time=1;2&q-signature={SECRET}",
    f"GET /?X-Amz-Signature={SECRET}&X-Amz-Date=1",
    f"x-amz-security-token:{SECRET}",
    f"X-Amz-Security-Token: {SECRET}",
    f"Proxy-Authorization: Basic {SECRET}",
    f"http://user:{SECRET}@proxy:3128 refuses",
    f"http://{SECRET}@proxy:3128 refuses",
    f"Failed to parse: 'us er:{SECRET}@proxy'",
    f"Invalid header value b'{SECRET}\\nmore'",
    f'Invalid header value b"{SECRET}"',
    f"reserved character(s) in header value: '{SECRET}'",
    f"secret_access_key = {SECRET}",
    f"aws_secret_access_key={SECRET}",
    f"secretkey = {SECRET}",
    f"accesskey = {SECRET}",
    f'{{"SecretAccessKey": "{SECRET}"}}',
    f'{{"SessionToken":"{SECRET}"}}',
]


@pytest.mark.parametrize("text", TELLING)
@pytest.mark.parametrize("around", ["{}", "before {}", "ValueError: {}\nafter it"])
def test_secrets_are_left_out(text, around):
    found = redacted(around.format(text))
    assert SECRET not in found
    assert "..." in found
    assert SECRET not in shown(text)
    assert SECRET not in str(RequestError(text))
    assert redacted(found) == found


@pytest.mark.parametrize(
    "text",
    [
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
    "piece", ["a:", "(a:", "://", "signature=", "Authorization:", "OAS a", "'", "@"]
)
def test_it_takes_no_longer_than_a_text_is_long(piece):
    text = piece * (200_000 // len(piece))
    begun = time.monotonic()
    shown(text)
    assert time.monotonic() - begun < 5
