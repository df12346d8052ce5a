"""How values are stored in the columns of the database."""

import hashlib
from datetime import UTC, datetime, timedelta
from typing import Any

from casfs.service.fields import http_date, iso_date

Value = str | bytes | int | float | None
"""What a column can hold."""

LARGEST = (1 << 63) - 1
"""The largest integer of SQLite."""

NO_TIME = -(1 << 62)
"""Represents an unknown time; before all others, so that every other upload is newer."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)

_NOTHING = hashlib.blake2b(digest_size=8)
"""Only copied, which takes less time than to make another: a listing makes 100,000."""


def hash_of(vault: str, archive_id: str) -> int:
    """Return a 63-bit hash of an archive: a small key for a long id.

    Two of a million archives collide in one of ten million catalogs.
    """
    digest = _NOTHING.copy()
    digest.update(f"{vault}\0{archive_id}".encode("utf-8", "surrogatepass"))
    return int.from_bytes(digest.digest()) >> 1


def storable(text: str | None) -> str | bytes | None:
    """Return text as a column can hold it: as bytes if it contains a lone surrogate."""
    if text is None or text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass")
    return text


def loaded(value: Any) -> Any:
    """Return the text from which `storable` made a column."""
    return value.decode("utf-8", "surrogatepass") if isinstance(value, bytes) else value


def size_or_none(size: int | None) -> int | None:
    """Return a size in bytes, None for what cannot be one."""
    return size if size is not None and 0 <= size <= LARGEST else None


def parse_time(text: object) -> int:
    """Return the time that a service wrote, in microseconds since 1970; NO_TIME if invalid."""
    return to_microseconds(iso_date(text) or http_date(text))


def to_microseconds(time: datetime | None) -> int:
    """Return a time in microseconds since 1970."""
    return NO_TIME if time is None else (time - _EPOCH) // _MICROSECOND


def to_time(microseconds: int) -> datetime | None:
    """Return the time of `to_microseconds`, UTC."""
    return None if microseconds == NO_TIME else _EPOCH + timedelta(microseconds=microseconds)
