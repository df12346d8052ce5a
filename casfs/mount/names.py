"""Names in a mount are UTF-8, in whatever locale it was mounted: a restored file has one name.

The path of the mount point is a name outside of it, and in the locale's encoding.
"""

import os
from typing import NamedTuple


class _Encoding(NamedTuple):
    encoding: str
    errors: str


NAMES = _Encoding("utf-8", "surrogateescape")
"""How names are encoded; bytes that are not UTF-8, which no name has, can be looked up as well."""


def encode_name(name: str) -> bytes:
    """Return a name or path in a mount as the kernel has it."""
    return name.encode(*NAMES)


def decode_name(name: bytes) -> str:
    """Return a name or path in a mount as Python has it."""
    return name.decode(*NAMES)


def from_locale(text: str) -> str:
    """Return a text of the command line such that `encode_name` returns the bytes that it was."""
    return decode_name(os.fsencode(text))
