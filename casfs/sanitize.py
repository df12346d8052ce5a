"""Makes untrusted text safe for terminals and logs: nothing invisible, nothing secret.

A service, a proxy, a file name or a library may put anything into text that is shown: escape
sequences that control the terminal, line breaks that forge more lines, marks that reverse the
direction of writing, and headers with signatures and tokens.
"""

import json
import re
from functools import cache

_UNSAFE = re.compile(
    "["
    "\x00-\x1f\x7f-\x9f"  # C0, DEL and C1: control characters and line breaks
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # direction of writing (Unicode, UAX #9)
    "\u2028\u2029"  # line breaks
    "\u200b\u2060-\u2065\u206a-\u206f\ufeff\ufff9-\ufffb\U000e0000-\U000e007f"  # invisible
    "\ud800-\udfff"  # surrogates: bytes that are not UTF-8, or half of a pair
    "]"
)
_SHORT = {"\n": r"\n", "\r": r"\r", "\t": r"\t"}

_HIDDEN = "..."
_IS = r"\\*['\"]?\s*+(?:=>|[:=>]|%3[ad])\s*+"
_THEN = r"\\*['\"]\s*+,\s*+"
"""Between the name and the value of a pair, as in `('authorization', b'...')`."""
_USER = r"[^\s'\"<>@]{0,999}+(?:@[^\s'\"<>@]{0,999}+(?=@))*(?=@)"
_WORDS = r"secret[\w-]{0,20}|passw(?:or)?d|passphrase|accesskey|(?:api|private)[_-]?key"
# Error codes such as Amazon's ExpiredToken, and messages of parsers, do not name a value.
_TICKET = r"(?<!xpired)(?<!nvalid)(?<!ntication)(?<!pected\s)token"


def _named(names: str, value: str) -> tuple[str, ...]:
    """Return patterns for a named value: quoted, or as far as `value` matches."""
    is_ = rf"(?:{names})(?:{_IS}|{_THEN})"
    quoted = (rf"({is_}b?\\*{quote})(?:[^{quote}\\]|\\.)*" for quote in "\"'")
    return *quoted, rf"({is_})(?!b?\\*['\"]){value}"


_SECRETS = (
    # Messages of http.client and requests about an invalid header, and of urllib3 about the
    # malformed URL of a proxy.
    r"(header value\b[^b'\"]{0,9})b?['\"].*",
    r"(failed to parse:\s*).*",
    *_named("authorization|cookie", r"[^\r\n]+"),
    *_named(_WORDS, r"[^\s<]+"),
    *_named(_TICKET, r"[^\s<&]+"),
    *_named(r"(?:q-|x-\w{1,20}-)signature", r"[^\s&,;'\"]+"),
    r"(\bsignature=)[^\s&,;'\"]+",
    r"(\bOAS\s+[^\s:]+:)[a-z0-9+/=]{8,}",
    r"(\b(?:basic|bearer)\s+)(?!realm)(?=[a-z0-9+/._~-]{0,999}[0-9=])[a-z0-9+/=._~-]{8,}",
    # User and password before a host. Without a scheme this is ambiguous, so require `_proxy`.
    rf"(://){_USER}",
    rf"(_proxy{_IS}['\"]?){_USER}",
)


def printable(text: str) -> str:
    r"""Return a text as one line in which every character is visible, such as `\x1b` for an escape.

    Letters of all scripts and combining characters are left unchanged.
    """
    return _UNSAFE.sub(_escape, text)


def json_safe(text: str) -> str:
    """Return JSON text with everything escaped that `printable` escapes, except line breaks.

    Its meaning is the same, because these characters occur only in strings.
    """
    return _UNSAFE.sub(_json_escape, text)


def pretty(facts: object) -> bytes:
    """Return facts as indented JSON, with the keys in the order of the service."""
    text = json.dumps(facts, indent=2, ensure_ascii=False)
    # Users print these files to terminals, so the service must not control the terminal; and it
    # may send a lone surrogate, which only a JSON escape can represent.
    return (json_safe(text) + "\n").encode()


def redacted(text: str) -> str:
    """Return a text without recognizable signatures, tokens, keys and passwords."""
    for pattern in _secrets():
        text = pattern.sub(rf"\1{_HIDDEN}", text)
    return text


@cache
def _secrets() -> tuple[re.Pattern[str], ...]:
    # Compiled on first use, because that takes longer than showing a command's help.
    return tuple(re.compile(pattern, re.IGNORECASE | re.DOTALL) for pattern in _SECRETS)


def shown(text: str) -> str:
    """Return a text that is safe to show: `printable` and `redacted`."""
    return printable(redacted(text))


def _escape(match: re.Match[str]) -> str:
    letter = match[0]
    if letter in _SHORT:
        return _SHORT[letter]
    number = ord(letter)
    # Python represents a byte of a file name that is not UTF-8 like this.
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
