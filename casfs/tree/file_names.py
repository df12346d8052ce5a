"""Names of vaults and jobs as file names, and back.

What a file name cannot contain is written as `%` and two hexadecimal digits a byte: `/`, NUL,
control characters, bytes that are not UTF-8, all of `.`, `..` and `%`, and a `%` that would
otherwise read as such an escape. Everything else stays, a leading `-` too.
"""

import hashlib
import re

LONGEST = 255
"""The longest file name in bytes (Linux)."""

_UNSAFE = re.compile(r"[\x00-\x1f\x7f/\ud800-\udfff]|%(?=[0-9A-F]{2})")
_ESCAPE = re.compile(r"(?:%[0-9A-F]{2})+")
_CUT = re.compile(r".+~[0-9a-f]{32}", re.DOTALL)


def to_file_name(name: str) -> str:
    """Return the file name of a name; equal only for equal names.

    A name that is too long is cut, and ends in `~` and a hash of all of it; such a file name cannot
    be turned back.
    """
    escaped = _escape(name) if name in ("", ".", "..", "%") else escape(_UNSAFE, name)
    encoded = escaped.encode()
    if len(encoded) <= LONGEST:
        return escaped
    return cut(escaped, hash_mark(name))


def escape(unsafe: re.Pattern[str], name: str) -> str:
    """Return a name in which each byte of what matches is `%` and two hexadecimal digits."""
    return unsafe.sub(_escape_match, name)


def hash_mark(text: str) -> str:
    """Return `~` and a hash of a text, which keeps cut names distinct."""
    return "~" + hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def cut(name: str, end: str) -> str:
    """Return as much of a name as fits into a file name before an ending, and the ending."""
    return name.encode()[: LONGEST - len(end.encode())].decode("utf-8", "ignore") + end


def from_file_name(file_name: str) -> str | None:
    """Return the name that has this file name; None if there is none, or it was cut."""
    if file_name == "%":
        return ""
    try:
        name = _ESCAPE.sub(_unescape_match, file_name)
    except UnicodeDecodeError:
        return None
    return name if to_file_name(name) == file_name else None


def is_cut(file_name: str) -> bool:
    """Return whether this looks like the file name of a name that was cut."""
    # A cut may lie up to three bytes before the limit, so as not to halve a character.
    long = len(file_name.encode("utf-8", "surrogateescape")) >= LONGEST - 3
    return long and _CUT.fullmatch(file_name) is not None


def _escape(text: str) -> str:
    if text == "":
        return "%"
    return "".join(f"%{byte:02X}" for byte in text.encode("utf-8", "surrogatepass"))


def _escape_match(match: re.Match[str]) -> str:
    return _escape(match[0])


def _unescape_match(match: re.Match[str]) -> str:
    return bytes.fromhex(match[0].replace("%", "")).decode("utf-8", "surrogatepass")
