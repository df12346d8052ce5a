"""Arithmetic on byte ranges: what a Range header selects, and which ranges have a tree hash."""

import re
from collections.abc import Sequence

from casfs.emulator.engine.errors import BadRangeError, PastEndError
from casfs.treehash import LEAF_SIZE, TreeHash

_FORM = re.compile(r"\s*bytes\s*=\s*(\d*)-(\d*)\s*")


def is_wellformed(header: str) -> bool:
    """Return whether a Range header asks for a single range that does not end before its start."""
    form = _FORM.fullmatch(header)
    if form is None or not (form[1] or form[2]):
        return False
    return not (form[1] and form[2]) or int(form[1]) <= int(form[2])


def requested(header: str, total: int) -> tuple[int, int]:
    """Return the first and last byte that a Range header selects of an output of `total` bytes.

    An end past the output means its last byte, `a-` reads to the end and `-n` reads the last n
    bytes (RFC 9110, section 14.1.2; the services document `bytes=a-b` only).

    Raises:
        BadRangeError: it is not a single range of bytes, or it ends before its start.
        PastEndError: it starts past the last byte.
    """
    form = _FORM.fullmatch(header)
    if form is None or not is_wellformed(header):
        raise BadRangeError(f"Invalid Range: {header}")
    if not form[1]:
        length = min(int(form[2]), total)
        if not length:
            raise PastEndError(f"The range selects no byte of the retrieved data: {header}")
        return total - length, total - 1
    first = int(form[1])
    last = int(form[2]) if form[2] else max(first, total - 1)
    if first >= total:
        raise PastEndError(
            f"The start of the range is larger than size of retrieved data: {header}"
        )
    return first, min(last, total - 1)


def check_strictly(header: str, total: int) -> None:
    """Check that a Range header has both ends, aligned to whole MiB or to the end of the output.

    Source: Aliyun OAS documentation, Get Job Output.

    Raises:
        BadRangeError: it does not have both ends, or they are not aligned.
    """
    form = _FORM.fullmatch(header)
    if form is None or not (form[1] and form[2] and is_aligned(int(form[1]), int(form[2]), total)):
        raise BadRangeError(f"Range is not aligned to {LEAF_SIZE} bytes: {header}")


def is_aligned(first: int, last: int, total: int) -> bool:
    """Return whether a range starts at a whole MiB and ends at one or at the end (`total`)."""
    return first % LEAF_SIZE == 0 and ((last + 1) % LEAF_SIZE == 0 or last == total - 1)


def is_subtree(first: int, last: int, size: int) -> bool:
    """Return whether a range is a node of the hash tree of an archive of `size` bytes.

    Source: Amazon Glacier Developer Guide, "Receiving checksums when downloading data".
    """
    if not is_aligned(first, last, size):
        return False
    begin, end = first // LEAF_SIZE, last // LEAF_SIZE + 1
    leaf_count = -(-size // LEAF_SIZE)
    width = 1
    while begin % width == 0:
        if min(begin + width, leaf_count) == end:
            return True
        if width >= leaf_count:
            return False
        width *= 2
    return False


def subtree_hash(
    tree: TreeHash, leaves: Sequence[bytes], first: int, last: int, size: int
) -> bytes | None:
    """Return the tree hash of a range of an archive, or None if the range is not a subtree.

    Args:
        tree: how the archive is hashed.
        leaves: digests of all leaves of the archive.
        first: offset of the first byte.
        last: offset of the last byte.
        size: bytes of the archive.
    """
    if not is_subtree(first, last, size):
        return None
    return root_of(tree, leaves, first, last)


def root_of(tree: TreeHash, leaves: Sequence[bytes], first: int, last: int) -> bytes:
    """Return the tree hash that an aligned range would have if it were an archive."""
    return tree.root(leaves[first // LEAF_SIZE : last // LEAF_SIZE + 1])
