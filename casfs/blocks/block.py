"""A block that came from the service, and what names one in the caches."""

from collections.abc import Hashable
from dataclasses import dataclass

from casfs.blocks.verify import Digest, Trust

Key = tuple[Hashable, int]
"""Key of an open output and number of a block."""


@dataclass(frozen=True, slots=True)
class Block:
    """A block that was received, and how sure we are of it.

    Attributes:
        provisional: more is to come of the answer that it is from, which may still show that all
            of it is wrong.
    """

    number: int
    data: memoryview
    leaf: Digest
    trust: Trust
    provisional: bool = False
