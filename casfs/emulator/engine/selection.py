"""Which bytes one answer is to carry, and what it is to say of them."""

from dataclasses import dataclass, replace
from pathlib import Path


@dataclass(frozen=True)
class Selection:
    """The bytes one answer is to carry.

    Attributes:
        kind: what the output is, for its content type: `archive`, `JSON` or `CSV`.
        file: where the bytes are.
        base: offset in the file of the output's first byte.
        total: bytes of the whole output.
        first: offset in the output of the first byte to send.
        last: offset in the output of the last byte to send.
        is_part: whether the answer is one to a range.
        tree_hash: of the bytes to send; None = the answer says nothing of it.
        whole_hash: the same for an answer that carries the whole output.
        description: of the archive, if the output is one that has one.
        shift: bytes by which the answer lies about where its bytes begin and end.
    """

    kind: str
    file: Path
    base: int
    total: int
    first: int
    last: int
    is_part: bool
    tree_hash: bytes | None
    whole_hash: bytes | None
    description: str | None = None
    shift: int = 0

    def content_range(self, form: str) -> str:
        """Return the header of a part in the form that the question `content_range` names."""
        sign = "=" if form == "equals" else " "
        return f"bytes{sign}{self.first + self.shift}-{self.last + self.shift}/{self.total}"

    @property
    def length(self) -> int:
        """Bytes to send."""
        return self.last - self.first + 1

    def whole(self) -> "Selection":
        """Return the same output as if no range had been asked for."""
        return replace(self, first=0, last=self.total - 1, is_part=False, tree_hash=self.whole_hash)
