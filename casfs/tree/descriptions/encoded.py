"""The encodings in which tools write a path and a time: base64, UTF-7, JSON, dates.

Every function is total: it returns None for what is malformed.
"""

import binascii
import json
import re
from datetime import UTC, datetime

_DATE = re.compile(r"[1-9][0-9]{7}T[0-9]{6}Z")
# An unterminated string extends to the end: nothing is scanned twice.
_STRING = re.compile(r'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)
_SECONDS = re.compile(r"(-?[0-9]{1,12})(?:\.([0-9]+))?")
_URL_ALPHABET = str.maketrans("-_", "+/")
_DEEPEST = 4
_FIRST_SECOND = int(datetime(1000, 1, 1, tzinfo=UTC).timestamp())
_LAST_SECOND = int(datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC).timestamp())


def base64_text(text: str) -> str | None:
    """Decode base64 to UTF-8, in the standard or URL alphabet, padded or not."""
    try:
        padded = text.translate(_URL_ALPHABET) + "=" * (-len(text) % 4)
        return binascii.a2b_base64(padded, strict_mode=True).decode()
    except ValueError:
        return None


def utf7_text(text: str) -> str:
    """Decode UTF-7; return the text itself if it is not strictly UTF-7 (RFC 2152)."""
    if "+" not in text or not text.isascii():
        return text
    try:
        decoded = text.encode().decode("utf-7")
        # Python accepts a lone surrogate.
        decoded.encode()
    except UnicodeError:
        return text
    return decoded


def json_object(text: str) -> dict[str, object] | None:
    """Parse a JSON object, which may be inside a JSON string or plain quotes."""
    value = _json(text)
    if value is None and text[:1] == text[-1:] == '"':
        value = _json(text[1:-1])
    if isinstance(value, str):
        value = _json(value)
    return value if isinstance(value, dict) else None


def _json(text: str) -> object:
    if not _is_flat(text):
        return None
    try:
        return json.loads(text)
    except ValueError:
        return None


def _is_flat(text: str) -> bool:
    """Return whether JSON is nested no deeper than any tool's, without parsing it."""
    if text.count("{") + text.count("[") <= _DEEPEST:
        return True
    depth = 0
    for sign in re.findall(r"[][{}]", _STRING.sub("", text)):
        depth += 1 if sign in "{[" else -1
        if depth > _DEEPEST:
            return False
    return True


def date(text: object) -> int | None:
    """Return the nanoseconds since 1970 of a date such as `20190412T081530Z`, UTC."""
    if not isinstance(text, str) or not _DATE.fullmatch(text):
        return None
    try:
        return int(datetime.fromisoformat(text).timestamp()) * 10**9
    except ValueError:
        return None


def seconds(text: str) -> int | None:
    """Return decimal seconds since 1970 as nanoseconds, exactly; in the years 1000 to 9999."""
    match = _SECONDS.fullmatch(text)
    if not match or not _FIRST_SECOND <= int(match[1]) <= _LAST_SECOND:
        return None
    fraction = int((match[2] or "")[:9].ljust(9, "0"))
    return int(match[1]) * 10**9 + (-fraction if text[0] == "-" else fraction)


def unquoted(text: str) -> str:
    """Return a text without surrounding blanks and one pair of quotes."""
    text = text.strip()
    return text[1:-1].strip() if len(text) > 1 and text[0] == text[-1] == '"' else text
