"""The tree hash of archives: pure arithmetic on digests.

An archive is split into leaves of 1 MiB (the last one may be shorter). A leaf's digest is the plain
hash of its bytes; a parent's digest is the hash of its two children's digests; an odd last node
moves up unchanged. The root is the archive's tree hash (Tencent CAS documentation, "Checksums";
Amazon Glacier Developer Guide, "Computing Checksums").

Aliyun OAS has trees of the same shape, hashed with MD5 over digests in hexadecimal text.

Digests are raw bytes here; `to_text` and `from_text` convert to and from the form on the wire.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import NewType, Protocol

Digest = NewType("Digest", bytes)
"""A hash: of a leaf, or of a tree. A type of its own, so that no other bytes are taken for one."""

LEAF_SIZE = 1 << 20
"""Bytes of every leaf but the last."""

Buffer = bytes | bytearray | memoryview
"""What can be hashed without copying it."""


class Hash(Protocol):
    """The part of a `hashlib` object that a leaf needs."""

    def update(self, data: Buffer, /) -> None:
        """Add more bytes."""

    def digest(self) -> bytes:
        """Return the hash of all bytes so far."""


@dataclass(frozen=True)
class TreeHash:
    """A way to hash a tree.

    Attributes:
        new: returns a new plain hash, for a leaf.
        join: returns the digest of a parent, given those of its two children.
    """

    new: Callable[[], Hash]
    join: Callable[[bytes, bytes], bytes]

    @cached_property
    def digest_size(self) -> int:
        """Bytes of a digest."""
        return len(self.new().digest())

    def leaf(self, data: Buffer) -> Digest:
        """Return the digest of one leaf of at most `LEAF_SIZE` bytes."""
        leaf = self.new()
        leaf.update(data)
        return Digest(leaf.digest())

    def sha256(self, data: Buffer, leaf: Digest) -> str:
        """Return the SHA-256 of bytes, in hexadecimal, as cheaply as knowing their leaf allows."""
        return (leaf if self is SHA256 else SHA256.leaf(data)).hex()

    def leaves(self, data: Buffer) -> list[Digest]:
        """Return the digests of all leaves of `data`, which starts at the start of a leaf."""
        view = memoryview(data)
        return [self.leaf(view[at : at + LEAF_SIZE]) for at in range(0, len(view), LEAF_SIZE)]

    def root(self, leaves: Sequence[bytes]) -> Digest:
        """Return the digest of the tree over `leaves`.

        Raises:
            ValueError: there are no leaves; archives are never empty.
        """
        if not leaves:
            raise ValueError("a tree hash needs at least one leaf")
        level = list(leaves)
        while len(level) > 1:
            odd = level[-1:] if len(level) % 2 else []
            pairs = zip(level[::2], level[1::2], strict=False)
            level = [self.join(left, right) for left, right in pairs] + odd
        return Digest(level[0])


def _join_sha256(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(left + right).digest()


SHA256 = TreeHash(new=hashlib.sha256, join=_join_sha256)
"""Tencent CAS and Amazon Glacier: SHA-256; a parent hashes the two binary digests."""


_new_md5 = partial(hashlib.md5, usedforsecurity=False)


def _join_md5(left: bytes, right: bytes) -> bytes:
    return _new_md5((left.hex() + right.hex()).upper().encode()).digest()


MD5 = TreeHash(new=_new_md5, join=_join_md5)
"""Aliyun OAS: MD5; a parent hashes the two digests as upper-case hexadecimal (official SDK)."""


def to_text(digest: bytes) -> str:
    """Return a digest in lower-case hexadecimal, as services write it."""
    return digest.hex()


def from_text(text: str) -> Digest:
    """Return the digest that `text` is the hexadecimal form of, in upper or lower case.

    Raises:
        ValueError: `text` is not hexadecimal.
    """
    return Digest(bytes.fromhex(text.strip()))
