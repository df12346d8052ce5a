"""Text that others wrote, made fit for a terminal and for a log: nothing hidden, nothing secret.

A service, a proxy, a file name or a library may put anything into a text that is shown: escapes
that drive the terminal, line breaks that look like more lines of ours, marks that turn the order
of letters round, and headers with signatures and tokens in them.
"""

import json
import re
from functools import cache

_UNSAFE = re.compile(
    "["
    "\x00-\x1f\x7f-\x9f"  # C0, DEL and C1: what terminals act on, and line breaks
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # order of writing (Unicode, UAX #9)
    "\u2028\u2029"  # line breaks
    "\u200b\u2060-\u2065\u206a-\u206f\ufeff\ufff9-\ufffb\U000e0000-\U000e007f"  # not seen at all
    "\ud800-\udfff"  # no characters: bytes that are not UTF-8, or half a pair
    "]"
)
_SHORT = {"\n": r"\n", "\r": r"\r", "\t": r"\t"}

_HIDDEN = "..."
_IS = r"\\*['\"]?\s*+(?:=>|[:=>]|%3[ad])\s*+"
_THEN = r"\\*['\"]\s*+,\s*+"
"""Between the name and the value of a pair, as in `('authorization', b'...')`."""
_USER = r"[^\s'\"<>@]{0,999}+(?:@[^\s'\"<>@]{0,999}+(?=@))*(?=@)"
_WORDS = r"secret[\w-]{0,20}|passw(?:or)?d|passphrase|accesskey|(?:api|private)[_-]?key"
# Amazon's code ExpiredToken and its like, and what parsers say, are no names of values.
_TICKET = r"(?<!xpired)(?<!nvalid)(?<!ntication)(?<!pected\s)token"


def _named(names: str, value: str) -> tuple[str, ...]:
    """Return patterns of a named value, in quotes or up to where `value` ends."""
    is_ = rf"(?:{names})(?:{_IS}|{_THEN})"
    quoted = (rf"({is_}b?\\*{quote})(?:[^{quote}\\]|\\.)*" for quote in "\"'")
    return *quoted, rf"({is_})(?!b?\\*['\"]){value}"


_SECRETS = (
    # What http.client and requests say of a header that they do not send, and urllib3 of the
    # URL of a proxy that it cannot read.
    r"(header value\b[^b'\"]{0,9})b?['\"].*",
    r"(failed to parse:\s*).*",
    *_named("authorization|cookie", r"[^\r\n]+"),
    *_named(_WORDS, r"[^\s<]+"),
    *_named(_TICKET, r"[^\s<&]+"),
    *_named(r"(?:q-|x-\w{1,20}-)signature", r"[^\s&,;'\"]+"),
    r"(\bsignature=)[^\s&,;'\"]+",
    r"(\bOAS\s+[^\s:]+:)[a-z0-9+/=]{8,}",
    r"(\b(?:basic|bearer)\s+)(?!realm)(?=[a-z0-9+/._~-]{0,999}[0-9=])[a-z0-9+/=._~-]{8,}",
    # User and password before a host; without a scheme, a name may look just so.
    rf"(://){_USER}",
    rf"(_proxy{_IS}['\"]?){_USER}",
)


def printable(text: str) -> str:
    r"""Return a text as one line in which every character is seen, such as `\x1b` for an escape.

    Letters of all scripts, and what combines with them, stay as they are.
    """
    return _UNSAFE.sub(_escape, text)


def json_safe(text: str) -> str:
    """Return JSON, as text, with everything escaped that `printable` escapes, except line breaks.

    It means the same: outside of strings JSON has none of these.
    """
    return _UNSAFE.sub(_json_escape, text)


def pretty(facts: object) -> bytes:
    """Return facts as JSON for people, keys in the order of the service."""
    text = json.dumps(facts, indent=2, ensure_ascii=False)
    # People print these files to terminals, which must not obey what the service says; and a
    # service may send half a surrogate pair, which only an escape of JSON can hold.
    return (json_safe(text) + "\n").encode()


def redacted(text: str) -> str:
    """Return a text without what signs requests or opens proxies, as far as it shows itself."""
    for pattern in _secrets():
        text = pattern.sub(rf"\1{_HIDDEN}", text)
    return text


@cache
def _secrets() -> tuple[re.Pattern[str], ...]:
    # Not when casfs starts: compiling them takes longer than showing the help of a command.
    return tuple(re.compile(pattern, re.IGNORECASE | re.DOTALL) for pattern in _SECRETS)


def shown(text: str) -> str:
    """Return a text as it may be shown: `printable` and `redacted`."""
    return printable(redacted(text))


def _escape(match: re.Match[str]) -> str:
    letter = match[0]
    if letter in _SHORT:
        return _SHORT[letter]
    number = ord(letter)
    # A byte that is not UTF-8, as Python has it in a file name.
    if 0xDC80 <= number <= 0xDCFF:
        number -= 0xDC00
    if number < 0x100:
        return f"\\x{number:02x}"
    return f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"


def _json_escape(match: re.Match[str]) -> str:
    if match[0] == "\n":
        return "\n"
    pairs = match[0].encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{pairs[at : at + 4]}" for at in range(0, len(pairs), 4))
