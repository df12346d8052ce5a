"""Values in JSON answers, read tolerantly: what cannot be read is unknown, never an exception."""

import json
import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from casfs.treehash import Digest

_LARGEST = (1 << 63) - 1
"""Larger numbers fit neither a file's size nor the catalog."""
_RANGE = re.compile(r"\s*([0-9]{1,19})\s*-\s*([0-9]{1,19})\s*")


def text(value: Any) -> str | None:
    """Return a non-empty string, else None; half a surrogate pair, which nothing takes, is "?"."""
    if not isinstance(value, str) or not value:
        return None
    return value if value.isascii() else value.encode("utf-8", "replace").decode()


def integer(value: Any) -> int | None:
    """Return a number from 0, sent as a number or as a string of digits, else None."""
    if isinstance(value, str) and len(value) < 20 and value.isascii() and value.isdigit():
        value = int(value)
    # The exact type: true and false are integers of Python, too.
    return value if type(value) is int and 0 <= value <= _LARGEST else None


def digest(value: Any, length: int) -> Digest | None:
    """Return the digest of `length` bytes that a hexadecimal string spells, else None."""
    try:
        found = bytes.fromhex(value) if isinstance(value, str) else b""
    except ValueError:
        return None
    return Digest(found) if len(found) == length else None


def byte_range(value: Any) -> tuple[int, int] | None:
    """Return first and last byte of a range such as "0-1048575", else None."""
    if not isinstance(value, str):
        return None
    first, _, last = value.partition("-")
    # The usual form takes a third of the time of the expression, for each job of a listing.
    if not (first.isdecimal() and last.isdecimal() and value.isascii() and len(value) < 40):
        found = _RANGE.fullmatch(value)
        if found is None:
            return None
        first, last = found.groups()
    start, end = int(first), int(last)
    return (start, end) if start <= end <= _LARGEST else None


def iso_date(value: Any) -> datetime | None:
    """Return the time in UTC that an ISO 8601 string names, with or without fraction, else None."""
    try:
        found = datetime.fromisoformat(value) if isinstance(value, str) else None
        if found is None:
            return None
        if found.tzinfo is UTC:
            return found
        return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None


def http_date(value: Any) -> datetime | None:
    """Return the time in UTC that a date of HTTP (RFC 1123) names, else None."""
    try:
        found = parsedate_to_datetime(value.strip()) if isinstance(value, str) else None
        if found is None:
            return None
        return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None


def compact(answer: Any) -> str:
    """Return an answer as one line of JSON, keys in the order of the service."""
    # Imported here, or the help of the command line would wait for it.
    import orjson

    try:
        return orjson.dumps(answer).decode()
    except orjson.JSONEncodeError:
        # Half a surrogate pair, or a number of more than 64 bits.
        return json.dumps(answer, separators=(",", ":"))
