"""Bytes that look random, the same in every process, made as fast as memory is copied."""

import hashlib
import random
from functools import cache

_MIB = 1 << 20


def random_bytes(size: int, seed: int | str = 1) -> bytes:
    """Return bytes that no two seeds share, and no two blocks of 1 MiB."""
    return b"".join(
        _block(seed, number)[: size - number * _MIB] for number in range(-(-size // _MIB))
    )


def _block(seed: int | str, number: int) -> bytes:
    """Return a digest of its own, and a rotation of its own of one random block."""
    unique = hashlib.sha512(f"{seed!r}/{number}".encode()).digest()
    start = int.from_bytes(unique[:8], "big") % _MIB
    return unique + _twice_a_random_block()[start : start + _MIB - len(unique)]


@cache
def _twice_a_random_block() -> bytes:
    return random.Random("block").randbytes(_MIB) * 2
