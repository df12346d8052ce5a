"""What an answer brought, and by what it can be put together with what others bring."""

from dataclasses import dataclass, field

from casfs.blocks.verify import Announced


@dataclass(frozen=True, slots=True)
class Part:
    """The first bytes of a block: its memory, how many there are, and the ETag that they had."""

    data: memoryview
    filled: int
    etag: str | None

    def is_tagged(self) -> bool:
        """Return whether another answer with the same ETag has the same bytes (RFC 9110, 8.8.3)."""
        return self.etag is not None and not self.etag.startswith("W/")


@dataclass(slots=True)
class Answer:
    """What came of an answer: blocks, a part of the next one, and the hash of all of it.

    Attributes:
        announced: it said how long it is.
    """

    announced: bool = False
    blocks: dict[int, memoryview] = field(default_factory=dict)
    part: Part | None = None
    announced_hashes: list[Announced] = field(default_factory=list)
