"""Inodes that sort as names do: cp and others walk a directory by inode.

They then open files in the order of their names, in which the next ones are prefetched. 62 bits
hold what keeps the order of names, and what tells apart those that begin alike.
"""

import hashlib
from typing import Any

_ARCHIVE = 1 << 62
"""Set in the inodes of archives, and in no others."""
_NUMBER_BITS = 24
_ORDER_BITS = 62 - _NUMBER_BITS
_HASH_BITS = 42
_PATH_ORDER_BITS = 62 - _HASH_BITS
_TOTAL_BITS = 12
_DIGITS = range(ord("0"), ord("9") + 1)
_LOWER_CASE = range(ord("a"), ord("z") + 1)
_NOTHING = hashlib.blake2b(digest_size=6)
"""Only copied, which takes less time than to make another: a listing makes 100,000."""


def archive_inode(name: str, shared: str, number: int) -> int:
    """Return the inode of an archive, which differs from those of all others.

    Args:
        name: its name in its directory.
        shared: what the names in the directory begin with, which does not order them.
        number: tells it apart from all others.
    """
    if name.startswith(shared):
        order = _order(name[len(shared) :], shared[-1:].isdigit())
    else:
        # A second name, of which the end of what the names share is no part.
        order = 0 if name < shared else (1 << _ORDER_BITS) - 1
    return _ARCHIVE | order << _NUMBER_BITS | number % (1 << _NUMBER_BITS)


def path_inode(path: str) -> int:
    """Return the inode of anything else; it depends on the path alone."""
    encoded = path.encode("utf-8", "surrogateescape")
    start = encoded.rfind(b"/") + 1
    order = int.from_bytes(encoded[start : start + 3].ljust(3, b"\0")) >> 24 - _PATH_ORDER_BITS
    digest = _NOTHING.copy()
    digest.update(encoded)
    hash_ = int.from_bytes(digest.digest()) >> 48 - _HASH_BITS
    # 0 and 1 mean something else to some programs.
    return order << _HASH_BITS | hash_ | 2


def _shares(digit: int, lower_case: int) -> list[Any]:
    """Return the share of each byte: where it begins and ends, from 0 to 2**_TOTAL_BITS."""
    left = (1 << _TOTAL_BITS) - digit * len(_DIGITS) - lower_case * len(_LOWER_CASE)
    rest = left // (256 - len(_DIGITS) - len(_LOWER_CASE))
    shares, start = [], 0
    for byte in range(256):
        share = digit if byte in _DIGITS else lower_case if byte in _LOWER_CASE else rest
        shares.append((start, start + share))
        start += share
    return shares


def _tables() -> tuple[list[Any], list[Any]]:
    """Return the shares of bytes after a digit and after others, each with the table to go on with.

    Digits mostly follow digits: so the numbers of millions of files have room.
    """
    after_digit: list[Any] = []
    after_other: list[Any] = []
    for table, shares in (
        (after_digit, _shares(digit=300, lower_case=12)),
        (after_other, _shares(digit=80, lower_case=90)),
    ):
        for byte, (start, stop) in enumerate(shares):
            table.append((start, stop, after_digit if byte in _DIGITS else after_other))
    return after_digit, after_other


_AFTER_DIGIT, _AFTER_OTHER = _tables()


def _order(text: str, after_digit: bool) -> int:
    """Return a number that orders texts, as far as it has room: an arithmetic code."""
    code, width = 0, 1 << _ORDER_BITS
    table = _AFTER_DIGIT if after_digit else _AFTER_OTHER
    for byte in text.encode():
        start, stop, table = table[byte]
        start = width * start >> _TOTAL_BITS
        width = (width * stop >> _TOTAL_BITS) - start
        code += start
        if not width:
            break
    return code
